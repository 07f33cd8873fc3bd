import type { Answer, HeaderMap, Incoming } from "../../kernel/exchange.ts";
import type { Destination } from "./destinations.ts";
import { type Hop, type Identity, requestHeaders } from "./headers.ts";
import { callHttp } from "./http-call.ts";
import type { Invocation } from "./target.ts";

/** An HTTP request as its caller made it. */
export interface OutgoingRequest {
  readonly verb: string;
  readonly headers: HeaderMap;
  readonly body: Incoming["body"] | Uint8Array;
  readonly signal: AbortSignal;
}

/** Sends a request to whatever an invocation names. Rejects as `callHttp` does, and with `invokeBadTarget`. */
export type Dispatch = (invocation: Invocation, request: OutgoingRequest) => Promise<Answer>;

export interface DispatchParts {
  readonly appId: string;
  readonly namespace: string;
  readonly hop: Hop;
  readonly find: (id: string) => Destination;
}

export function dispatcher({ appId, namespace, hop, find }: DispatchParts): Dispatch {
  return async ({ id, method, query }, { verb, headers, body, signal }) => {
    const destination = find(id);
    const callee = destination.appId;
    // A foreign host is told neither who calls nor from where.
    const identity: Identity | undefined = callee === undefined ? undefined : { appId, namespace, calleeAppId: callee };
    const passed = requestHeaders(headers, identity, identity && destination.remote ? hop : undefined);
    return callHttp(destination, { verb, path: method, query, headers: passed, body, signal });
  };
}
