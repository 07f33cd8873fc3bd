import type { DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ByteStream } from "./byte-stream.ts";
import type { CallOptions } from "./call.ts";

/** A method with one request and one answer. */
export type UnaryRpc = DescMethod & { readonly methodKind: "unary" };
/** Any other method. */
export type StreamRpc = DescMethod & {
  readonly methodKind: "server_streaming" | "client_streaming" | "bidi_streaming";
};

/** A call of another app. */
export interface Invocation {
  readonly appId: string;
  /** Path at the app, without its leading slash and without a query. */
  readonly method: string;
  readonly verb: string;
  /** Encoded, without `?`. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

/** What the other app answered; its status is below 400. */
export interface InvocationAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ByteStream;
}

/** Beginning of the message when an app refuses. */
export const refusedBy = ({ appId, verb, method }: Invocation): string => `app ${appId} refused ${verb} ${method}`;

/** Asks for changes of configuration to be sent to the app. */
export interface AppNotification {
  readonly store: string;
  readonly keys: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * One protocol, as the blocks see it: they speak in messages of specs/gen and never know which one it is. Every failure is
 * a MechaClientError.
 */
export interface Transport {
  /** JSON values travel inside JSON texts, so that bytes which are no JSON cannot be sent. */
  readonly embedsJson: boolean;

  unary<D extends UnaryRpc>(
    rpc: D,
    input: MessageInitShape<D["input"]>,
    call: CallOptions,
  ): Promise<MessageShape<D["output"]>>;

  /** Starts with the first `next`; leaving the loop ends the call. A time limit counts for the whole stream. */
  stream<D extends StreamRpc>(
    rpc: D,
    inputs: AsyncIterable<MessageInitShape<D["input"]>>,
    call: CallOptions,
  ): AsyncIterable<MessageShape<D["output"]>>;

  invoke(invocation: Invocation, call: CallOptions): Promise<InvocationAnswer>;

  /** Resolves with the id of the subscription. */
  notifyApp(notification: AppNotification, call: CallOptions): Promise<string>;

  /** Ends open connections. Idempotent. */
  close(): void;
}
