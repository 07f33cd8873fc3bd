import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { type Static, Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { defineResolver } from "../contract/name-resolution.ts";
import { choice, durationMs, integer, list, text } from "../contract/settings.ts";

const metadata = Type.Object({
  clusterDomain: text({ default: "cluster.local", description: "Domain of the cluster's names." }),
  template: Type.Optional(
    text({
      description:
        "Name in place of `{{.ID}}-dapr.{{.Namespace}}.svc.<clusterDomain>:{{.Port}}`, with these three parts.",
    }),
  ),
  port: integer({ default: 50002, minimum: 1, maximum: 65535, description: "Port of the sidecars for each other." }),
  lookup: choice(["addresses", "name"], {
    default: "addresses",
    description:
      "`addresses`: asks DNS for all sidecars of the app, so that calls are spread; `name`: leaves it to each connection.",
  }),
  servers: list({ default: [], description: "Name servers as host or host:port; default: those of this machine." }),
  timeout: durationMs({ default: 2000, unit: "s", description: "Longest wait for a server; it is asked twice." }),
});
type Settings = Static<typeof metadata>;

export default defineResolver({
  type: "nameresolution.kubernetes",
  status: "beta",
  summary: "Finds the sidecars of an app by the DNS of the Kubernetes cluster.",
  metadata,
  async open(settings, { name }) {
    const template = templateOf(settings);
    const resolver = openResolver(settings);
    return {
      register: async () => {},
      async resolve(appId, namespace, { signal }) {
        const { host, port } = filled(template, settings.port, appId, namespace);
        if (settings.lookup === "name" || isIP(host) !== 0) return [`${host}:${port}`];
        try {
          return await unlessAborted(addresses(resolver, host, port), signal);
        } catch (error) {
          if (signal?.aborted) throw error;
          throw fail(
            "backendUnavailable",
            { name, cause: `no answer about ${host}: ${causeText(error)}` },
            { cause: error },
          );
        }
      },
      close: async () => resolver.cancel(),
    };
  },
});

/** Throws `openFailed`. */
function templateOf({ template, clusterDomain }: Settings): string {
  if (!template) return `{{.ID}}-dapr.{{.Namespace}}.svc.${clusterDomain.replace(/^\.|\.$/g, "")}:{{.Port}}`;
  const parts = [...template.matchAll(/{{-?\s*(.*?)\s*-?}}/g)].map(([, part = ""]) => part);
  const unknown = parts.find((part) => ![".ID", ".Namespace", ".Port"].includes(part));
  if (unknown !== undefined) {
    throw fail("openFailed", {
      why: `template: {{${unknown}}} is not known; use {{.ID}}, {{.Namespace}} and {{.Port}}`,
    });
  }
  if (!parts.includes(".ID")) throw fail("openFailed", { why: "template: must contain {{.ID}}, the id of the app" });
  return template;
}

function filled(template: string, port: number, appId: string, namespace: string) {
  const values: Readonly<Record<string, string>> = { ".ID": appId, ".Namespace": namespace, ".Port": String(port) };
  const address = template.replace(/{{-?\s*(.*?)\s*-?}}/g, (_, part: string) => values[part] ?? "");
  const [, host = address, written] = /^(.*):(\d+)$/.exec(address) ?? [];
  return { host, port: written ?? String(port) };
}

function openResolver({ servers, timeout }: Settings): Resolver {
  const resolver = new Resolver({ timeout, tries: 2 });
  try {
    if (servers.length > 0) resolver.setServers(servers);
  } catch (error) {
    throw fail("openFailed", { why: `servers: must be addresses, such as 10.0.0.2:53 (${causeText(error)})` });
  }
  return resolver;
}

/** Those of IPv4, else those of IPv6; none when there is no such name. */
async function addresses(resolver: Resolver, host: string, port: string): Promise<string[]> {
  const four = await orNone(resolver.resolve4(host));
  if (four.length > 0) return four.map((address) => `${address}:${port}`);
  return (await orNone(resolver.resolve6(host))).map((address) => `[${address}]:${port}`);
}

async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw error;
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
