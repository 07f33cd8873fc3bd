import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { pourBody } from "../kernel/body.ts";
import type { Answer, Exchange, HeaderMap, HttpTarget } from "../kernel/exchange.ts";
import { headersOfRaw, withoutHopByHop } from "../kernel/headers.ts";

/** An HTTP server that exchanges are sent to, with the connections kept open to it. */
export interface HttpServerTarget extends HttpTarget {
  /** Cuts what is in flight and closes the connections. Idempotent. */
  close(): void;
}

export interface TlsSettings {
  /** PEM; absent: the authorities of the system. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Accept any certificate. */
  readonly anyServer?: boolean | undefined;
}

export interface HttpTargetOptions {
  readonly tls?: TlsSettings;
  /** Called when the server closes a connection or refuses one. */
  readonly onLost?: () => void;
}

/** Shorter than the 5 s after which common servers close idle connections, so that none is used as it is being closed. */
const idleMs = 4000;
const largestHeaders = 256 * 1024;
/** What may be sent a second time without harm (RFC 9110 9.2.2). */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/**
 * Opens a target behind an `http://` or `https://` URL; its path is put before that of each exchange. Redirects are answers.
 * Connections are made when they are needed and kept while they are used.
 */
export function openHttpTarget(baseUrl: string, { tls = {}, onLost }: HttpTargetOptions = {}): HttpServerTarget {
  const { protocol, hostname, port, pathname } = new URL(baseUrl);
  const secure = protocol === "https:";
  const keep = { keepAlive: true, timeout: idleMs };
  const agent = secure
    ? new HttpsAgent({ ...keep, ...certificates(tls), rejectUnauthorized: !tls.anyServer })
    : new HttpAgent(keep);
  if (onLost) watchConnections(agent, onLost);
  const request = secure ? requestHttps : requestHttp;
  const base = pathname.endsWith("/") ? pathname : `${pathname}/`;
  const host = hostname.replace(/^\[|\]$/g, "");
  const open = ({ verb, path, query, headers, body }: Exchange) =>
    request({
      agent,
      host,
      port,
      method: verb,
      path: `${base}${path}${query && `?${query}`}`,
      headers: outgoing(headers, body),
      maxHeaderSize: largestHeaders,
    });
  return {
    async send(exchange) {
      try {
        return await attempt(open, exchange);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        return attempt(open, exchange);
      }
    },
    close: () => agent.destroy(),
  };
}

/** A connection that we let go because it was idle is no loss; any other end may be one. */
function watchConnections(agent: HttpAgent, onLost: () => void): void {
  const create = agent.createConnection;
  agent.createConnection = function createConnection(...args) {
    const socket = create.apply(this, args);
    socket?.once("timeout", () => socket.off("close", onLost));
    socket?.once("close", onLost);
    return socket;
  };
}

function certificates({ ca, cert, key }: TlsSettings): { ca?: string; cert?: string; key?: string } {
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** The server closed a kept connection while a request that can be sent again was on its way. */
class StaleConnection extends Error {}

/** Headers with exactly one framing of the body. */
function outgoing(headers: HeaderMap, body: Exchange["body"]): HeaderMap {
  if (body instanceof Uint8Array) return { ...headers, "content-length": String(body.byteLength) };
  if (body === undefined || headers["content-length"] !== undefined) return headers;
  return { ...headers, "transfer-encoding": "chunked" };
}

function attempt(open: (exchange: Exchange) => ClientRequest, exchange: Exchange): Promise<Answer> {
  const { body, signal, verb } = exchange;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const request = open(exchange);
    let response: IncomingMessage | undefined;
    const abort = () => (response ?? request).destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    request.once("response", (came) => {
      response = came;
      resolve(toAnswer(came));
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      // A stream is gone once it was sent, and what is not idempotent may have been done.
      const again = request.reusedSocket && error.code === "ECONNRESET" && !signal.aborted && idempotent.has(verb);
      const replayable = body === undefined || body instanceof Uint8Array;
      reject(again && replayable ? new StaleConnection() : error);
    });
    request.once("close", () => signal.removeEventListener("abort", abort));
    if (body === undefined || body instanceof Uint8Array) {
      request.end(body);
      return;
    }
    // The app sees the request before the first part of its body is there.
    request.flushHeaders();
    pourBody(body, request, (error) => request.destroy(error));
  });
}

function toAnswer(response: IncomingMessage): Answer {
  return {
    status: response.statusCode ?? 0,
    headers: withoutHopByHop(headersOfRaw(response.rawHeaders)),
    body: response,
    trailers: () => (response.rawTrailers.length > 0 ? headersOfRaw(response.rawTrailers) : undefined),
  };
}
