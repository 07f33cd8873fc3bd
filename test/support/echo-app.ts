import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

/** A gRPC service of bytes with one method per kind of call. */
export const echo = {
  unary: "/test.Echo/Unary",
  serverStream: "/test.Echo/ServerStream",
  clientStream: "/test.Echo/ClientStream",
  bidi: "/test.Echo/Bidi",
} as const;

const same = (bytes: Buffer): Buffer => bytes;
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
export const echoDefinition: ServiceDefinition = {
  unary: method(echo.unary, false, false),
  serverStream: method(echo.serverStream, false, true),
  clientStream: method(echo.clientStream, true, false),
  bidi: method(echo.bidi, true, true),
};

/** What the app has been given so far. */
export interface EchoApp {
  readonly port: number;
  readonly metadata: Metadata[];
  /** Messages that the app has read. */
  read: number;
  /** Calls whose caller left. */
  cancelled: number;
  stop(): void;
}

const initial = () => {
  const metadata = new Metadata();
  metadata.set("x-initial", "i");
  metadata.set("x-bytes-bin", Buffer.from([0, 255]));
  return metadata;
};
const trailing = () => {
  const metadata = new Metadata();
  metadata.set("x-trailer", "t");
  return metadata;
};

/**
 * Starts the service on a free port. `unary` answers its message in upper case, or fails with code 9 when it is `fail`;
 * `serverStream` answers as many messages as the request says; `clientStream` joins its messages; `bidi` echoes, and never
 * reads nor answers when the first message is `hang`.
 */
export async function startEchoApp(port = 0): Promise<EchoApp> {
  const server = new Server();
  const app = { port: 0, metadata: [] as Metadata[], read: 0, cancelled: 0, stop: () => server.forceShutdown() };
  server.addService(echoDefinition, implementation(app));
  app.port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  onTestFinished(() => server.forceShutdown());
  return app;
}

function implementation(app: { metadata: Metadata[]; read: number; cancelled: number }): UntypedServiceImplementation {
  type Streaming =
    | ServerWritableStream<Buffer, Buffer>
    | ServerReadableStream<Buffer, Buffer>
    | ServerDuplexStream<Buffer, Buffer>;
  const begin = (call: Streaming) => {
    app.metadata.push(call.metadata);
    call.sendMetadata(initial());
    call.on("cancelled", () => void app.cancelled++);
  };
  return {
    unary(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      const text = call.request.toString();
      app.metadata.push(call.metadata);
      if (text === "fail") {
        done({ code: 9, details: "not in this state, ü", metadata: trailing() });
        return;
      }
      call.sendMetadata(initial());
      done(null, Buffer.from(text.toUpperCase()), trailing());
    },
    serverStream(call: ServerWritableStream<Buffer, Buffer>) {
      begin(call);
      const count = Number(call.request.toString());
      for (let i = 0; i < count; i++) call.write(Buffer.from(String(i)));
      call.end(trailing());
    },
    clientStream(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      begin(call);
      const parts: string[] = [];
      call.on("data", (part) => void parts.push(String(part)));
      call.on("end", () => done(null, Buffer.from(parts.join("+")), trailing()));
    },
    bidi(call: ServerDuplexStream<Buffer, Buffer>) {
      begin(call);
      call.on("error", () => {});
      call.on("data", (part) => {
        app.read++;
        if (String(part) === "hang") call.pause();
        else call.write(part);
      });
      call.on("end", () => call.end(trailing()));
    },
  };
}
