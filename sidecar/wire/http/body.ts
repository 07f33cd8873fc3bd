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
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) {
    body.resume();
    return Promise.reject(fail("bodyUnreadable", { why: `it is larger than ${maxBytes} bytes (--max-body-size)` }));
  }
  const whole = readWhole(body, maxBytes);
  // What still arrives is read and thrown away, so that the caller gets to see the answer.
  whole.catch(() => body.resume());
  return whole;
}
