import { isStream } from "../byte-stream.ts";
import { describe } from "../values.ts";

/**
 * An answer with a status of its own. A handler returns it, or throws it.
 *
 * @example
 * ```ts
 * import { type AppReply, reply } from "@mecha/sdk";
 *
 * const missing: AppReply = reply(404, { message: "no such order" });
 * const page: AppReply = reply(200, "<h1>Orders</h1>", { "content-type": "text/html" });
 * console.log(missing.status, page.headers);
 * ```
 */
export class AppReply {
  readonly status: number;
  /** With the content type of the body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;

  /** @internal */
  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    if (body === undefined) {
      this.headers = headers;
      this.body = undefined;
      return;
    }
    const given = headers["content-type"];
    const stream = isStream(body);
    const { bytes, contentType } = stream
      ? { bytes: body, contentType: given ?? "application/octet-stream" }
      : describe(body, given, "the answer");
    this.headers = { ...headers, "content-type": contentType };
    this.body = bytes;
  }
}

/**
 * Makes an answer. The body is a JSON value, a text, bytes, or bytes piece by piece; header names are in lower case.
 *
 * @example
 * ```ts
 * import { createApp, reply } from "@mecha/sdk";
 *
 * const orders = new Map([["1", { item: "apple" }]]);
 * createApp({
 *   invoke: { "GET orders/:id": ({ params }) => orders.get(params["id"] ?? "") ?? reply(404, { message: "no such order" }) },
 * });
 * ```
 */
export function reply(status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}): AppReply {
  return new AppReply(status, body, headers);
}

/** What a handler returned, as an answer: nothing is `empty`, anything else goes out with 200. */
export function toReply(result: unknown, empty: number): AppReply {
  if (result instanceof AppReply) return result;
  return new AppReply(result === undefined ? empty : 200, result);
}
