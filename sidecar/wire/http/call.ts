import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import type { Incoming } from "../../kernel/exchange.ts";
import { headersOfRaw } from "../../kernel/headers.ts";
import type { HttpInput } from "../../kernel/method.ts";
import { type Headers, Request } from "../../kernel/request.ts";
import { bodyOf, readBody } from "./body.ts";
import { RoutedInput } from "./input.ts";
import { originForm } from "./path.ts";

/** One HTTP request with the place for its answer. */
export class HttpCall extends Request {
  readonly response: ServerResponse;
  readonly #req: FastifyRequest;

  constructor(req: FastifyRequest, response: ServerResponse) {
    super("http", req.raw.headers as Headers, (abort) => {
      response.once("close", () => {
        if (!response.writableFinished) abort();
      });
    });
    this.#req = req;
    this.response = response;
  }

  override get api(): string {
    const { method, raw } = this.#req;
    const url = originForm(this.#req.originalUrl ?? raw.url ?? "/");
    const cut = url.indexOf("?");
    return `${method} ${cut < 0 ? url : url.slice(0, cut)}`;
  }

  /** The request as the codec of `route` sees it, with its whole body. Rejects with `bodyUnreadable`. */
  read(route: string, maxBytes: number): HttpInput | Promise<HttpInput> {
    const body = readBody(this.#req.raw, maxBytes);
    return body instanceof Promise ? body.then((whole) => this.#input(route, whole)) : this.#input(route, body);
  }

  /** The same, its body still to be read. */
  streamed(route: string): HttpInput {
    return this.#input(route, undefined, bodyOf(this.#req.raw) ?? Readable.from([]));
  }

  #input(route: string, body: Uint8Array | undefined, stream?: Readable): HttpInput {
    const { raw, method, params } = this.#req;
    const url = raw.url ?? "/";
    const cut = url.indexOf("?");
    this.receivedBytes = body?.byteLength ?? announcedBytes(raw.headers["content-length"]);
    return new RoutedInput(
      method,
      route,
      params as Record<string, string>,
      this.headers,
      cut < 0 ? "" : url.slice(cut + 1),
      body,
      stream,
    );
  }

  /** The request as service invocation sees it; our own token stays here. */
  incoming(): Incoming {
    // From the raw list: several values stay apart, and what HTTP/2 adds with a colon is no header.
    const { "dapr-api-token": _, ...headers } = headersOfRaw(this.#req.raw.rawHeaders);
    const trace = this.passedTrace;
    if (trace) {
      headers["traceparent"] = trace.traceparent;
      if (trace.tracestate !== undefined) headers["tracestate"] = trace.tracestate;
    }
    this.receivedBytes = announcedBytes(this.#req.raw.headers["content-length"]);
    return {
      verb: this.#req.method,
      url: originForm(this.#req.originalUrl),
      headers,
      body: bodyOf(this.#req.raw),
      signal: this.signal,
      remoteAddress: this.#req.raw.socket.remoteAddress ?? "",
    };
  }
}

const announcedBytes = (length: string | undefined): number => Number(length ?? 0) || 0;
