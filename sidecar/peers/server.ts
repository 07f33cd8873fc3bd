import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import type { Clock, Log } from "../../components/contract/driver.ts";
import { causeText, fail } from "../../specs/errors.ts";
import { passBody, readBody, takeWhole } from "../kernel/body.ts";
import { systemClock } from "../kernel/clock.ts";
import type { Answer, Exchange, HeaderMap } from "../kernel/exchange.ts";
import { announcedLength, firstHeader, headersOfRaw, withoutHopByHop } from "../kernel/headers.ts";
import { type Caller, identityHeaders, type Receiver } from "../kernel/peer.ts";
import { encodeFailure, failureHeader } from "./failure.ts";
import { fromCallHeaders } from "./grpc-headers.ts";
import { serveCall } from "./grpc-server.ts";
import { createPeerListener } from "./transport.ts";

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
  const { clock = systemClock, log } = options;
  const listener = createPeerListener({
    onRequest: (request, response) => void serveExchange(request, response, options),
    onStream: (stream, raw) => {
      serveStream(stream, headersOfRaw(raw), pathIn(raw), options).catch((error: Error) => stream.destroy(error));
    },
    onError: (error) => log.debug("a connection from another sidecar failed", { cause: causeText(error) }),
  });
  const { server } = listener;
  server.listen({ port: options.port, ...(options.address ? { host: options.address } : {}) });
  // Rejects with the reason when it cannot listen.
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      listener.drain();
      const cancel = clock.after(closeMs, () => listener.cut());
      await closed;
      cancel();
    },
  };
}

async function serveExchange(request: IncomingMessage, response: ServerResponse, { receive, log }: PeerServerOptions) {
  const left = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) left.abort(fail("canceled", { what: "a call from another sidecar" }));
  });
  try {
    const headers = withoutHopByHop(headersOfRaw(request.rawHeaders));
    const answer = await receive.receiveHttp(await toExchange(request, headers, left.signal), callerOf(headers));
    await respond(response, answer);
  } catch (error) {
    if (response.headersSent || response.destroyed) {
      log.debug("an answer to another sidecar broke off", { cause: causeText(error) });
      response.destroy();
      return;
    }
    const { status, reason, body } = encodeFailure(error);
    response.writeHead(status, { [failureHeader]: reason, "content-type": "application/json" }).end(body);
  }
}

async function toExchange(request: IncomingMessage, headers: HeaderMap, signal: AbortSignal): Promise<Exchange> {
  const url = request.url ?? "/";
  const cut = url.indexOf("?");
  const path = cut < 0 ? url.slice(1) : url.slice(1, cut);
  const query = cut < 0 ? "" : url.slice(cut + 1);
  return { verb: request.method ?? "", path, query, headers, body: await bodyOf(request, headers), signal };
}

async function bodyOf(request: IncomingMessage, headers: HeaderMap): Promise<Readable | Uint8Array | undefined> {
  const length = announcedLength(headers);
  if (length === undefined) return request.headers["transfer-encoding"] === undefined ? undefined : request;
  if (length === 0) return undefined;
  if (length > smallBytes) return request;
  return takeWhole(request, headers) ?? readBody(request);
}

async function respond(response: ServerResponse, answer: Answer): Promise<void> {
  const { status, body, trailers } = answer;
  const headers = { ...answer.headers };
  // Nobody but this sidecar may say that the sidecar failed.
  delete headers[failureHeader];
  response.writeHead(status, headers);
  const whole = takeWhole(body, headers);
  if (whole) {
    response.end(whole);
    return;
  }
  // Headers must not wait for the first byte of a slow body; a fast one takes them along.
  setImmediate(() => {
    if (!response.destroyed && !response.writableEnded) response.flushHeaders();
  });
  await passBody(body, response);
  const last = trailers?.();
  if (last) {
    response.addTrailers(
      Object.entries(last).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one])),
    );
  }
  response.end();
}

async function serveStream(
  stream: ServerHttp2Stream,
  headers: HeaderMap,
  path: string,
  { receive, maxBodyBytes, log, clock = systemClock }: PeerServerOptions,
): Promise<void> {
  // What breaks a stream ends it; the call sees that by its signal and its messages.
  stream.on("error", (error) => log.debug("a call from another sidecar broke off", { cause: causeText(error) }));
  const left = new AbortController();
  stream.once("close", () => {
    if (stream.writableFinished && stream.rstCode === 0) return;
    left.abort(fail("canceled", { what: "a call from another sidecar" }));
  });
  const head = fromCallHeaders(headers, clock.now());
  await serveCall(stream, path, head, left.signal, maxBodyBytes, (call) =>
    receive.receiveGrpc(call, callerOf(headers)),
  );
}

const pathIn = (raw: readonly string[]): string => raw[raw.indexOf(":path") + 1] ?? "/";

function callerOf(headers: HeaderMap): Caller | undefined {
  const appId = firstHeader(headers, identityHeaders.callerAppId);
  if (!appId) return undefined;
  return { appId, namespace: firstHeader(headers, identityHeaders.callerNamespace) ?? "" };
}
