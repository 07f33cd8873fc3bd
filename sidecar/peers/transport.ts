import { Agent, createServer as createHttp1Server, type RequestListener, request, type Server } from "node:http";
import {
  type ClientHttp2Session,
  connect,
  createServer as createHttp2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "../../components/contract/driver.ts";
import type { OpenRequest } from "../kernel/http1-exchange.ts";

/**
 * Where connections between sidecars are made and accepted, and nowhere else: in clear text now. HTTP exchanges go over
 * HTTP/1.1 connections that are kept, gRPC calls over one HTTP/2 connection, both to the same port: with node:http2 an
 * exchange would take twice the processor time, and what its streams leave behind stops the process for 20 ms every
 * second or two. With mutual TLS the server becomes that of node:tls, the agent that of node:https, connect goes to
 * https://, and all three show a certificate.
 */

/** How much of one body may be under way before its reader asks for more. */
const windowBytes = 1024 * 1024;
const connectionWindowBytes = 16 * windowBytes;
const largestHeaders = 256 * 1024;
const mostHeaders = 2000;
/** Of memory that a session may hold for its streams before it refuses new ones, in MB. */
const sessionMemory = 256;
/** A caller lets go of an idle connection well before the callee would close it, so that none is closed under a request. */
const idleMs = 60_000;
const serverIdleMs = 120_000;
/** How long a connection may take to be made. */
export const connectMs = 5000;

const settings: Settings = { initialWindowSize: windowBytes, enablePush: false, maxHeaderListSize: largestHeaders };
const limits = {
  maxHeaderListPairs: mostHeaders,
  maxSendHeaderBlockLength: largestHeaders,
  maxSessionMemory: sessionMemory,
};

/** Streams that one HTTP/2 connection carries at once; a caller opens another connection for more. */
export const streamsPerConnection = 1000;

export interface PeerListeners {
  /** An HTTP exchange. */
  readonly onRequest: RequestListener;
  /** A gRPC call. */
  readonly onStream: (stream: ServerHttp2Stream, rawHeaders: readonly string[]) => void;
  /** A connection failed. */
  readonly onError: (error: Error) => void;
}

export interface PeerListener {
  readonly server: Server;
  /** Lets each connection end with what it carries now. */
  drain(): void;
  /** Cuts every connection. */
  cut(): void;
}

/** A listener for both protocols that does not listen yet. */
export function createPeerListener({ onRequest, onStream, onError }: PeerListeners): PeerListener {
  const server = createHttp1Server(
    {
      keepAliveTimeout: serverIdleMs,
      requestTimeout: 0,
      headersTimeout: 0,
      maxHeaderSize: largestHeaders,
      noDelay: true,
    },
    (request, response) => {
      response.once("close", () => {
        if (!server.listening) setImmediate(() => server.closeIdleConnections());
      });
      onRequest(request, response);
    },
  );
  const sessions = new Set<ServerHttp2Session>();
  const http2 = createHttp2Server({
    ...limits,
    settings: { ...settings, maxConcurrentStreams: streamsPerConnection },
    // Node closes connections that reset many streams; between sidecars that is what callers do that leave early.
    streamResetBurst: 100_000,
    streamResetRate: 10_000,
  });
  http2.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(connectionWindowBytes);
    session.on("error", onError);
    session.once("close", () => sessions.delete(session));
  });
  http2.on("stream", (stream, _headers, _flags, raw) => onStream(stream, raw));
  const silent = byProtocol(server, (socket) => http2.emit("connection", socket));
  return {
    server,
    drain() {
      for (const socket of silent) socket.destroy();
      server.closeIdleConnections();
      for (const session of sessions) session.close();
    },
    cut() {
      for (const session of sessions) session.destroy(new Error("the sidecar is closing"));
      server.closeAllConnections();
    },
  };
}

/** The first bytes of HTTP/2's preface; no method of HTTP/1.1 begins with them. */
const preface = Buffer.from("PRI");

/**
 * Looks at what a connection says first before it is given to the server of HTTP/1.1 or to the other.
 * Returns the connections that have not said anything yet.
 */
function byProtocol(server: Server, speakHttp2: (socket: Socket) => void): ReadonlySet<Socket> {
  const silent = new Set<Socket>();
  const [speakHttp1] = server.listeners("connection") as [(this: Server, socket: Socket) => void];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const gone = () => socket.destroy();
    const forget = () => silent.delete(socket);
    silent.add(socket);
    // Sockets of an HTTP server stay open when the other side closes its own.
    socket.once("end", gone).once("error", gone).once("close", forget);
    socket.once("data", (first: Buffer) => {
      forget();
      socket.off("end", gone).off("error", gone).off("close", forget);
      socket.pause();
      socket.unshift(first);
      if (first.subarray(0, preface.length).equals(preface)) {
        speakHttp2(socket);
        return;
      }
      speakHttp1.call(server, socket);
      socket.resume();
    });
  });
  return silent;
}

/** The HTTP/1.1 connections to all peers. */
export function createPeerAgent(clock: Clock): Agent {
  const agent = new Agent({ keepAlive: true, timeout: idleMs });
  const create = agent.createConnection;
  agent.createConnection = function createConnection(...args) {
    const socket = create.apply(this, args);
    const late = clock.after(connectMs, () => socket?.destroy(new Error(`no connection within ${connectMs} ms`)));
    socket?.once("connect", late);
    socket?.once("close", late);
    return socket;
  };
  return agent;
}

/** Requests to the sidecar at `host:port`. */
export function requestsTo(address: string, agent: Agent): OpenRequest {
  const { hostname, port } = new URL(`http://${address}`);
  const host = hostname.replace(/^\[|\]$/g, "");
  return (options) => request({ ...options, agent, host, port, maxHeaderSize: largestHeaders });
}

/** An HTTP/2 connection to the sidecar at `host:port`, perhaps not made yet; failures come as the session's `error`. */
export function connectPeer(address: string): ClientHttp2Session {
  const session = connect(`http://${address}`, { ...limits, settings });
  session.once("connect", () => session.setLocalWindowSize(connectionWindowBytes));
  return session;
}
