import { type ByteStream, isStream } from "../byte-stream.ts";
import { type CallOptions, callOf } from "../call.ts";
import type { InvocationAnswer, Transport } from "../transport.ts";
import { describe } from "../values.ts";

/**
 * What is sent to another app.
 *
 * @example
 * ```ts
 * import { createClient, type InvokeOptions } from "@mecha/sdk";
 *
 * const options: InvokeOptions = { verb: "PUT", body: { count: 3 }, query: { notify: "true" }, headers: { "x-tenant": "1" } };
 * await createClient().invoke("shop", "orders/1", options);
 * ```
 */
export interface InvokeOptions extends CallOptions {
  /** Default `GET`, with a body `POST`. */
  readonly verb?: string | undefined;
  /** A JSON value, a text, bytes, or bytes piece by piece (which gRPC collects first). */
  readonly body?: unknown;
  /** Default: `application/json`, `text/plain` for a text, `application/octet-stream` for bytes. */
  readonly contentType?: string | undefined;
  /** Goes after `?`, besides what the path has. */
  readonly query?: Readonly<Record<string, string>> | URLSearchParams | undefined;
}

/**
 * What the other app answered, with a status below 400 (over gRPC below 300: it has no redirects).
 *
 * @example
 * ```ts
 * import { createClient, type InvokeResponse } from "@mecha/sdk";
 *
 * const response: InvokeResponse = await createClient().invoke("shop", "report", { timeoutMs: 0 });
 * console.log(response.status, response.headers["content-type"]);
 * for await (const chunk of response.body) process.stdout.write(chunk);
 * ```
 */
export class InvokeResponse {
  readonly status: number;
  /** Names in lower case; several values of one name are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** As it arrives; can be read once, here or by the methods below. */
  readonly body: ByteStream;

  /** @internal */
  constructor({ status, headers, body }: InvocationAnswer) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** The body as JSON; undefined when it is empty. */
  async json<T = unknown>(): Promise<T> {
    const text = await this.body.text();
    // An app that answers nothing is asked for `void` or `undefined`.
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The body as UTF-8. */
  text(): Promise<string> {
    return this.body.text();
  }

  /** The body in memory. */
  bytes(): Promise<Uint8Array> {
    return this.body.bytes();
  }
}

/** Calls a method of another app. */
export async function invoke(
  transport: Transport,
  appId: string,
  method: string,
  options: InvokeOptions,
): Promise<InvokeResponse> {
  const { headers = {}, ...call } = callOf(options);
  const [path = "", search = ""] = splitOnce(method.replace(/^\/+/, ""), "?");
  const query = new URLSearchParams(options.query).toString();
  const body = toBody(options);
  const invocation = {
    appId,
    method: path,
    verb: options.verb?.toUpperCase() ?? (body.body === undefined ? "GET" : "POST"),
    query: [search, query].filter((part) => part !== "").join("&"),
    headers,
    ...body,
  };
  return new InvokeResponse(await transport.invoke(invocation, call));
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function toBody({ body, contentType }: InvokeOptions): {
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  contentType: string | undefined;
} {
  if (body === undefined) return { body, contentType };
  if (isStream(body)) return { body, contentType: contentType ?? "application/octet-stream" };
  const described = describe(body, contentType, "the body");
  return { body: described.bytes, contentType: described.contentType };
}
