import { once } from "node:events";
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import type { Clock, Log } from "../../components/contract/driver.ts";
import { causeText, fail } from "../../specs/errors.ts";
import { passBody, readBody, takeWhole } from "../kernel/body.ts";
import { systemClock } from "../kernel/clock.ts";
import type { Answer, Exchange, HeaderMap } from "../kernel/exchange.ts";
import { announcedLength, firstHeader, headersOfRaw } from "../kernel/headers.ts";
import { Http2Body } from "../kernel/http2-body.ts";
import { type Caller, identityHeaders, type Receiver } from "../kernel/peer.ts";
import { encodeFailure, failureHeader } from "./failure.ts";
import { fromCallHeaders, isGrpc } from "./grpc-headers.ts";
import { serveCall } from "./grpc-server.ts";
import { createPeerServer } from "./transport.ts";

export interface PeerServerOptions {
  /** Empty: every interface. */
  readonly address: string;
  /** 0: a free port. */
  readonly port: number;
  readonly receive: Receiver;
  /** Longest gRPC message. */
  readonly maxBodyBytes: number;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface PeerServer {
  readonly port: number;
  /** Takes no more calls, lets those in flight end for a while, then cuts them. Idempotent. */
  close(): Promise<void>;
}

const closeMs = 5000;
/** A body of known length up to this is read before the call goes on, which costs less than a stream. */
const smallBytes = 64 * 1024;

/** Listens for calls from other sidecars. */
export async function openPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const { clock = systemClock } = options;
  const server = createPeerServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", (error) =>
      options.log.debug("a connection from another sidecar failed", { cause: causeText(error) }),
    );
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers, _flags, raw) => {
    const arrived = { headers: headersOfRaw(raw), verb: String(headers[":method"]), url: String(headers[":path"]) };
    serve(stream, arrived, options).catch((error: unknown) => stream.destroy(error as Error));
  });
  server.listen({ port: options.port, ...(options.address ? { host: options.address } : {}) });
  // Rejects with the reason when it cannot listen.
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const cancel = clock.after(closeMs, () => {
        for (const session of sessions) session.destroy(new Error("the sidecar is closing"));
      });
      await closed;
      cancel();
    },
  };
}

interface Arrived {
  readonly headers: HeaderMap;
  readonly verb: string;
  /** Path and query, with leading slash. */
  readonly url: string;
}

async function serve(
  stream: ServerHttp2Stream,
  arrived: Arrived,
  { receive, maxBodyBytes, log, clock = systemClock }: PeerServerOptions,
): Promise<void> {
  // What breaks a stream ends it; the call sees that by its signal and its body.
  stream.on("error", (error) => log.debug("a call from another sidecar broke off", { cause: causeText(error) }));
  const left = new AbortController();
  stream.once("close", () => {
    if (!stream.writableFinished || stream.rstCode !== 0)
      left.abort(fail("canceled", { what: "a call from another sidecar" }));
  });
  const caller = callerOf(arrived.headers);
  if (isGrpc(arrived.headers)) {
    await serveCall(
      stream,
      arrived.url,
      fromCallHeaders(arrived.headers, clock.now()),
      left.signal,
      maxBodyBytes,
      (call) => receive.receiveGrpc(call, caller),
    );
    return;
  }
  try {
    const answer = await receive.receiveHttp(await toExchange(stream, arrived, left.signal), caller);
    respond(stream, answer);
  } catch (error) {
    respondFailure(stream, error);
  }
}

function callerOf(headers: HeaderMap): Caller | undefined {
  const appId = firstHeader(headers, identityHeaders.callerAppId);
  if (!appId) return undefined;
  return { appId, namespace: firstHeader(headers, identityHeaders.callerNamespace) ?? "" };
}

async function toExchange(
  stream: ServerHttp2Stream,
  { headers, verb, url }: Arrived,
  signal: AbortSignal,
): Promise<Exchange> {
  const cut = url.indexOf("?");
  const path = cut < 0 ? url.slice(1) : url.slice(1, cut);
  const query = cut < 0 ? "" : url.slice(cut + 1);
  return { verb, path, query, headers, body: await bodyOf(stream, headers), signal };
}

async function bodyOf(stream: ServerHttp2Stream, headers: HeaderMap): Promise<Readable | Uint8Array | undefined> {
  if (stream.endAfterHeaders) return undefined;
  // The stream stays open for the answer; what is left of an unread body is dropped.
  const body = new Http2Body(stream, () => stream.resume());
  return (announcedLength(headers) ?? Number.POSITIVE_INFINITY) <= smallBytes ? readBody(body) : body;
}

function respond(stream: ServerHttp2Stream, answer: Answer): void {
  const { status, body, trailers } = answer;
  if (stream.destroyed || stream.closed) {
    body.destroy();
    return;
  }
  const headers: Record<string, string | string[] | number> = { ...answer.headers, ":status": status };
  // Nobody but this sidecar may say that the sidecar failed.
  delete headers[failureHeader];
  const whole = takeWhole(body, answer.headers);
  if (whole) {
    stream.respond(headers);
    stream.end(whole);
    return;
  }
  stream.respond(headers, { waitForTrailers: trailers !== undefined });
  if (trailers) stream.once("wantTrailers", () => stream.sendTrailers({ ...trailers() }));
  passBody(body, stream).then(
    () => stream.end(),
    // An answer that breaks off must not look complete; close() would end it, destroy() resets it.
    (error: Error) => stream.destroy(error),
  );
}

function respondFailure(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.closed || stream.headersSent) {
    stream.destroy(error as Error);
    return;
  }
  const { status, reason, body } = encodeFailure(error);
  stream.respond({
    [constants.HTTP2_HEADER_STATUS]: status,
    [failureHeader]: reason,
    "content-type": "application/json",
  });
  stream.end(body);
}
