import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, connectivityState, credentials, type Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { fail } from "../../specs/errors.ts";
import { abandoned, StatusFailure } from "../kernel/status.ts";
import { fromMetadata } from "./grpc-metadata.ts";

export interface UnaryAnswer<O extends DescMessage> {
  readonly message: MessageShape<O>;
  /** Initial metadata. */
  readonly headers: Metadata;
  readonly trailers: Metadata;
}

/** One connection to a gRPC app. */
export class GrpcClient {
  readonly #client: Client;
  readonly #onUnreachable: () => void;
  readonly #note: ((method: string, code: number, ms: number) => void) | undefined;

  /**
   * `onUnreachable` is called when a call finds no server and when the connection is lost. Messages up to
   * `maxMessageBytes` pass. `note` hears of each call that has ended.
   */
  constructor(
    address: string,
    tls: boolean,
    maxMessageBytes: number,
    onUnreachable: () => void,
    note?: (method: string, code: number, ms: number) => void,
  ) {
    // The app is our own process on this machine: TLS hides the traffic, no authority vouches for its certificate.
    const channel = tls
      ? credentials.createSsl(null, null, null, { rejectUnauthorized: false, checkServerIdentity: () => undefined })
      : credentials.createInsecure();
    this.#client = new Client(address, channel, {
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_send_message_length": maxMessageBytes,
      // An app that restarts is back within a second; the default would leave it alone for up to two minutes.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1000,
      // Ours is the only one that knows what may be tried again.
      "grpc.enable_retries": 0,
      "grpc.enable_http_proxy": 0,
    });
    this.#onUnreachable = onUnreachable;
    this.#note = note;
    this.#watch();
  }

  /**
   * Calls a unary method. Rejects with `appUnreachable`, the signal's reason, or the app's own status. `note` hears of
   * the end in place of the client's.
   */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    metadata: Metadata,
    signal: AbortSignal,
    note = this.#note && this.#noteOf(pathOf(method)),
  ): Promise<UnaryAnswer<O>> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abandoned(signal, "the call to the app"));
      const started = performance.now();
      let message: MessageShape<O> | undefined;
      let headers: Metadata | undefined;
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        (request: MessageShape<I>) => Buffer.from(toBinary(method.input, request)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, input),
        metadata,
        (error, answer) => {
          signal.removeEventListener("abort", abort);
          if (error) return reject(signal.aborted ? abandoned(signal, "the call to the app") : this.#failure(error));
          message = answer;
        },
      );
      const abort = () => call.cancel();
      signal.addEventListener("abort", abort, { once: true });
      call.once("metadata", (initial: Metadata) => {
        headers = initial;
      });
      call.once("status", (end) => {
        note?.(end.code, performance.now() - started);
        if (message) resolve({ message, headers: headers ?? end.metadata, trailers: end.metadata });
      });
    });
  }

  /** Opens a call of any kind whose messages stay bytes. */
  raw(path: string, metadata: Metadata, deadline: number | undefined) {
    const started = performance.now();
    const call = this.#client.makeBidiStreamRequest<Uint8Array, Buffer>(
      path,
      asBuffer,
      same,
      metadata,
      deadline === undefined ? {} : { deadline },
    );
    // Methods of the app are many, and callers may make them up.
    if (this.#note) call.once("status", ({ code }) => this.#note?.("proxy", code, performance.now() - started));
    return call;
  }

  #noteOf(path: string): (code: number, ms: number) => void {
    return (code, ms) => this.#note?.(path, code, ms);
  }

  /** Notes an end that says nobody was there; `true` when it was one. */
  noteEnd(end: { readonly code: number; readonly details: string }): boolean {
    const lost = end.code === status.UNAVAILABLE && unreached.test(end.details);
    if (lost) this.#onUnreachable();
    return lost;
  }

  /** Cuts what is in flight. Idempotent. */
  close(): void {
    this.#client.close();
  }

  #watch(): void {
    const channel = this.#client.getChannel();
    const before = channel.getConnectivityState(false);
    if (before === connectivityState.SHUTDOWN) return;
    channel.watchConnectivityState(before, Number.POSITIVE_INFINITY, () => {
      if (before === connectivityState.READY && channel.getConnectivityState(false) !== connectivityState.SHUTDOWN)
        this.#onUnreachable();
      this.#watch();
    });
  }

  #failure(error: ServiceError): Error {
    if (this.noteEnd(error)) return fail("appUnreachable", { cause: error.details }, { cause: error });
    return new StatusFailure({ grpc: error.code }, error.details, fromMetadata(error.metadata));
  }
}

/** How the library words that no server was reached, as opposed to a server that says it is unavailable. */
const unreached = /^(No connection established|Connection dropped|Name resolution failed|Channel has been shut down)/;

const same = (bytes: Buffer): Buffer => bytes;
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** `/package.Service/Method`. */
export const pathOf = (method: DescMethodUnary): string => `/${method.parent.typeName}/${method.name}`;
