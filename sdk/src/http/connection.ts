import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** A request as the shapes build it. */
export interface HttpSend {
  readonly verb: string;
  /** Encoded, with its leading slash. */
  readonly path: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** Encoded and without `?`, instead of `query`. */
  readonly rawQuery?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
}

/** An answer whose body is still to be read. */
export interface HttpCame {
  readonly status: number;
  /** Names as they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: IncomingMessage;
}

/** Shorter than the 5 s after which common servers close idle connections, so that none is used as it is being closed. */
const idleMs = 4_000;
/** What may be sent a second time without harm (RFC 9110 9.2.2). */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** An HTTP server and the connections that are kept open to it. */
export class HttpConnection {
  readonly #url: URL;
  readonly #agent: HttpAgent;

  /** `http:`, `https:` or `unix:/path`; the path of an HTTP URL goes before that of each request. */
  constructor(url: URL) {
    this.#url = url;
    const keep = { keepAlive: true, timeout: idleMs };
    this.#agent = url.protocol === "https:" ? new HttpsAgent(keep) : new HttpAgent(keep);
  }

  /** Resolves when status and headers are there. Rejects with the signal's reason, or with what the socket says. */
  async send(message: HttpSend, signal: AbortSignal): Promise<HttpCame> {
    try {
      return await this.#attempt(message, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return this.#attempt(message, signal);
    }
  }

  /** Cuts what is in flight. Idempotent. */
  close(): void {
    this.#agent.destroy();
  }

  #attempt(message: HttpSend, signal: AbortSignal): Promise<HttpCame> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const { verb, body } = message;
      const streams = typeof body === "object" && !(body instanceof Uint8Array);
      const request = (this.#url.protocol === "https:" ? requestHttps : requestHttp)({
        ...this.#place(message),
        agent: this.#agent,
        method: verb,
        headers: { ...message.headers, ...framing(body, verb) },
      });
      let came: IncomingMessage | undefined;
      const abort = () => (came ?? request).destroy(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      request.once("response", (response) => {
        came = response;
        resolve({ status: response.statusCode ?? 0, headers: pairs(response.rawHeaders), body: response });
      });
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (signal.aborted) return reject(signal.reason);
        // A stream is gone once it was sent, and what is not idempotent may have been done.
        const again = request.reusedSocket && error.code === "ECONNRESET" && idempotent.has(verb) && !streams;
        reject(again ? new StaleConnection() : error);
      });
      request.once("close", () => signal.removeEventListener("abort", abort));
      if (!streams) {
        request.end(body);
        return;
      }
      // An answer may come before the body has ended; a source that fails takes the request with it.
      pipeline(Readable.from(body, { objectMode: false }), request).catch((error) => request.destroy(error));
    });
  }

  #place({ path, query, rawQuery }: HttpSend) {
    const { protocol, hostname, port, pathname } = this.#url;
    const search = rawQuery ?? (query?.length ? new URLSearchParams(query.map(([...pair]) => pair)).toString() : "");
    const whole = search ? `${path}?${search}` : path;
    if (protocol === "unix:") return { socketPath: decodeURIComponent(pathname), path: whole };
    const base = pathname.replace(/\/$/, "");
    return { host: hostname.replace(/^\[|\]$/g, ""), port, path: base + whole };
  }
}

/** The server closed a kept connection while a request that can be sent again was on its way. */
class StaleConnection extends Error {}

/** Headers with exactly one framing of the body. */
function framing(body: HttpSend["body"], verb: string): Record<string, string | number> {
  if (typeof body === "string" || body instanceof Uint8Array) return { "content-length": Buffer.byteLength(body) };
  if (body !== undefined) return { "transfer-encoding": "chunked" };
  return verb === "POST" || verb === "PUT" || verb === "PATCH" ? { "content-length": 0 } : {};
}

function pairs(raw: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) found.push([raw[at] as string, raw[at + 1] as string]);
  return found;
}
