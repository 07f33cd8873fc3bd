import { type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Buffer;
  /** The body as JSON. */
  json(): unknown;
}

export interface HttpAsk {
  /** GET unless given. */
  readonly verb?: string | undefined;
  /** Path and query, sent as they stand. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>> | undefined;
  readonly body?: string | Uint8Array | undefined;
}

/** Sends one request on its own connection. `at` is a port of this machine or the path of a Unix socket. */
export function callHttp(at: number | string, { verb = "GET", path, headers, body }: HttpAsk): Promise<HttpReply> {
  const where = typeof at === "number" ? { host: "127.0.0.1", port: at } : { socketPath: at };
  return new Promise((resolve, reject) => {
    const length = body === undefined ? undefined : { "content-length": String(Buffer.byteLength(body)) };
    const outgoing = request({ ...where, method: verb, path, agent: false, headers: { ...length, ...headers } });
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString();
        const status = response.statusCode ?? 0;
        resolve({ status, headers: response.headers, text, bytes, json: () => JSON.parse(text) as unknown });
      });
    });
    outgoing.end(body);
  });
}

/** A TCP connection whose bytes a test writes itself. */
export class RawConnection {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<void>;
  #wake = () => {};

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    // The server may cut the connection; whoever cares looks at `closed`.
    this.socket.on("error", () => {});
    this.#closed = new Promise((resolve) =>
      this.socket.once("close", () => {
        resolve();
        this.#wake();
      }),
    );
  }

  /** What has arrived so far; each byte one character. */
  get text(): string {
    return Buffer.concat(this.#chunks).toString("latin1");
  }

  write(bytes: string | Uint8Array): this {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** Resolves with all that has arrived as soon as that contains `part`, or when the connection is closed. */
  async until(part: string | RegExp): Promise<string> {
    while (this.text.search(part) < 0 && !this.socket.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.text;
  }

  /** Resolves with all that has arrived when the server has closed the connection. */
  async closed(): Promise<string> {
    await this.#closed;
    return this.text;
  }

  /** Cuts the connection. */
  destroy(): void {
    this.socket.destroy();
  }
}
