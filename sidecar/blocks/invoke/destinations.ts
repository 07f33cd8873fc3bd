import { fail } from "../../../specs/errors.ts";
import type { App } from "../../kernel/app.ts";
import type { Exchange, GrpcTarget, HttpTarget, Peers } from "../../kernel/exchange.ts";
import type { Policies, Policy } from "../../kernel/policy.ts";
import type { Endpoints } from "./endpoints.ts";
import { parseAppId } from "./target.ts";

/** Where an invocation goes. */
export interface Destination {
  /** As the caller wrote it. */
  readonly id: string;
  /** Undefined: a foreign host, which is not told who calls. */
  readonly appId: string | undefined;
  /** Whether the way leads over the network. */
  readonly remote: boolean;
  /** The policy for this destination; undefined: call directly. */
  readonly policy: Policy | undefined;
  /** The policy is ours, not the user's: it repeats what was lost on the way and nothing else. */
  readonly builtIn: boolean;
  /** Who answers this attempt; another attempt may find another. */
  http(signal: AbortSignal): Promise<HttpTarget>;
  grpc(signal: AbortSignal): Promise<GrpcTarget>;
}

export interface DestinationsParts {
  readonly appId: string;
  readonly namespace: string;
  readonly app: App | undefined;
  readonly peers: Peers;
  readonly policies: Policies;
  readonly endpoints: Endpoints;
}

/** Turns ids into destinations. Throws `invokeBadTarget` for what is no id. */
export function destinations(parts: DestinationsParts): (id: string) => Destination {
  const { policies, endpoints, peers } = parts;
  const own: HttpTarget = { send: (exchange: Exchange) => requireApp(parts.app).send(exchange) };
  const withPolicy = (id: string) => {
    const policy = policies.app(id);
    return policy
      ? { policy, builtIn: false }
      : { policy: policies.builtIn("DaprBuiltInServiceRetries"), builtIn: true };
  };
  return (id) => {
    if (endpoints.has(id)) {
      const grpc = () =>
        Promise.reject(fail("invokeBadTarget", { id, why: "an HTTP endpoint cannot be called over gRPC" }));
      return { id, appId: undefined, remote: true, ...withPolicy(id), http: () => endpoints.require(id), grpc };
    }
    const { appId, namespace } = parseAppId(id, parts.namespace);
    if (appId === parts.appId && namespace === parts.namespace) {
      const grpc = async () => requireGrpc(requireApp(parts.app), id);
      return { id, appId, remote: false, policy: policies.app(appId), builtIn: false, http: async () => own, grpc };
    }
    const find = (signal: AbortSignal) => peers.find(appId, namespace, signal);
    return { id, appId, remote: true, ...withPolicy(appId), http: find, grpc: find };
  };
}

/** The app of this sidecar; throws `appChannelMissing` when it has none. */
export function requireApp(app: App | undefined): App {
  if (!app) throw fail("appChannelMissing", {});
  return app;
}

/** The gRPC services of an app; throws `unimplemented` when it speaks HTTP. */
export function requireGrpc(app: App, id: string): GrpcTarget {
  if (!app.grpc) throw fail("unimplemented", { what: `a gRPC call of app ${id}, which speaks HTTP (--app-protocol),` });
  return app.grpc;
}
