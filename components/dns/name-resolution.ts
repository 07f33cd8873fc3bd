import { Resolver } from "node:dns/promises";
import { type Static, Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { defineResolver } from "../contract/name-resolution.ts";
import { choice, durationMs, integer, list, requiredText } from "../contract/settings.ts";

const metadata = Type.Object({
  format: requiredText({
    description: "Name to ask for, with {appid}, and {namespace} if need be.",
    example: "{appid}-dapr.{namespace}.svc.cluster.local",
  }),
  record: choice(["a", "srv"], {
    default: "a",
    description: "`a`: addresses, IPv6 when there is no IPv4; `srv`: hosts with their ports, most wanted first.",
  }),
  port: integer({ default: 50002, minimum: 1, maximum: 65535, description: "Port of addresses." }),
  servers: list({ default: [], description: "Name servers as host or host:port; default: those of this machine." }),
  timeout: durationMs({ default: 2000, unit: "s", description: "Longest wait for a server; it is asked twice." }),
});

export default defineResolver({
  type: "nameresolution.dns",
  status: "beta",
  summary: "Asks the domain name system for the sidecars of an app.",
  metadata,
  async open(settings, { name }) {
    const resolver = openResolver(settings);
    return {
      register: async () => {},
      async resolve(appId, namespace) {
        const host = settings.format.replaceAll("{appid}", () => appId).replaceAll("{namespace}", () => namespace);
        try {
          return settings.record === "srv"
            ? await services(resolver, host)
            : await addresses(resolver, host, settings.port);
        } catch (error) {
          throw fail("backendUnavailable", { name, cause: causeText(error) }, { cause: error });
        }
      },
      close: async () => resolver.cancel(),
    };
  },
});

function openResolver({ format, servers, timeout }: Static<typeof metadata>): Resolver {
  if (!format.includes("{appid}")) {
    throw fail("openFailed", {
      why: "format must contain {appid}, such as {appid}-dapr.{namespace}.svc.cluster.local",
    });
  }
  const resolver = new Resolver({ timeout, tries: 2 });
  try {
    if (servers.length > 0) resolver.setServers(servers);
  } catch (error) {
    throw fail("openFailed", {
      why: `servers must be addresses, such as 10.0.0.2 or 10.0.0.2:53: ${causeText(error)}`,
    });
  }
  return resolver;
}

async function addresses(resolver: Resolver, host: string, port: number): Promise<string[]> {
  const four = await orNone(resolver.resolve4(host));
  if (four.length > 0) return four.map((address) => `${address}:${port}`);
  return (await orNone(resolver.resolve6(host))).map((address) => `[${address}]:${port}`);
}

/** Those of the smallest priority that exists; others are for when all of these are gone (RFC 2782). */
async function services(resolver: Resolver, host: string): Promise<string[]> {
  const records = await orNone(resolver.resolveSrv(host));
  const first = Math.min(...records.map((record) => record.priority));
  return records
    .filter((record) => record.priority === first)
    .sort((left, right) => right.weight - left.weight)
    .map((record) => `${record.name}:${record.port}`);
}

/** A name that does not exist, or has no such records, is an empty answer. */
async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw error;
  }
}
