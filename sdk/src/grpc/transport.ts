import { once } from "node:events";
import {
  create,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { CallOptions } from "../call.ts";
import type { GrpcEndpoint } from "../client-options.ts";
import { canceled, MechaClientError, notOffered } from "../errors.ts";
import type { AppNotification, Invocation, InvocationAnswer, StreamRpc, Transport, UnaryRpc } from "../transport.ts";
import { fromServiceError } from "./errors.ts";
import { toAnswer, toInvokeRequest, toRefusal } from "./invoke.ts";

export interface GrpcTransportOptions {
  readonly endpoint: GrpcEndpoint;
  readonly apiToken: string | undefined;
  /** Default of calls that do not stream; 0: none. */
  readonly timeoutMs: number;
}

type Encode = (message: Message) => Buffer;
type Decode = (bytes: Buffer) => Message;

/** Calls any method from its descriptor; no method is written down here. */
export class GrpcTransport implements Transport {
  readonly embedsJson = false;
  readonly #client: Client;
  readonly #options: GrpcTransportOptions;

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
    const { address, tls } = options.endpoint;
    this.#client = new Client(address, tls ? credentials.createSsl() : credentials.createInsecure(), {
      // The sidecar has a limit; a second one here would only hide it.
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // A sidecar that starts after its app is found within a second.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
    });
  }

  unary<D extends UnaryRpc>(
    rpc: D,
    input: MessageInitShape<D["input"]>,
    call: CallOptions,
  ): Promise<MessageShape<D["output"]>> {
    return this.#unary(rpc, input, call);
  }

  #unary<D extends UnaryRpc>(
    rpc: D,
    input: MessageInitShape<D["input"]>,
    call: CallOptions,
    onHeaders?: (headers: Metadata) => void,
  ): Promise<MessageShape<D["output"]>> {
    const { signal, timeoutMs = this.#options.timeoutMs } = call;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(canceled(rpc.name, signal.reason));
      let request: ClientUnaryCall | undefined;
      const cancel = () => request?.cancel();
      const done = (error: ServiceError | null, output?: Message) => {
        signal?.removeEventListener("abort", cancel);
        if (error) reject(this.#toError(rpc, call, timeoutMs, error));
        // The decoder was made from this method's output.
        else resolve(output as MessageShape<D["output"]>);
      };
      const [encode, decode] = codecOf(rpc.input, rpc.output);
      const message = create(rpc.input as DescMessage, input);
      const options = callOptions(timeoutMs);
      request = this.#client.makeUnaryRequest(
        pathOf(rpc),
        encode,
        decode,
        message,
        this.#metadata(call),
        options,
        done,
      );
      if (onHeaders) request.on("metadata", onHeaders);
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  async *stream<D extends StreamRpc>(
    rpc: D,
    inputs: AsyncIterable<MessageInitShape<D["input"]>>,
    call: CallOptions,
  ): AsyncGenerator<MessageShape<D["output"]>, void> {
    const { signal, timeoutMs = 0 } = call;
    if (signal?.aborted) throw canceled(rpc.name, signal.reason);
    const [encode, decode] = codecOf(rpc.input, rpc.output);
    // On the wire one request message looks the same, whether more could follow or not.
    const duplex = this.#client.makeBidiStreamRequest(
      pathOf(rpc),
      encode,
      decode,
      this.#metadata(call),
      callOptions(timeoutMs),
    );
    const cancel = () => duplex.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    // The loop below rethrows it; without a listener an error after the loop would end the process.
    duplex.on("error", () => {});
    const sender = new Sender(duplex);
    void sender.send(inputs, rpc.input);
    try {
      for await (const output of duplex) yield output as MessageShape<D["output"]>;
      if (sender.failure) throw sender.failure.cause;
    } catch (error) {
      if (sender.failure) throw sender.failure.cause;
      throw this.#toError(rpc, call, timeoutMs, error);
    } finally {
      signal?.removeEventListener("abort", cancel);
      sender.stop();
      duplex.cancel();
    }
  }

  async invoke(invocation: Invocation, call: CallOptions): Promise<InvocationAnswer> {
    const { rpc, input } = await toInvokeRequest(invocation);
    const headers = { ...call.headers, ...invocation.headers };
    let came = new Metadata();
    try {
      const output = await this.#unary(rpc, input, { ...call, headers }, (metadata) => {
        came = metadata;
      });
      return toAnswer(output, came);
    } catch (error) {
      throw toRefusal(error, invocation);
    }
  }

  notifyApp({ store }: AppNotification): Promise<string> {
    const why = `changes of ${store} reach the app's HTTP server only by a client with transport "http"; use subscribe()`;
    return Promise.reject(notOffered(why));
  }

  close(): void {
    this.#client.close();
  }

  #metadata({ headers }: CallOptions): Metadata {
    const metadata = new Metadata();
    const { apiToken } = this.#options;
    if (apiToken !== undefined) metadata.set("dapr-api-token", apiToken);
    for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
    return metadata;
  }

  #toError(rpc: UnaryRpc | StreamRpc, { signal }: CallOptions, timeoutMs: number, error: unknown): unknown {
    if (signal?.aborted) return canceled(rpc.name, signal.reason);
    if (error instanceof MechaClientError || !isServiceError(error)) return error;
    return fromServiceError(error, { what: rpc.name, address: this.#options.endpoint.address, timeoutMs });
  }
}

/** Pours requests into a call as fast as it takes them. */
class Sender {
  /** What the requests threw. */
  failure: { readonly cause: unknown } | undefined;
  readonly #duplex: ClientDuplexStream<Message, Message>;
  #inputs: AsyncIterator<MessageInitShape<DescMessage>> | undefined;
  #stopped = false;

  constructor(duplex: ClientDuplexStream<Message, Message>) {
    this.#duplex = duplex;
  }

  /** Never rejects. */
  async send(inputs: AsyncIterable<MessageInitShape<DescMessage>>, schema: DescMessage): Promise<void> {
    const iterator = inputs[Symbol.asyncIterator]();
    this.#inputs = iterator;
    try {
      while (true) {
        const next = await iterator.next();
        if (this.#stopped || next.done) break;
        if (!this.#duplex.write(create(schema, next.value))) await once(this.#duplex, "drain");
      }
      if (!this.#stopped) this.#duplex.end();
    } catch (cause) {
      if (this.#stopped) return;
      this.failure = { cause };
      this.stop();
      this.#duplex.cancel();
    }
  }

  /** Lets go of the source. Not awaited: one that waits for something may never come back. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    void Promise.resolve(this.#inputs?.return?.()).catch(() => {});
  }
}

const pathOf = ({ parent, name }: UnaryRpc | StreamRpc): string => `/${parent.typeName}/${name}`;

const codecOf = (input: DescMessage, output: DescMessage): [Encode, Decode] => [
  (message) => {
    const { buffer, byteOffset, byteLength } = toBinary(input, message);
    return Buffer.from(buffer, byteOffset, byteLength);
  },
  (bytes) => fromBinary(output, bytes),
];

const callOptions = (timeoutMs: number): GrpcCallOptions => (timeoutMs > 0 ? { deadline: Date.now() + timeoutMs } : {});

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && typeof (error as Partial<ServiceError>).code === "number";
