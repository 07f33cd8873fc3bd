import type { Readable } from "node:stream";

/** Header values by lower-case name; several values stay apart. */
export type HeaderMap = Record<string, string | string[]>;

/** An HTTP request on its way to an app, a peer or an endpoint. Hop-by-hop headers are already gone. */
export interface Exchange {
  readonly verb: string;
  /** Without leading slash; percent-encoded as the caller sent it. */
  readonly path: string;
  /** Without `?`; empty when there is none. */
  readonly query: string;
  readonly headers: HeaderMap;
  /** A stream is sent as it arrives and cannot be sent twice. */
  readonly body: Readable | Uint8Array | undefined;
  readonly signal: AbortSignal;
}

/** The answer, its body not yet read. Whoever receives it reads or destroys the body. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderMap;
  readonly body: Readable;
  /** Complete once the body has ended. */
  readonly trailers?: () => HeaderMap | undefined;
}

/** Something that answers HTTP requests: the app, a peer's app, an external endpoint. */
export interface HttpTarget {
  /** Rejects when no answer came; any status is an answer. */
  send(exchange: Exchange): Promise<Answer>;
}

/** One gRPC call passed through as raw messages, whatever its kind. */
export interface RawCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: HeaderMap;
  readonly messages: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970; absent: no deadline. */
  readonly deadline?: number | undefined;
}

export interface RawStatus {
  readonly code: number;
  readonly details: string;
  /** `-bin` values are base64, here as in all metadata. */
  readonly metadata: HeaderMap;
  /** Nobody gave this status: the call, or its answer, was lost on the way. */
  readonly unreached?: true;
}

export interface RawAnswer {
  /** Initial metadata; resolves before the first message. When the call is over without a message, `status` resolves first. */
  readonly metadata: Promise<HeaderMap>;
  readonly messages: AsyncIterable<Uint8Array>;
  /** Resolves when the call has ended, with any status. */
  readonly status: Promise<RawStatus>;
}

/** Something that answers gRPC calls without knowing their messages. */
export interface GrpcTarget {
  call(call: RawCall): RawAnswer;
}

/** The peer sidecars of other apps. */
export interface Peers {
  /** Rejects with `invokeNotResolved` when no sidecar of the app is known. */
  find(appId: string, namespace: string, signal: AbortSignal): Promise<HttpTarget & GrpcTarget>;
}

/** A request that no method answers, as the HTTP wire received it. */
export interface Incoming {
  readonly verb: string;
  /** Path and query exactly as sent, with leading slash. */
  readonly url: string;
  readonly headers: HeaderMap;
  /** Undefined: the request has no body. */
  readonly body: Readable | undefined;
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
}

/** What both wires hand on when no method of ours fits: service invocation. */
export interface InvokeProxy {
  http(incoming: Incoming): Promise<Answer>;
  grpc(call: RawCall): RawAnswer;
}
