import type { ClientRequest, IncomingMessage } from "node:http";
import { pourBody } from "./body.ts";
import type { Answer, Exchange, HeaderMap } from "./exchange.ts";
import { headersOfRaw, withoutHopByHop } from "./headers.ts";

/** Begins a request on whatever connection is the right one now. `path` has a leading slash and the query. */
export type OpenRequest = (request: {
  readonly method: string;
  readonly path: string;
  readonly headers: HeaderMap;
}) => ClientRequest;

/** What may be sent a second time without harm (RFC 9110 9.2.2). */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/**
 * Sends an exchange over HTTP/1.1, its body with back-pressure both ways. `base` stands before its path and ends in a slash.
 * Rejects with the signal's reason, or with what the connection says, when no answer came. Destroying the answer's body
 * cuts the connection.
 */
export async function exchangeOverHttp1(open: OpenRequest, exchange: Exchange, base = "/"): Promise<Answer> {
  try {
    return await attempt(open, exchange, base);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    return attempt(open, exchange, base);
  }
}

/** The server closed a kept connection while a request that can be sent again was on its way. */
class StaleConnection extends Error {}

function attempt(open: OpenRequest, exchange: Exchange, base: string): Promise<Answer> {
  const { verb, path, query, headers, body, signal } = exchange;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const request = open({
      method: verb,
      path: `${base}${path}${query && `?${query}`}`,
      headers: framed(headers, body),
    });
    let response: IncomingMessage | undefined;
    const abort = () => (response ?? request).destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    request.once("response", (came) => {
      response = came;
      // Node would neither go on sending nor say so; nobody waits for the rest of the body.
      came.once("close", () => {
        if (!request.writableFinished) request.destroy();
      });
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
    // The server sees the request before the first part of its body is there.
    request.flushHeaders();
    pourBody(body, request, (error) => request.destroy(error));
  });
}

/** Headers with exactly one framing of the body. */
function framed(headers: HeaderMap, body: Exchange["body"]): HeaderMap {
  if (body instanceof Uint8Array) return { ...headers, "content-length": String(body.byteLength) };
  if (body === undefined || headers["content-length"] !== undefined) return headers;
  return { ...headers, "transfer-encoding": "chunked" };
}

function toAnswer(response: IncomingMessage): Answer {
  return {
    status: response.statusCode ?? 0,
    headers: withoutHopByHop(headersOfRaw(response.rawHeaders)),
    body: response,
    trailers: () => (response.rawTrailers.length > 0 ? headersOfRaw(response.rawTrailers) : undefined),
  };
}
