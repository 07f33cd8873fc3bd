import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

/** Apps for tests: real servers on free ports, gone when the test is. All start functions resolve with the port. */

/** An app that speaks HTTP/1.1; the listener has the request as it arrives. `port` 0: a free one. */
export async function startHttpApp(listener: RequestListener, port = 0): Promise<RunningApp> {
  const server = createServer(listener).listen(port, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  onTestFinished(stop);
  return { port: (server.address() as AddressInfo).port, stop };
}

export interface RunningApp {
  readonly port: number;
  /** Ends the app before the test does; cuts its connections. */
  stop(): Promise<void>;
}

/** An app that speaks HTTP/2 in clear text. */
export async function startHttp2App(
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
): Promise<number> {
  const server = createHttp2Server();
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("stream", (stream, headers) => {
    // A stream that the client cuts off says so here; the tests look at the client's side.
    stream.on("error", () => {});
    onStream(stream, headers);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A gRPC server with services from specs/gen; what an implementation leaves out answers Unimplemented. */
export async function startGrpcApp(
  services: readonly (readonly [DescService, UntypedServiceImplementation])[],
): Promise<number> {
  const server = new Server();
  for (const [service, implementation] of services) server.addService(definitionOf(service), implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  onTestFinished(() => server.forceShutdown());
  return port;
}

function definitionOf(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: (message: Message) => Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (message: Message) => Buffer.from(toBinary(method.output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
}

/** A port on which nothing listens. */
export async function unusedPort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
