import type { EventEmitter } from "node:events";
import type { ServerOptions as Http2ServerOptions } from "node:http2";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  setLogger,
} from "@grpc/grpc-js";
import { causeText, fail } from "../../../specs/errors.ts";
import type { InvokeProxy } from "../../kernel/exchange.ts";
import type { ScopedLog } from "../../kernel/log.ts";
import type { AnyMethod } from "../../kernel/method.ts";
import { Request } from "../../kernel/request.ts";
import { StatusFailure } from "../../kernel/status.ts";
import { type ApiAccess, versionOfRpc } from "../api-access.ts";
import { isUnexpected, toMechaError } from "../error-details.ts";
import type { Endpoint, Pipeline } from "../pipeline.ts";
import { errorStatus } from "./errors.ts";
import { healthMethods } from "./health.ts";
import { fromHeaders, toHeaders } from "./metadata.ts";
import { proxyUnknown } from "./proxy.ts";
import { reflectionMethods } from "./reflection.ts";
import { messagesOf, writeMessage } from "./streams.ts";

export interface GrpcServerParts {
  readonly appId: string;
  readonly methods: readonly AnyMethod[];
  /** Undefined: unknown services are refused. */
  readonly proxy: InvokeProxy | undefined;
  readonly pipeline: Pipeline;
  readonly access: ApiAccess;
  readonly maxBodyBytes: number;
  /** Largest block of metadata. */
  readonly maxMetadataBytes: number;
  /** Whether the standard health service says SERVING. */
  readonly ready: () => boolean;
  readonly log: ScopedLog;
}

export interface GrpcListening {
  /** The TCP port; undefined on a Unix socket. */
  readonly port: number | undefined;
  /** Takes no more calls and settles when those in flight have ended, or after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Entries of metadata in one call. */
const mostMetadata = 2000;

type AnyCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>;

/** Opens the gRPC API at one or several addresses (`host:port` or `unix:path`). */
export async function openGrpcServer(parts: GrpcServerParts, addresses: readonly string[]): Promise<GrpcListening> {
  // It would write to standard error; what it says is told as an error or a status too.
  const aside = (...words: unknown[]) => parts.log.debug(words.join(" "));
  setLogger({ error: aside, info: aside, debug: aside });
  const server = new Server({
    "grpc.max_receive_message_length": parts.maxBodyBytes,
    "grpc.max_send_message_length": parts.maxBodyBytes,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.max_connection_idle_ms": 180_000,
    "grpc.enable_channelz": 0,
  });
  allowMetadata(server, parts.maxMetadataBytes);
  const closing = new AbortController();
  const { signal } = closing;
  const all = [...parts.methods, ...healthMethods(parts.ready, signal), ...reflectionMethods(parts.methods, signal)];
  for (const method of all) for (const rpc of method.rpcs) register(server, parts, method, rpc);
  const { proxy } = parts;
  if (proxy) proxyUnknown(server, proxy, parts.pipeline, (error) => toStatus(parts, error));
  const bound = await bindAll(server, addresses);
  return {
    port: bound.port,
    close(graceMs) {
      closing.abort();
      return closeServer(server, bound.addresses, graceMs);
    },
  };
}

/** The library passes these on to every HTTP/2 server it makes, but has no option for Node's limits on headers. */
function allowMetadata(server: Server, maxBytes: number): void {
  const { commonServerOptions: options } = server as unknown as { readonly commonServerOptions: Http2ServerOptions };
  options.maxHeaderListPairs = mostMetadata;
  options.settings = { ...options.settings, maxHeaderListSize: maxBytes };
}

interface Bound {
  /** As bound: without port 0. */
  readonly addresses: readonly string[];
  /** Undefined: Unix sockets only. */
  readonly port: number | undefined;
}

/** Binds all addresses or none; a port of 0 is chosen once and used at all of them. */
async function bindAll(server: Server, addresses: readonly string[]): Promise<Bound> {
  let port: number | undefined;
  const withPort = (address: string) => (port === undefined ? address : address.replace(/:0$/, `:${port}`));
  try {
    for (const address of addresses) {
      const bound = await bind(server, withPort(address));
      if (!address.startsWith("unix:")) port ??= bound;
    }
    return { addresses: addresses.map(withPort), port };
  } catch (error) {
    server.forceShutdown();
    throw error;
  }
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(fail("openFailed", { why: explain(address, error) }, { cause: error }));
      else resolve(port);
    });
  });
}

function explain(address: string, { message }: Error): string {
  if (message.includes("EADDRINUSE")) {
    return `cannot listen on ${address}: it is in use; choose another port or end the process that holds it`;
  }
  // grpc-js puts its own count of addresses before what the system said.
  return `cannot listen on ${address}: ${/errors: \[(.*)\]$/s.exec(message)?.[1] ?? message}`;
}

async function closeServer(server: Server, addresses: readonly string[], graceMs: number): Promise<void> {
  // forceShutdown cuts no connection while channelz is off; only draining does, once its time is over.
  for (const address of addresses) server.drain(address, graceMs);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  server.forceShutdown();
}

