import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { Gate } from "./gate.ts";

/** Servers that are made with gRPC's C core refuse calls when some 1,000 wait to be taken. */
const mostCalls = 500;

/** A stream whose messages go both ways. */
export type Duplex<I extends DescMessage, O extends DescMessage> = ClientDuplexStream<
  MessageInitShape<I>,
  MessageShape<O>
>;

const options = {
  // The API's own limit is --max-body-size; the process behind the socket has its own.
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  "grpc.default_authority": "localhost",
  // What may be sent again is decided in link.ts.
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  // Connections of a former life are not to be found again.
  "grpc.use_local_subchannel_pool": 1,
};

/**
 * A connection to one life of a component's process. It does not come back when it is lost: the next life knows nothing
 * of Init.
 */
export class Connection {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #gone = new AbortController();
  readonly #gate = new Gate(mostCalls);

  /** `instance` is the component's name, which tells apart several components of one process. */
  private constructor(path: string, instance: string) {
    this.#client = new Client(`unix:${path}`, credentials.createInsecure(), options);
    this.#metadata.set("x-component-instance", instance);
  }

  /** Connects, for as long as `signal` lets it. Rejects with the signal's reason and leaves nothing open. */
  static async open(path: string, instance: string, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(path, instance);
    await connection.#ready(signal);
    connection.#watch();
    return connection;
  }

  /** Aborts when the connection is lost or closed. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Rejects with the signal's reason, or with the status the call ended with. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    await this.#gate.enter(signal);
    try {
      return await this.#unary(method, input, signal);
    } finally {
      this.#gate.leave();
    }
  }

  #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        encoder(method.input),
        decoder(method.output),
        input,
        this.#metadata,
        (error: ServiceError | null, answer) => {
          signal?.removeEventListener("abort", abort);
          if (!error && answer !== undefined) return resolve(answer);
          reject(signal?.aborted ? signal.reason : error);
        },
      );
      const abort = () => call.cancel();
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Opens a stream; it ends with the connection. */
  stream<I extends DescMessage, O extends DescMessage>(method: DescMethodBiDiStreaming<I, O>): Duplex<I, O> {
    return this.#client.makeBidiStreamRequest(
      pathOf(method),
      encoder(method.input),
      decoder(method.output),
      this.#metadata,
    );
  }

  /** Idempotent. */
  close(): void {
    this.#client.close();
    this.#gone.abort();
  }

  #ready(signal: AbortSignal): Promise<void> {
    const channel = this.#client.getChannel();
    // The library lets the process end while it connects; somebody waits for it.
    const hold = setInterval(() => {}, 2 ** 30);
    const ready = new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.close();
        reject(signal.reason);
      };
      const look = () => {
        if (signal.aborted) return;
        const state = channel.getConnectivityState(true);
        if (state !== connectivityState.READY) {
          return channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
        }
        signal.removeEventListener("abort", leave);
        resolve();
      };
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      look();
    });
    return ready.finally(() => clearInterval(hold));
  }

  /** The library would connect again by itself, and to a process that has not been told its settings. */
  #watch(): void {
    const channel = this.#client.getChannel();
    const ready = connectivityState.READY;
    if (channel.getConnectivityState(false) !== ready) this.close();
    else channel.watchConnectivityState(ready, Number.POSITIVE_INFINITY, () => this.close());
  }
}

const pathOf = ({ parent, name }: DescMethodUnary | DescMethodBiDiStreaming) => `/${parent.typeName}/${name}`;

const encoder =
  <T extends DescMessage>(schema: T) =>
  (message: MessageInitShape<T>): Buffer => {
    const bytes = toBinary(schema, create(schema, message));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };

const decoder =
  <T extends DescMessage>(schema: T) =>
  (bytes: Buffer): MessageShape<T> =>
    fromBinary(schema, bytes);
