import type { ClientHttp2Stream, ClientSessionRequestOptions, OutgoingHttpHeaders } from "node:http2";
import type { Readable } from "node:stream";
import { pourBody } from "./body.ts";
import type { Answer, Exchange, HeaderMap } from "./exchange.ts";
import { headersOfRaw } from "./headers.ts";
import { Http2Body } from "./http2-body.ts";

/** Opens a stream of whatever session is the right one now. */
export type OpenStream = (headers: OutgoingHttpHeaders, options: ClientSessionRequestOptions) => ClientHttp2Stream;

/**
 * Sends an exchange as one stream of an HTTP/2 session, its body with back-pressure both ways.
 * Rejects with the signal's reason, or with what the session says, when no answer came. Destroying the answer's body
 * cancels the stream.
 */
export function exchangeOverHttp2(open: OpenStream, exchange: Exchange): Promise<Answer> {
  const { verb, path, query, body, signal } = exchange;
  const headers: OutgoingHttpHeaders = {
    ...exchange.headers,
    ":method": verb,
    ":path": `/${path}${query && `?${query}`}`,
  };
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stream = open(headers, { endStream: body === undefined });
    const abort = () => stream.destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    // Stays for the stream's life: whoever holds the answer's body may listen too, but need not.
    stream.on("error", reject);
    let answered = false;
    stream.once("close", () => {
      signal.removeEventListener("abort", abort);
      if (!answered) reject(new Error(`the stream was closed with code ${stream.rstCode}`));
    });
    stream.once("response", (answer, _flags, raw) => {
      answered = true;
      resolve(toAnswer(stream, Number(answer[":status"]), raw));
    });
    send(stream, body);
  });
}

function send(stream: ClientHttp2Stream, body: Readable | Uint8Array | undefined): void {
  if (body === undefined) return;
  if (body instanceof Uint8Array) stream.end(body);
  else pourBody(body, stream, (error) => stream.destroy(error));
}

function toAnswer(stream: ClientHttp2Stream, status: number, raw: readonly string[]): Answer {
  let trailers: HeaderMap | undefined;
  stream.once("trailers", (_trailers, _flags, rawTrailers) => {
    trailers = headersOfRaw(rawTrailers);
  });
  // destroy() resets the stream; close() would first end the request's body as if it were complete.
  const body = new Http2Body(stream, () => stream.destroy(new Error("the reader of the answer has left")));
  return { status, headers: headersOfRaw(raw), body, trailers: () => trailers };
}
