import { fail } from "../../specs/errors.ts";
import type { Agent } from "./agent.ts";
import type { Query } from "./settings.ts";

/** What the health of a service tells about one of its instances. */
interface Health {
  readonly Node?: { readonly Address?: string };
  readonly Service?: { readonly Address?: string; readonly Meta?: Readonly<Record<string, string>> | null };
}

export interface Found {
  /** `host:port` of the sidecars. */
  readonly addresses: readonly string[];
  readonly index: number;
}

export interface Lookup {
  readonly agent: Agent;
  readonly query: Query;
  readonly portKey: string;
  /** Name of the component. */
  readonly name: string;
}

/** Consul's own longest wait. */
const defaultWait = "5m";

/**
 * The healthy sidecars of an app. With `since` the answer comes when there is a change since that index, or when the wait
 * is over. Rejects with `backendUnavailable`, also when there are instances and none tells the port of its sidecar.
 */
export async function lookUp(lookup: Lookup, appId: string, since?: number, signal?: AbortSignal): Promise<Found> {
  const { agent, query, portKey, name } = lookup;
  const { cached, ...parameters } = query.parameters;
  const wait = query.wait ?? defaultWait;
  const { text, index, status } = await agent.ask(
    {
      path: `health/service/${encodeURIComponent(appId)}`,
      query:
        since === undefined
          ? { ...parameters, ...(cached ? { cached } : {}) }
          : { ...parameters, index: String(since), wait },
      token: query.token,
      needs: `service:read on ${appId} and node:read`,
      // The agent spreads the ends of waits over a sixteenth more.
      ...(since === undefined ? {} : { timeoutMs: (milliseconds(wait) * 17) / 16 + graceMs }),
    },
    signal,
  );
  const instances = status === 404 ? [] : ((JSON.parse(text) ?? []) as Health[]);
  const addresses = instances.flatMap(({ Node, Service }) => {
    const port = Service?.Meta?.[portKey];
    const host = Service?.Address || Node?.Address;
    return port && host ? [`${host.includes(":") ? `[${host}]` : host}:${port}`] : [];
  });
  if (instances.length > 0 && addresses.length === 0) {
    const cause = `daprPortMetaKey: the service ${appId} is registered without ${portKey} in its metadata; add the port of its sidecar`;
    throw fail("backendUnavailable", { name, cause });
  }
  return { addresses: [...new Set(addresses)], index };
}

const graceMs = 10_000;
const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

function milliseconds(duration: string): number {
  return [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, number, unit]) => sum + Number(number) * units[unit as keyof typeof units],
    0,
  );
}
