import { hostname } from "node:os";
import type { Log } from "../../../components/contract/driver.ts";
import { fail } from "../../../specs/errors.ts";
import type { App } from "../../kernel/app.ts";
import type { Components } from "../../kernel/components.ts";
import type { Config, HttpEndpointResource, ResolvePairs } from "../../kernel/config-types.ts";
import type { HeaderMap, InvokeProxy, Peers } from "../../kernel/exchange.ts";
import { firstHeader } from "../../kernel/headers.ts";
import type { AnyMethod } from "../../kernel/method.ts";
import { identityHeaders, type Receiver } from "../../kernel/peer.ts";
import type { Policies } from "../../kernel/policy.ts";
import { failedAnswer } from "../../kernel/status.ts";
import { accessRules, type NoteDecision } from "./access.ts";
import { destinations } from "./destinations.ts";
import { dispatcher } from "./dispatch.ts";
import { type Connect, Endpoints } from "./endpoints.ts";
import { callGrpc } from "./grpc-call.ts";
import { answerHeaders, requestMetadata } from "./headers.ts";
import { invokeMethods } from "./methods.ts";
import { receiver } from "./receive.ts";
import { findInvocation } from "./target.ts";

export interface InvokeParts {
  readonly config: Config;
  readonly app: App | undefined;
  readonly peers: Peers;
  readonly policies: Policies;
  /** Has the secret stores that HTTPEndpoint resources refer to. */
  readonly host: Components;
  readonly resolvePairs: ResolvePairs;
  /** Opens a client of a foreign HTTP server. */
  readonly connect: Connect;
  /** This machine as other machines reach it, for X-Forwarded-For. */
  readonly hostIp: string;
  /** Hears of each decision of the access rules; for metrics. */
  readonly noteDecision?: NoteDecision | undefined;
  readonly log: Log;
}

/** Service invocation: the wires' fallback, what peers bring, and the legacy gRPC method. */
export interface Invoke extends InvokeProxy, Receiver {
  readonly methods: readonly AnyMethod[];
  /** Replaces the HTTPEndpoint resources. */
  declareEndpoints(resources: readonly HttpEndpointResource[]): void;
  /** Closes the connections to foreign hosts. Idempotent. */
  close(): Promise<void>;
}

/** Opens service invocation for the app of this sidecar. */
export function openInvoke(parts: InvokeParts): Invoke {
  const { config, app, resolvePairs, host, connect, log } = parts;
  const { appId, namespace, limits } = config;
  const endpoints = new Endpoints({ resources: config.httpEndpoints, resolvePairs, components: host, connect });
  const find = destinations({ appId, namespace, app, peers: parts.peers, policies: parts.policies, endpoints });
  const hop = { ip: parts.hostIp, host: hostname() };
  const dispatch = dispatcher({ appId, namespace, hop, find });
  return {
    ...receiver(app, appId, accessRules(config.configuration.accessControl, parts.noteDecision), log),
    methods: invokeMethods(dispatch, limits.maxBodyBytes),
    async http(incoming) {
      const invocation = findInvocation(incoming.url, incoming.headers);
      if (!invocation) throw fail("invokeNoTarget", { path: incoming.url.split("?", 1)[0] ?? "" });
      const answer = await dispatch(invocation, incoming);
      return {
        ...answer,
        headers: answerHeaders(answer.headers, firstHeader(incoming.headers, "accept")),
      };
    },
    grpc(call) {
      try {
        const id = calleeOf(call.metadata);
        if (id === undefined) throw fail("proxyNoTarget", { method: call.path });
        const destination = find(id);
        const identity = { appId, namespace, calleeAppId: destination.appId ?? id };
        return callGrpc(destination, { ...call, metadata: requestMetadata(call.metadata, identity) });
      } catch (error) {
        return failedAnswer(error);
      }
    },
    declareEndpoints: (resources) => endpoints.declare(resources),
    async close() {
      endpoints.close();
    },
  };
}

const calleeOf = (metadata: HeaderMap): string | undefined =>
  firstHeader(metadata, identityHeaders.calleeAppId) || firstHeader(metadata, "dapr-app-id") || undefined;
