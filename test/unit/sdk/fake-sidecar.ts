import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { createClient, type MechaClient } from "../../../sdk/src/index.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Health } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";

/** A sidecar for tests of the SDK: two real servers on free ports that say what a test wants and keep what they heard. */

export interface HttpSeen {
  /** `GET /v1.0/state/s/k?consistency=strong` */
  readonly line: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface HttpReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface GrpcSeen {
  /** `GetState` */
  readonly rpc: string;
  readonly metadata: Metadata;
  /** The first request message. */
  readonly message: Message;
}

export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** A call as a handler has it: for streams the requests that follow, and a place for answers. */
export interface GrpcCall extends GrpcSeen {
  readonly stream: ServerDuplexStream<Message, MessageInitShape<DescMethod["output"]>>;
  readonly requests: AsyncIterator<Message>;
  /** Sends headers before the first answer. */
  headers(headers: Readonly<Record<string, string>>): void;
}

export type OnHttp = (
  seen: HttpSeen,
  request: IncomingMessage,
  response: ServerResponse,
) => HttpReply | undefined | Promise<HttpReply | undefined>;
/** Gives an answer, several of them, or a failure; undefined: the handler has done it all, or never answers. */
export type OnGrpc = (
  call: GrpcCall,
) => object | AsyncIterable<object> | GrpcFailure | undefined | Promise<object | undefined>;

export interface FakeSidecar {
  readonly http: HttpSeen[];
  readonly grpc: GrpcSeen[];
  readonly httpEndpoint: string;
  readonly grpcEndpoint: string;
  /** A client of it, closed when the test is over. Over HTTP it knows no gRPC endpoint unless told. */
  client(transport: "http" | "grpc", options?: Parameters<typeof createClient>[0]): MechaClient;
}

export const transports = ["http", "grpc"] as const;

export async function startFakeSidecar(onHttp: OnHttp, onGrpc: OnGrpc): Promise<FakeSidecar> {
  const http: HttpSeen[] = [];
  const grpc: GrpcSeen[] = [];
  const httpEndpoint = `http://127.0.0.1:${await startHttp(http, onHttp)}`;
  const grpcEndpoint = `127.0.0.1:${await startGrpc(grpc, onGrpc)}`;
  return {
    ...{ http, grpc, httpEndpoint, grpcEndpoint },
    client(transport, options = {}) {
      const places = transport === "http" ? { httpEndpoint } : { grpcEndpoint };
      const client = createClient({ transport, ...places, ...options });
      onTestFinished(() => client.close());
      return client;
    },
  };
}

async function startHttp(seen: HttpSeen[], onHttp: OnHttp): Promise<number> {
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one = { line: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks) };
    seen.push(one);
    const reply = await onHttp(one, request, response);
    if (!reply) return;
    response.writeHead(reply.status ?? 200, { ...reply.headers });
    response.end(reply.body);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function startGrpc(seen: GrpcSeen[], onGrpc: OnGrpc): Promise<number> {
  const server = new Server();
  for (const service of [Dapr, Mecha, Health]) {
    const { definition, handlers } = serviceOf(service as DescService, seen, onGrpc);
    server.addService(definition, handlers);
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  onTestFinished(() => server.forceShutdown());
  return port;
}

type Stream = GrpcCall["stream"];

/** Every method as a stream both ways, which is the same on the wire. */
function serviceOf(service: DescService, seen: GrpcSeen[], onGrpc: OnGrpc) {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: Record<string, (stream: Stream) => void> = {};
  for (const rpc of service.methods) {
    definition[rpc.name] = {
      path: `/${service.typeName}/${rpc.name}`,
      requestStream: true,
      responseStream: true,
      requestSerialize: (message: Message) => Buffer.from(toBinary(rpc.input, message)),
      requestDeserialize: (bytes: Buffer) => fromBinary(rpc.input, new Uint8Array(bytes)),
      responseSerialize: (init: object) => Buffer.from(toBinary(rpc.output, create(rpc.output, init as never))),
      responseDeserialize: (bytes: Buffer) => fromBinary(rpc.output, bytes),
    };
    handlers[rpc.name] = (stream) => {
      stream.on("error", () => {});
      serve(rpc, stream, seen, onGrpc).catch((error) => stream.emit("error", error));
    };
  }
  return { definition, handlers };
}

async function serve(rpc: DescMethod, stream: Stream, seen: GrpcSeen[], onGrpc: OnGrpc): Promise<void> {
  const requests = stream[Symbol.asyncIterator]() as AsyncIterator<Message>;
  const first = await requests.next();
  const one = { rpc: rpc.name, metadata: stream.metadata, message: first.value as Message };
  seen.push(one);
  const headers = (values: Readonly<Record<string, string>>) => stream.sendMetadata(Metadata.fromHttp2Headers(values));
  const reply = await onGrpc({ ...one, stream, requests, headers });
  if (!reply) return;
  if ("code" in reply) {
    stream.emit("error", { metadata: new Metadata(), ...reply });
    return;
  }
  if (Symbol.asyncIterator in reply)
    for await (const each of reply as AsyncIterable<object>) stream.write(each as never);
  else stream.write(reply as never);
  stream.end();
}

/** Nobody should have come this way. */
export const noHttp: OnHttp = () => ({ status: 501, body: "no HTTP in this test" });
export const noGrpc: OnGrpc = () => ({ code: status.UNIMPLEMENTED, details: "no gRPC in this test" });
