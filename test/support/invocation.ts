import { onTestFinished } from "vitest";
import type { Resolver } from "../../components/contract/name-resolution.ts";
import { openHttpTarget } from "../../sidecar/app-channel/http.ts";
import { openApp } from "../../sidecar/app-channel/open.ts";
import { type Invoke, openInvoke } from "../../sidecar/blocks/invoke/proxy.ts";
import { systemClock } from "../../sidecar/kernel/clock.ts";
import type { Components } from "../../sidecar/kernel/components.ts";
import type { AccessControl, AppProtocol, Config, HttpEndpointResource } from "../../sidecar/kernel/config-types.ts";
import type { Incoming } from "../../sidecar/kernel/exchange.ts";
import { openPeers } from "../../sidecar/peers/open.ts";
import { openPeerServer } from "../../sidecar/peers/server.ts";
import { appPolicies } from "./app-policies.ts";

export interface Place {
  readonly appId: string;
  readonly appPort?: number;
  readonly appProtocol?: AppProtocol;
  readonly apiToken?: string;
  readonly accessControl?: AccessControl;
  readonly httpEndpoints?: readonly HttpEndpointResource[];
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const maxBodyBytes = 4 << 20;

/** Sidecars as far as invocation goes, each with its app, that find one another. Gone when the test is. */
export async function openSidecars<const N extends string>(
  places: Readonly<Record<N, Place>>,
): Promise<Record<N, Invoke>> {
  const addresses = new Map<string, string>();
  const resolver: Resolver = {
    register: async () => {},
    resolve: async (appId) => [addresses.get(appId)].filter((address) => address !== undefined),
    known: async () => [...addresses.keys()],
    close: async () => {},
  };
  const opened = await Promise.all(
    Object.entries<Place>(places).map(async ([name, place]) => {
      const { invoke, port } = await openOne(place, resolver);
      addresses.set(place.appId, `127.0.0.1:${port}`);
      return [name, invoke] as const;
    }),
  );
  return Object.fromEntries(opened) as Record<N, Invoke>;
}

async function openOne(place: Place, resolver: Resolver) {
  const { appId, appPort, appProtocol = "http", apiToken, accessControl, httpEndpoints = [] } = place;
  const channel = openApp({
    config: {
      ...(appPort === undefined ? {} : { port: appPort }),
      ...(apiToken ? { apiToken } : {}),
      protocol: appProtocol,
      address: "127.0.0.1",
      maxConcurrency: 0,
      healthCheck: { enabled: false, path: "", intervalMs: 1000, timeoutMs: 500, threshold: 1 },
      bindingOptionsTimeoutMs: 1000,
    },
    appId,
    maxBodyBytes,
    log: silent,
    clock: systemClock,
  });
  const peers = openPeers({ resolver, clock: systemClock, log: silent });
  const invoke = openInvoke({
    // Only what invocation reads of a configuration.
    config: {
      appId,
      namespace: "default",
      limits: { maxBodyBytes },
      httpEndpoints,
      configuration: { accessControl },
    } as unknown as Config,
    app: channel?.app,
    peers,
    policies: appPolicies(systemClock),
    host: { find: () => undefined, names: () => [] } as unknown as Components,
    resolvePairs: async (_owner, pairs) => pairs.map(({ name, value = "" }) => ({ name, value })),
    connect: openHttpTarget,
    hostIp: "10.0.0.1",
    log: silent,
  });
  const server = await openPeerServer({ address: "127.0.0.1", port: 0, receive: invoke, maxBodyBytes, log: silent });
  onTestFinished(async () => {
    await invoke.close();
    await peers.close();
    await server.close();
    await channel?.close();
  });
  return { invoke, port: server.port };
}

/** A request that an app sends to its sidecar. */
export const incoming = (url: string, part: Partial<Incoming> = {}): Incoming => ({
  verb: "GET",
  url,
  headers: {},
  body: undefined,
  signal: new AbortController().signal,
  remoteAddress: "127.0.0.1",
  ...part,
});
