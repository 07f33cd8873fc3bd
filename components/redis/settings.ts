import { type Static, type TObject, Type } from "typebox";
import { choice, durationMs, flag, integer, requiredText, secret, text } from "../contract/settings.ts";

/** What the kinds of components differ in; durations in milliseconds. */
interface Defaults {
  readonly redisMinRetryInterval: number;
  readonly redisMaxRetryInterval: number;
}

/** Settings of every component that lives in Redis. Several are read and mean nothing here; each of them says why. */
export const connectionSettings = ({ redisMinRetryInterval, redisMaxRetryInterval }: Defaults) => ({
  ...addressSettings,
  ...userSettings,
  ...tlsSettings,
  ...retrySettings(redisMinRetryInterval, redisMaxRetryInterval),
  ...poolSettings,
  ...oidcSettings,
});

export type ConnectionSettings = Static<TObject<ReturnType<typeof connectionSettings>>>;

const addressSettings = {
  redisHost: requiredText({
    description: "Address, `host:port`; several, separated by commas, for a cluster or for sentinels.",
    example: "localhost:6379",
  }),
  redisPort: Type.Optional(text({ description: "Port for addresses of redisHost that name none; default: 6379." })),
  redisType: choice(["node", "cluster"], { default: "node", description: "What answers at redisHost." }),
  redisDB: integer({ default: 0, minimum: 0, description: "Number of the database; a cluster has only 0." }),
  failover: flag({ default: false, description: "redisHost names sentinels, which know where the primary is." }),
  sentinelMasterName: text({ default: "", description: "Name of the primary among the sentinels; failover needs it." }),
};

const userSettings = {
  redisUsername: text({ default: "", description: "User; empty: the default user." }),
  redisPassword: secret({ default: "", description: "Password; empty: none." }),
  sentinelUsername: text({ default: "", description: "User of the sentinels." }),
  sentinelPassword: secret({ default: "", description: "Password of the sentinels." }),
};

const tlsSettings = {
  enableTLS: flag({ default: false, description: "Encrypts the connection." }),
  insecureSkipTLSVerify: flag({
    default: false,
    description: "Accepts any certificate of the server; for tests only.",
  }),
  caCert: text({
    default: "",
    description: "Certificates (PEM) that the server's must come from; default: those that Node trusts.",
  }),
  clientCert: text({ default: "", description: "Certificate (PEM) that the sidecar shows; clientKey belongs to it." }),
  clientKey: secret({ default: "", description: "Key (PEM) of clientCert." }),
};

const retrySettings = (min: number, max: number) => ({
  redisMaxRetries: integer({
    default: 3,
    minimum: -1,
    description:
      "How often a call is sent again after a lost connection, and waits for a new one. Calls that must not be done twice are sent again only when they were surely not done. 0 or -1: never.",
  }),
  redisMinRetryInterval: durationMs({
    default: min,
    unit: "s",
    description: "Pause after a second failed attempt to connect; the first follows at once, later pauses double.",
  }),
  redisMaxRetryInterval: durationMs({ default: max, unit: "s", description: "Longest pause between two attempts." }),
  dialTimeout: durationMs({ default: 5000, unit: "s", description: "Longest time to connect." }),
  readTimeout: durationMs({
    default: 3000,
    unit: "s",
    description: "A connection that owes an answer for so long is given up and made anew; 0: never.",
  }),
});

const noPool = "No effect: one connection carries all calls, without waiting for answers in between.";
const duration = (description: string) => Type.Optional(durationMs({ unit: "s", description }));
const count = (description: string) => Type.Optional(integer({ description }));

const poolSettings = {
  writeTimeout: duration("No effect: readTimeout covers what was not sent."),
  poolSize: count(noPool),
  poolTimeout: duration(noPool),
  maxConnAge: duration(noPool),
  minIdleConns: count(noPool),
  idleCheckFrequency: duration(noPool),
  idleTimeout: duration(noPool),
};

const oidc = (description: string) => Type.Optional(text({ description: `With useOIDC: ${description}` }));

const oidcSettings = {
  useOIDC: flag({
    default: false,
    description:
      "The password is a token from an OpenID Connect server, which knows the sidecar by a signed assertion.",
  }),
  oidcTokenEndpoint: oidc("URL that gives tokens."),
  oidcClientID: oidc("id of the sidecar there."),
  oidcClientAssertionCert: oidc("certificate (PEM) of the key, whose print goes into the assertion."),
  oidcClientAssertionKey: Type.Optional(
    secret({ description: "With useOIDC: private key (PEM) that signs the assertion." }),
  ),
  oidcResource: oidc("resource to ask a token for."),
  oidcAudience: oidc("audience to ask a token for."),
  oidcScopes: text({
    default: "openid",
    description: "With useOIDC: scopes to ask for, separated by spaces or commas.",
  }),
  oidcKid: oidc("key id to put into the assertion."),
  oidcCACert: oidc("certificates (PEM) that the token server's must come from."),
};

/** Times from which idle messages are taken over, as the published settings of other kinds name them too. */
export const unusedStreamSettings = {
  redeliverInterval: duration("No effect: meant for pubsub."),
  processingTimeout: duration("No effect: meant for pubsub."),
};
