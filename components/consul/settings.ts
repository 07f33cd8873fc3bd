import { type Static, Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { flag, secret, text } from "../contract/settings.ts";
import { optionsOf, stringsOf } from "./nested.ts";

const optional = (description: string) => Type.Optional(text({ description }));
const optionalSecret = (description: string) => Type.Optional(secret({ description }));

export const metadata = Type.Object({
  address: optional("Agent as host:port, or as a URL; default: 127.0.0.1:8500."),
  scheme: text({ default: "http", description: "http or https, where address does not say." }),
  token: optionalSecret("Token of an ACL, for all requests."),
  tokenFile: optional("Path of a file with the token; read again when the agent no longer takes it."),
  username: optional("User of HTTP basic authentication, as a proxy in front may ask for."),
  password: optionalSecret("Password of that user."),
  datacenter: optional("Datacenter to ask and to register in; default: the agent's."),
  namespace: optional("Namespace of the agent, where it has them."),
  partition: optional("Admin partition of the agent, where it has them."),
  waitTime: optional("Longest wait for a change at once, such as 10m; needs useCache."),
  tlsAddress: optional("Name to look for in the agent's certificate; default: that of address."),
  caFile: optional("Authority of the agent's certificate: the path of a PEM file, or PEM text."),
  certFile: optional("Client certificate: the path of a PEM file, or PEM text."),
  keyFile: optionalSecret("Key of the client certificate: the path of a PEM file, or PEM text."),
  insecureSkipVerify: flag({ default: false, description: "Take any certificate: for development only." }),
  selfRegister: flag({ default: false, description: "Register this sidecar as a service named after the app." }),
  selfDeregister: flag({ default: false, description: "Take the registration back when the sidecar ends." }),
  daprPortMetaKey: text({
    default: "DAPR_PORT",
    description: "Key of a service's metadata with the port of its sidecar.",
  }),
  tags: optional("Tags of the registration: a list, or texts separated by commas."),
  meta: optional("Further metadata of the registration, as an object."),
  checks: optional(
    "Health checks of the registration, as a list; default: one every 15 s, of the sidecar's own health where its HTTP port is fixed, else of its port for other sidecars.",
  ),
  advancedRegistration: optional(
    `The whole registration, in place of selfRegister, tags, meta and checks. \${APP_ID}, \${HOST_ADDRESS}, \${DAPR_PORT} and variables of the environment are filled in, here and in those.`,
  ),
  useCache: flag({
    default: false,
    description: "Keep the sidecars of apps in memory, and hear of changes as they come.",
  }),
  queryDatacenter: optional("Datacenter to look for apps in; default: that of datacenter."),
  queryToken: optionalSecret("Token for looking for apps; default: token."),
  queryWaitTime: optional("Like waitTime, and goes before it."),
  allowStale: flag({ default: false, description: "Take answers of servers that may lag behind." }),
  requireConsistent: flag({
    default: false,
    description: "Take answers only that a majority of servers has confirmed.",
  }),
  client: optionalSecret(
    "The connection as an object: address, scheme, datacenter, token, tokenFile, waitTime, namespace, partition, httpAuth, tlsConfig. Goes before the keys beside it.",
  ),
  queryOptions: optionalSecret(
    "How apps are looked for, as an object: datacenter, token, waitTime, allowStale, requireConsistent, useCache, filter, near, namespace, partition. Default: useCache, which takes answers that the agent remembers.",
  ),
});
export type ConsulSettings = Static<typeof metadata>;

/** How the agent is reached. */
export interface Connection {
  readonly url: URL;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly basic: { readonly user: string; readonly password: string } | undefined;
  /** Query parameters of all requests: dc, ns, partition. */
  readonly scope: Readonly<Record<string, string>>;
  readonly serverName: string | undefined;
  /** PEM texts or paths. */
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly insecure: boolean;
}

/** How apps are looked for. */
export interface Query {
  readonly token: string | undefined;
  /** A Go duration. */
  readonly wait: string | undefined;
  /** Query parameters. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** From the keys, and from those in `client`. Throws `openFailed`. */
export function connectionOf(settings: ConsulSettings): Connection {
  const client = optionsOf("client", settings.client, [
    "address",
    "scheme",
    "datacenter",
    "token",
    "tokenFile",
    "waitTime",
    "namespace",
    "partition",
    "httpAuth",
    "tlsConfig",
  ]);
  const auth = client.object("httpAuth", ["username", "password"]);
  const tls = client.object("tlsConfig", [
    "address",
    "caFile",
    "caPem",
    "certFile",
    "certPem",
    "keyFile",
    "keyPem",
    "insecureSkipVerify",
  ]);
  const user = auth.text("username") ?? settings.username;
  return {
    url: urlOf(client.text("address") ?? settings.address, client.text("scheme") ?? settings.scheme),
    token: client.text("token") ?? settings.token,
    tokenFile: client.text("tokenFile") ?? settings.tokenFile,
    basic: user ? { user, password: auth.text("password") ?? settings.password ?? "" } : undefined,
    scope: given({
      dc: client.text("datacenter") ?? settings.datacenter,
      ns: client.text("namespace") ?? settings.namespace,
      partition: client.text("partition") ?? settings.partition,
    }),
    serverName: tls.text("address") ?? settings.tlsAddress,
    ca: tls.text("caPem") ?? tls.text("caFile") ?? settings.caFile,
    certificate: tls.text("certPem") ?? tls.text("certFile") ?? settings.certFile,
    key: tls.text("keyPem") ?? tls.text("keyFile") ?? settings.keyFile,
    insecure: tls.flag("insecureSkipVerify") ?? settings.insecureSkipVerify,
  };
}

/** From the keys, and from those in `queryOptions`. Throws `openFailed`. */
export function queryOf(settings: ConsulSettings): Query {
  const options = optionsOf("queryOptions", settings.queryOptions, [
    "datacenter",
    "token",
    "waitTime",
    "allowStale",
    "requireConsistent",
    "useCache",
    "filter",
    "near",
    "namespace",
    "partition",
  ]);
  const client = optionsOf("client", settings.client);
  const stale = options.flag("allowStale") ?? settings.allowStale;
  const consistent = options.flag("requireConsistent") ?? settings.requireConsistent;
  if (stale && consistent) throw fail("openFailed", { why: "allowStale and requireConsistent: only one can be had" });
  const cached = options.flag("useCache") ?? (!settings.queryOptions && !consistent);
  const wait = options.text("waitTime") ?? settings.queryWaitTime ?? client.text("waitTime") ?? settings.waitTime;
  return {
    token: options.text("token") ?? settings.queryToken,
    wait: wait === undefined ? undefined : checkedWait(wait),
    parameters: given({
      passing: "1",
      dc: options.text("datacenter") ?? settings.queryDatacenter,
      ns: options.text("namespace"),
      partition: options.text("partition"),
      filter: options.text("filter"),
      near: options.text("near"),
      stale: stale ? "1" : undefined,
      consistent: consistent ? "1" : undefined,
      cached: cached ? "1" : undefined,
    }),
  };
}

/** Tags as a JSON list or between commas. Throws `openFailed`. */
export const tagsOf = ({ tags }: ConsulSettings): readonly string[] => stringsOf("tags", tags);

function urlOf(address: string | undefined, scheme: string): URL {
  const given = address || "127.0.0.1:8500";
  const url = URL.parse(/^\w+:\/\//.test(given) ? given : `${scheme}://${given}`);
  if (url && (url.protocol === "http:" || url.protocol === "https:")) return url;
  const why = `address: ${JSON.stringify(given)} is no host:port and no URL of http or https; write it as consul.example.com:8500`;
  throw fail("openFailed", { why });
}

function given(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return Object.fromEntries(entries);
}

function checkedWait(wait: string): string {
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(wait)) return wait;
  throw fail("openFailed", { why: `waitTime: ${JSON.stringify(wait)} is not a duration; write 30s or 5m` });
}
