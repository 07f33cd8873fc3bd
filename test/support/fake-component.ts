// A component in a process of its own, played by the test: its data outlives its server, so that a test can let the
// process die and come back.
import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { ServerReflection } from "../../specs/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../specs/gen/grpc/reflection/v1alpha/reflection_pb.js";

/** What a method of the fake is given: the message, and what came with the call. */
// Messages of all kinds: a test knows which ones its methods take.
// biome-ignore lint/suspicious/noExplicitAny: the compiler cannot follow a method's name to its message
type Any = any;
export type Unary = (request: Any, call: ServerUnaryCall<Any, Any>) => object | Promise<object>;
export type Stream = (stream: ServerDuplexStream<Any, Any>) => void;

/** Methods by `Service.Method`, such as `StateStore.Init`; those that are absent answer UNIMPLEMENTED, Ping succeeds. */
export type Methods = Readonly<Record<string, Unary | Stream>>;

/** What a method rejects with to end the call with a status. */
export class Refusal extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata = new Metadata();
  constructor(code: number, details: string, statusDetails?: Uint8Array) {
    super(details);
    this.code = code;
    this.details = details;
    if (statusDetails) this.metadata.set("grpc-status-details-bin", Buffer.from(statusDetails));
  }
}

export interface FakeOptions {
  readonly services: readonly DescService[];
  readonly methods: Methods;
  /** Versions of server reflection it offers; default: both. */
  readonly reflection?: readonly ("v1" | "v1alpha")[];
}

export class FakeComponent {
  /** Every call so far: `StateStore.Init`, the component's name, the message of unary calls. */
  readonly calls: { readonly method: string; readonly instance: string; readonly request?: Any }[] = [];
  readonly socket: string;
  readonly #options: FakeOptions;
  #server: Server | undefined;

  constructor(socket: string, options: FakeOptions) {
    this.socket = socket;
    this.#options = options;
  }

  /** Starts it; it ends with the test. */
  async start(): Promise<void> {
    const server = new Server({ "grpc.max_receive_message_length": -1 });
    for (const service of this.#options.services) this.#serve(server, service, this.#options.methods);
    const reflection: Methods = { "ServerReflection.ServerReflectionInfo": (stream: Any) => this.#reflect(stream) };
    for (const version of this.#options.reflection ?? ["v1", "v1alpha"]) {
      this.#serve(server, version === "v1" ? ServerReflection : ServerReflectionAlpha, reflection);
    }
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    this.#server = server;
    onTestFinished(() => this.die());
  }

  /** Ends at once, with all that is in flight. */
  die(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Names of the methods called so far. */
  names(): string[] {
    return this.calls.map(({ method }) => method);
  }

  #serve(server: Server, service: DescService, methods: Methods): void {
    const definition: Record<string, object> = {};
    const implementation: Record<string, Any> = {};
    for (const method of service.methods) {
      const name = `${service.name}.${method.name}`;
      const isStream = method.methodKind === "bidi_streaming";
      definition[method.name] = definitionOf(service, method, isStream);
      const run = methods[name] ?? (method.name === "Ping" ? () => ({}) : undefined);
      implementation[method.name] = isStream
        ? this.#stream(name, run as Stream | undefined)
        : this.#unary(name, run as Unary | undefined);
    }
    server.addService(definition as unknown as ServiceDefinition, implementation);
  }

  #unary(name: string, run: Unary | undefined): handleUnaryCall<Any, Any> {
    return async (call, answer) => {
      this.#note(name, call.metadata, call.request);
      try {
        if (!run) throw new Refusal(status.UNIMPLEMENTED, `${name} is not there`);
        answer(null, await run(call.request, call));
      } catch (error) {
        answer(error as Refusal);
      }
    };
  }

  #stream(name: string, run: Stream | undefined) {
    return (stream: ServerDuplexStream<Any, Any>) => {
      this.#note(name, stream.metadata);
      stream.on("error", () => {});
      if (run) run(stream);
      else stream.emit("error", new Refusal(status.UNIMPLEMENTED, `${name} is not there`));
    };
  }

  #note(method: string, metadata: Metadata, request?: Any): void {
    if (method.startsWith("ServerReflection.")) return;
    this.calls.push({ method, instance: String(metadata.get("x-component-instance")[0] ?? ""), request });
  }

  #reflect(stream: ServerDuplexStream<Any, Any>): void {
    const service = this.#options.services.map(({ typeName }) => ({ name: typeName }));
    stream.on("data", () => {
      stream.write({ messageResponse: { case: "listServicesResponse", value: { service } } });
    });
    stream.on("end", () => stream.end());
  }
}

function definitionOf({ typeName }: DescService, method: DescMethod, isStream: boolean): object {
  const encode = (schema: DescMethod["input"]) => (message: object) =>
    Buffer.from(toBinary(schema, create(schema, message as Record<string, unknown>)));
  const decode = (schema: DescMethod["input"]) => (bytes: Buffer) => fromBinary(schema, bytes) as Message;
  return {
    path: `/${typeName}/${method.name}`,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: encode(method.input),
    requestDeserialize: decode(method.input),
    responseSerialize: encode(method.output),
    responseDeserialize: decode(method.output),
  };
}
