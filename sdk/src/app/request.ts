import { ByteStream } from "../byte-stream.ts";
import { AppReply } from "./reply.ts";

/** What a request brings with it, before anything of its body is read. */
export interface RequestParts {
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}

/**
 * A request to a handler of this app.
 *
 * @example
 * ```ts
 * import { type AppRequest, createApp } from "@mecha/sdk";
 *
 * async function addOrder(request: AppRequest) {
 *   const order = await request.json<{ item: string }>();
 *   return { id: request.params["id"], item: order.item, from: request.callerAppId };
 * }
 * createApp({ invoke: { "PUT orders/:id": addOrder } });
 * ```
 */
export class AppRequest {
  /** In capitals. */
  readonly verb: string;
  /** As it was sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case; several values of one name are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded parts of the path: `:name`, and `*` for its rest. */
  readonly params: Readonly<Record<string, string>>;
  /** As it arrives, of any length; can be read once, here or by the methods below. */
  readonly body: ByteStream;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
  readonly #maxBodyBytes: number;

  /** @internal */
  constructor({ verb, path, query, headers, params, body, maxBodyBytes, signal }: RequestParts) {
    this.verb = verb;
    this.path = path;
    this.query = query;
    this.headers = headers;
    this.params = params;
    this.body = new ByteStream(body);
    this.signal = signal;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** The app that calls; undefined when it is not another app. */
  get callerAppId(): string | undefined {
    return this.headers["dapr-caller-app-id"];
  }

  /** The body in memory. A body over the app's `maxBodyBytes` is answered 413. */
  async bytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.body) {
      length += chunk.byteLength;
      if (length > this.#maxBodyBytes) throw refuse(413, `the body is over ${this.#maxBodyBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** The body as UTF-8. */
  async text(): Promise<string> {
    return (await this.bytes()).toString();
  }

  /** The body as JSON; undefined when it is empty. A body that is none is answered 400. */
  async json<T = unknown>(): Promise<T> {
    const text = await this.text();
    try {
      // What the body holds is the caller's word.
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      throw refuse(400, `the body is not JSON: ${(error as Error).message}`);
    }
  }
}

/** An answer that is thrown, because the request cannot be served. */
export const refuse = (status: number, message: string): AppReply => new AppReply(status, { message });
