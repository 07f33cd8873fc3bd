import { type ClientHttp2Session, connect, createServer, type Http2Server, type Settings } from "node:http2";

/**
 * Where connections between sidecars are made and accepted, and nowhere else: HTTP/2 in clear text now. With mutual TLS the
 * server becomes createSecureServer, the client connects to https:// with a certificate, and both read the other's
 * identity from its certificate.
 */

/** How much of one body may be under way before its reader asks for more. */
const windowBytes = 1024 * 1024;
const connectionWindowBytes = 16 * windowBytes;
const largestHeaders = 256 * 1024;
const mostHeaders = 2000;
/** Of memory that a session may hold for its streams before it refuses new ones, in MB. */
const sessionMemory = 256;

const settings: Settings = { initialWindowSize: windowBytes, enablePush: false, maxHeaderListSize: largestHeaders };
const limits = {
  maxHeaderListPairs: mostHeaders,
  maxSendHeaderBlockLength: largestHeaders,
  maxSessionMemory: sessionMemory,
};

/** Streams that one connection carries at once; a caller opens another connection for more. */
export const streamsPerConnection = 1000;

/** A server that does not listen yet. */
export function createPeerServer(): Http2Server {
  const server = createServer({
    ...limits,
    settings: { ...settings, maxConcurrentStreams: streamsPerConnection },
    // Node closes connections that reset many streams; between sidecars that is what callers do that leave early.
    streamResetBurst: 100_000,
    streamResetRate: 10_000,
  });
  server.on("session", (session) => session.setLocalWindowSize(connectionWindowBytes));
  return server;
}

/** A connection to the sidecar at `host:port`, perhaps not made yet; failures come as the session's `error`. */
export function connectPeer(address: string): ClientHttp2Session {
  const session = connect(`http://${address}`, { ...limits, settings });
  session.once("connect", () => session.setLocalWindowSize(connectionWindowBytes));
  return session;
}
