import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure, Agent as SecureAgent } from "node:https";
import type { Clock } from "./driver.ts";

/** TLS of a client; certificates and keys are PEM texts. */
export interface ClientTls {
  /** Authorities to trust; default: those that Node knows. */
  readonly ca?: string | undefined;
  /** Certificate and key of the client, both or neither. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Name to ask for and to look for in the certificate; default: the host of the URL. */
  readonly serverName?: string | undefined;
  /** Take any certificate. */
  readonly insecure?: boolean | undefined;
}

export interface HttpClientOptions {
  readonly clock: Clock;
  readonly tls?: ClientTls;
  /** Longest wait for an answer, whole where it is read whole. */
  readonly timeoutMs: number;
  /** Longest answer that is read whole. */
  readonly maxBytes: number;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  /** Instead of the client's; for requests that the server answers late on purpose. */
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpStream extends Omit<HttpAnswer, "body"> {
  readonly body: AsyncIterable<Uint8Array>;
}

/** May be sent again when a connection that had been idle turns out to be dead. */
const repeatable: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE"]);

/**
 * HTTP/1.1 for drivers whose backend is an HTTP API: connections are kept and used again, answers are limited in time and
 * size, redirects are answers. Errors are Node's own, with their `code`; after `timeoutMs` the code is ETIMEDOUT.
 */
export class HttpClient {
  readonly #plain = new Agent({ keepAlive: true });
  readonly #secure: SecureAgent;
  readonly #options: HttpClientOptions;
  readonly #closing = new AbortController();

  constructor(options: HttpClientOptions) {
    const { ca, certificate, key, serverName, insecure = false } = options.tls ?? {};
    this.#options = options;
    this.#secure = new SecureAgent({
      keepAlive: true,
      rejectUnauthorized: !insecure,
      ...(ca ? { ca } : {}),
      ...(certificate ? { cert: certificate } : {}),
      ...(key ? { key } : {}),
      ...(serverName ? { servername: serverName } : {}),
    });
  }

  /** Sends, and reads the answer whole. Rejects with the signal's reason when it aborts. */
  send(request: HttpRequest, signal?: AbortSignal): Promise<HttpAnswer> {
    return this.#limited(request, signal, async (whole) => {
      const message = await this.#exchange(request, whole);
      return { ...headOf(message), body: await readBody(message, this.#options.maxBytes) };
    });
  }

  /** Sends, and gives the body as it comes; whoever receives it reads to the end or aborts `signal`. */
  async stream(request: HttpRequest, signal: AbortSignal): Promise<HttpStream> {
    const all = AbortSignal.any([signal, this.#closing.signal]);
    const message = await this.#limited(request, signal, (head) => {
      // The limit is one for the head; the body takes as long as it takes.
      const both = new AbortController();
      const end = () => both.abort(head.aborted ? head.reason : all.reason);
      head.addEventListener("abort", end, { once: true });
      all.addEventListener("abort", end, { once: true });
      if (all.aborted) end();
      return this.#exchange(request, both.signal).finally(() => head.removeEventListener("abort", end));
    });
    return { ...headOf(message), body: message };
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.#closing.abort(new Error("the component is closed"));
    this.#plain.destroy();
    this.#secure.destroy();
  }

  async #limited<T>(
    { timeoutMs = this.#options.timeoutMs }: HttpRequest,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const late = new AbortController();
    const cancel = this.#options.clock.after(timeoutMs, () => late.abort(new TimeoutError(timeoutMs)));
    const ends = AbortSignal.any([late.signal, this.#closing.signal, ...(signal ? [signal] : [])]);
    try {
      ends.throwIfAborted();
      return await work(ends);
    } catch (error) {
      throw ends.aborted ? ends.reason : error;
    } finally {
      cancel();
    }
  }

  async #exchange(request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#once(request, signal);
    } catch (error) {
      if (error instanceof StaleConnection && repeatable.has(request.method)) return await this.#once(request, signal);
      throw error instanceof StaleConnection ? error.cause : error;
    }
  }

  #once({ method, url, headers = {}, body }: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const isSecure = url.protocol === "https:";
      const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
      const options = { method, headers: { ...headers, ...length }, signal };
      const outgoing = isSecure
        ? requestSecure(url, { ...options, agent: this.#secure })
        : requestPlain(url, { ...options, agent: this.#plain });
      outgoing.once("response", resolve);
      outgoing.on("error", (error) => {
        const isStale = outgoing.reusedSocket && "code" in error && error.code === "ECONNRESET";
        reject(isStale ? new StaleConnection(error) : error);
      });
      outgoing.end(body);
    });
  }
}

/** The server had closed the connection before the request reached it. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

class TimeoutError extends Error {
  readonly code = "ETIMEDOUT";

  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

const headOf = ({ statusCode = 0, headers }: IncomingMessage) => ({ status: statusCode, headers });

async function readBody(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
