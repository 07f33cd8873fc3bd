import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Readable } from "node:stream";
import { fail } from "../../../specs/errors.ts";
import { readBody as readWhole } from "../../kernel/body.ts";
import { Http2Body } from "../../kernel/http2-body.ts";

const nothing = new Uint8Array(0);

/** The body as it arrives; undefined: the request has none. A body that was cut off breaks off with an error. */
export function bodyOf(request: IncomingMessage): Readable | undefined {
  const length = request.headers["content-length"];
  if (length === "0") return undefined;
  if (request.httpVersionMajor === 2) {
    // The compatibility API hides that a stream was reset, so the stream itself is read.
    const { stream } = request as unknown as Http2ServerRequest;
    return stream.endAfterHeaders ? undefined : new Http2Body(stream, () => stream.resume());
  }
  return length === undefined && request.headers["transfer-encoding"] === undefined ? undefined : request;
}

/** The whole body, at most `maxBytes` of it. Rejects with `bodyUnreadable`. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> | Uint8Array {
  const body = bodyOf(request);
  if (!body) return nothing;
  const tooLong = Number(request.headers["content-length"] ?? 0) > maxBytes;
  const whole = tooLong
    ? Promise.reject(fail("bodyUnreadable", { why: `it is larger than ${maxBytes} bytes (--max-body-size)` }))
    : readWhole(body, maxBytes);
  return whole.catch(async (error: unknown) => {
    await discardRest(request, body);
    throw error;
  });
}

/** How long the rest of a body is waited for at most. */
const discardMs = 10_000;

/**
 * Throws away what still arrives, so that the caller gets to see the answer. On a connection that is kept this goes on
 * behind the answer; one that closes has to wait, as bytes that reach a closed connection reset it, answer and all.
 */
function discardRest(request: IncomingMessage, body: Readable): Promise<void> | undefined {
  body.resume();
  if (body.destroyed || body.readableEnded || !closesBehind(request)) return undefined;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, discardMs);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    body.once("end", done).once("close", done);
  });
}

/** Whether the connection ends with this request. */
function closesBehind({ httpVersion, headers: { connection = "" } }: IncomingMessage): boolean {
  if (httpVersion === "1.0") return !/\bkeep-alive\b/i.test(connection);
  return /\bclose\b/i.test(connection);
}