/** Messages stay bytes in the library, so that their sizes are known and a stranger's are not decoded. */
const same = (bytes: Buffer): Buffer => bytes;

function register(server: Server, parts: GrpcServerParts, method: AnyMethod, rpc: DescMethod): void {
  const path = `/${rpc.parent.typeName}/${rpc.name}`;
  const isApi = path.startsWith("/dapr.proto.runtime.") || path.startsWith("/mecha.");
  const denied = isApi && !parts.access.grpc(method.group, versionOfRpc(rpc.name));
  // What is switched off is so for everybody, whether they have the token or not.
  const endpoint: Endpoint = { name: path, open: denied, untraced: !isApi };
  const run: AnyMethod["run"] = denied ? () => Promise.reject(fail("apiDenied", { method: path })) : method.run;
  switch (rpc.methodKind) {
    case "unary": {
      const handle = parts.pipeline.wrap(
        "grpc",
        endpoint,
        async (request: GrpcCall<ServerUnaryCall<Buffer, Buffer>>) => {
          const output = await run(request.decode(request.call.request) as never, request);
          request.sendHeaders();
          request.output = request.encode(output);
          return 0;
        },
      );
      const unary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
        const request = new GrpcCall(call, rpc);
        handle(request).then(
          () => callback(null, request.output),
          (error: unknown) => callback(toStatus(parts, error)),
        );
      };
      server.register(path, unary, same, same, "unary");
      return;
    }
    case "server_streaming": {
      const handle = parts.pipeline.wrap(
        "grpc",
        endpoint,
        async (request: GrpcCall<ServerWritableStream<Buffer, Buffer>>) => {
          const output = await run(request.decode(request.call.request) as never, request);
          await writeAll(request, output as AsyncIterable<unknown>);
          return 0;
        },
      );
      const streaming: handleServerStreamingCall<Buffer, Buffer> = (call) =>
        finish(parts, call, handle(new GrpcCall(call, rpc)));
      server.register(path, streaming, same, same, "serverStream");
      return;
    }
    default: {
      const handle = parts.pipeline.wrap(
        "grpc",
        endpoint,
        async (request: GrpcCall<ServerDuplexStream<Buffer, Buffer>>) => {
          const messages = messagesOf(request.call, (bytes: Buffer) => request.decode(bytes));
          const output = await run(messages as never, request);
          await writeAll(request, output as AsyncIterable<unknown>);
          return 0;
        },
      );
      const bidi: handleBidiStreamingCall<Buffer, Buffer> = (call) =>
        finish(parts, call, handle(new GrpcCall(call, rpc)));
      server.register(path, bidi, same, same, "bidi");
    }
  }
}

/** One gRPC call with the place for its answer. */
class GrpcCall<C extends AnyCall> extends Request {
  readonly call: C;
  readonly #rpc: DescMethod;
  output: Buffer | undefined;

  constructor(call: C, rpc: DescMethod) {
    super("grpc", toHeaders(call.metadata), (abort) => {
      if (call.cancelled) abort();
      else (call as EventEmitter).once("cancelled", abort);
    });
    this.call = call;
    this.#rpc = rpc;
  }

  override get api(): string {
    return this.call.getPath();
  }

  decode(bytes: Buffer): Message {
    this.receivedBytes += bytes.byteLength;
    try {
      return fromBinary(this.#rpc.input, bytes);
    } catch (error) {
      const why = `the request is no ${this.#rpc.input.typeName}: ${causeText(error)}`;
      throw fail("internal", { why }, { cause: error });
    }
  }

  encode(init: unknown): Buffer {
    const { output } = this.#rpc;
    const bytes = toBinary(output, create(output, init as MessageInitShape<DescMessage>));
    this.sentBytes += bytes.byteLength;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Sends what the method wants in the initial metadata. */
  sendHeaders(): void {
    if (this.replyHeaders) this.call.sendMetadata(fromHeaders(this.replyHeaders));
  }
}

async function writeAll(
  request: GrpcCall<ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>>,
  output: AsyncIterable<unknown>,
) {
  request.sendHeaders();
  for await (const message of output) {
    if (!(await writeMessage(request.call, request.encode(message), request.signal))) return;
  }
}

function finish(
  parts: GrpcServerParts,
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  done: Promise<number>,
): void {
  done.then(
    () => call.end(),
    // grpc-js takes a status through the error event of the call.
    (error: unknown) => call.emit("error", toStatus(parts, error)),
  );
}

function toStatus(parts: GrpcServerParts, thrown: unknown): Partial<StatusObject> {
  if (thrown instanceof StatusFailure) {
    return { code: thrown.grpcCode, details: thrown.message, metadata: fromHeaders(thrown.metadata) };
  }
  const error = toMechaError(thrown);
  if (isUnexpected(error)) parts.log.debug(error.message, { reason: error.reason, cause: String(error.cause ?? "") });
  return errorStatus(error, parts.appId);
}
