import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http2";
import type { Socket } from "node:net";

/** What the HTTP/1.1 parser stopped at, with the bytes it was given. */
export type BrokenRequest = Error & { readonly code?: string | undefined; readonly rawPacket?: Buffer | undefined };
/** Answers a broken request, or takes the connection over. */
export type ClientErrorHandler = (error: BrokenRequest, socket: Socket) => void;
type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

/** The HTTP/2 side of a server. Its connections count as the server's own, which cannot close before they are gone. */
export interface Http2Side {
  readonly onClientError: ClientErrorHandler;
  /** Takes no more streams; each connection closes when its last stream has ended. */
  close(): void;
  /** Cuts what is still open. */
  destroy(): void;
}

/**
 * Lets an HTTP/1.1 server speak HTTP/2 with prior knowledge on the same port (RFC 9113, 3.3). The HTTP/1.1 parser itself
 * recognises the preface and stops there; the bytes it has read are put back and the connection is handed over, so that
 * HTTP/1.1 connections pay nothing for it.
 */
export function acceptHttp2(onRequest: OnRequest): Http2Side {
  // The compatibility API has the shape of node:http for all that the handlers use.
  const http2 = createServer((request, response) =>
    onRequest(request as unknown as IncomingMessage, response as unknown as ServerResponse),
  );
  const sessions = new Set<{ close(): void; destroy(): void }>();
  http2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
  });
  return {
    onClientError(error, socket) {
      if (error.code !== "HPE_PAUSED_H2_UPGRADE" || !error.rawPacket) return refuse(error, socket);
      takeOver(socket, error.rawPacket);
      http2.emit("connection", socket);
    },
    close() {
      for (const session of sessions) session.close();
    },
    destroy() {
      for (const session of sessions) session.destroy();
    },
  };
}

/** Answers bytes that are not HTTP. */
export const refuse: ClientErrorHandler = (error, socket) => {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
};

const http1Events = ["data", "end", "close", "drain", "error", "timeout", "pause", "resume"];

/** Takes the socket from the HTTP/1.1 server and puts back what its parser has already read. */
function takeOver(socket: Socket, read: Buffer): void {
  const { parser } = socket as Socket & { parser?: { unconsume?(): void; remove?(): void } | null };
  parser?.unconsume?.();
  // Else the server would take the preface for a request whose headers never end, and cut the connection for that.
  parser?.remove?.();
  // Not all listeners: the stream's own ones must stay for the bytes put back to be read.
  for (const event of http1Events) socket.removeAllListeners(event);
  (socket as { parser?: unknown }).parser = null;
  // An HTTP/1.1 client may close its side and still read the answer; an HTTP/2 client that does so is gone.
  socket.allowHalfOpen = false;
  socket.pause();
  socket.unshift(read);
}
