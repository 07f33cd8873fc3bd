import type { IncomingMessage } from "node:http";
import { fail } from "../../../specs/errors.ts";

const nothing = new Uint8Array(0);

/** Whether the request announces a body. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers["content-length"];
  if (length !== undefined) return length !== "0";
  // HTTP/2 needs neither header; an ended stream has no body.
  return request.headers["transfer-encoding"] !== undefined || (request.httpVersionMajor === 2 && !request.complete);
}

/** The whole body, at most `maxBytes` of it. Rejects with `bodyUnreadable`. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> | Uint8Array {
  if (!hasBody(request)) return nothing;
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) {
    // What still arrives is read and thrown away, so that the caller gets to see the answer.
    request.resume();
    return Promise.reject(tooLarge(maxBytes));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners("data");
        request.resume();
        reject(tooLarge(maxBytes));
      } else chunks.push(chunk);
    });
    request.once("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)));
    request.once("error", (error) => reject(fail("bodyUnreadable", { why: error.message }, { cause: error })));
    request.once("close", () => reject(fail("bodyUnreadable", { why: "the connection was closed before its end" })));
  });
}

const tooLarge = (maxBytes: number) =>
  fail("bodyUnreadable", { why: `it is larger than ${maxBytes} bytes (--max-body-size)` });
