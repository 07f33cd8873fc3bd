import type { EventEmitter } from "node:events";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
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
import { fail } from "../../../specs/errors.ts";
import type { InvokeProxy } from "../../kernel/exchange.ts";
import type { ScopedLog } from "../../kernel/log.ts";
import type { AnyMethod } from "../../kernel/method.ts";
import { Request } from "../../kernel/request.ts";
import { StatusFailure } from "../../kernel/status.ts";
import { type ApiAccess, versionOfRpc } from "../api-access.ts";
import { isUnexpected, toMechaError } from "../error-details.ts";
import type { Pipeline } from "../pipeline.ts";
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

type AnyCall =
  | ServerUnaryCall<unknown, unknown>
  | ServerWritableStream<unknown, unknown>
  | ServerDuplexStream<unknown, unknown>;

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

function register(server: Server, parts: GrpcServerParts, method: AnyMethod, rpc: DescMethod): void {
  const path = `/${rpc.parent.typeName}/${rpc.name}`;
  const serialize = (init: unknown) => Buffer.from(encode(rpc.output, init));
  const deserialize = (bytes: Buffer) => fromBinary(rpc.input, bytes);
  const isApi = path.startsWith("/dapr.proto.runtime.") || path.startsWith("/mecha.");
  const denied = isApi && !parts.access.grpc(method.group, versionOfRpc(rpc.name));
  const endpoint = { name: path, open: false };
  const run: AnyMethod["run"] = denied ? () => Promise.reject(fail("apiDenied", { method: path })) : method.run;
  switch (rpc.methodKind) {
    case "unary": {
      const handle = parts.pipeline.wrap(
        "grpc",
        endpoint,
        async (request: GrpcCall<ServerUnaryCall<unknown, unknown>>) => {
          const output = await run(request.call.request as never, request);
          request.sendHeaders();
          request.output = output;
          return 0;
        },
      );
      const unary: handleUnaryCall<unknown, unknown> = (call, callback) => {
        const request = new GrpcCall(call);
        handle(request).then(
          () => callback(null, request.output),
          (error: unknown) => callback(toStatus(parts, error)),
        );
      };
      server.register(path, unary, serialize, deserialize, "unary");
      return;
    }
    case "server_streaming": {
      const handle = parts.pipeline.wrap(
        "grpc",
        endpoint,
        async (request: GrpcCall<ServerWritableStream<unknown, unknown>>) => {
          const output = await run(request.call.request as never, request);
          await writeAll(request, output as AsyncIterable<unknown>);
          return 0;
        },
      );
      const streaming: handleServerStreamingCall<unknown, unknown> = (call) =>
        finish(parts, call, handle(new GrpcCall(call)));
      server.register(path, streaming, serialize, deserialize, "serverStream");
      return;
    }
    default: {
      const handle = parts.pipeline.wrap(
        "grpc",
        endpoint,
        async (request: GrpcCall<ServerDuplexStream<unknown, unknown>>) => {
          const output = await run(messagesOf(request.call) as never, request);
          await writeAll(request, output as AsyncIterable<unknown>);
          return 0;
        },
      );
      const bidi: handleBidiStreamingCall<unknown, unknown> = (call) => finish(parts, call, handle(new GrpcCall(call)));
      server.register(path, bidi, serialize, deserialize, "bidi");
    }
  }
}

const encode = (schema: DescMessage, init: unknown): Uint8Array =>
  toBinary(schema, create(schema, init as MessageInitShape<DescMessage>));

/** One gRPC call with the place for its answer. */
class GrpcCall<C extends AnyCall> extends Request {
  readonly call: C;
  output: unknown;

  constructor(call: C) {
    super("grpc", toHeaders(call.metadata), (abort) => {
      if (call.cancelled) abort();
      else (call as EventEmitter).once("cancelled", abort);
    });
    this.call = call;
  }

  /** Sends what the method wants in the initial metadata. */
  sendHeaders(): void {
    if (this.replyHeaders) this.call.sendMetadata(fromHeaders(this.replyHeaders));
  }
}

async function writeAll(
  request: GrpcCall<ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>>,
  output: AsyncIterable<unknown>,
) {
  request.sendHeaders();
  for await (const message of output) {
    if (!(await writeMessage(request.call, message, request.signal))) return;
  }
}

function finish(
  parts: GrpcServerParts,
  call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
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
