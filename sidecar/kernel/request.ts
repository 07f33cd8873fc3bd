import { randomFillSync } from "node:crypto";
import type { Call } from "../../components/contract/driver.ts";

/** Header or metadata values by lower-case name. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** W3C trace context of one request. */
export interface Trace {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

/**
 * What a method knows of the call that runs it, whichever wire it came by.
 * Costly parts (signal, trace) are made when they are first asked for.
 */
export class Request implements Call {
  readonly wire: "http" | "grpc";
  readonly headers: Headers;
  /** Headers for the answer: HTTP headers, or gRPC initial metadata. */
  replyHeaders: Record<string, string> | undefined;
  /** Bytes of the caller's body or messages, as far as they were read here. */
  receivedBytes = 0;
  /** Bytes of the answer's body or messages so far. */
  sentBytes = 0;
  readonly #onAbort: (abort: () => void) => void;
  #signal: AbortSignal | undefined;
  #trace: Trace | undefined;
  #traced = false;

  /** `onAbort` calls its argument once when the caller has left. */
  constructor(wire: "http" | "grpc", headers: Headers, onAbort: (abort: () => void) => void) {
    this.wire = wire;
    this.headers = headers;
    this.#onAbort = onAbort;
  }

  /** What was called, as the caller wrote it: verb and path without the query; over gRPC the full name of the method. */
  get api(): string {
    return "";
  }

  /** Aborts when the caller has left before the answer was complete. */
  get signal(): AbortSignal {
    if (!this.#signal) {
      const controller = new AbortController();
      this.#signal = controller.signal;
      this.#onAbort(() => controller.abort());
    }
    return this.#signal;
  }

  /** First value of a header, by its lower-case name. */
  header(name: string): string | undefined {
    const value = this.headers[name];
    return typeof value === "string" ? value : value?.[0];
  }

  /** The trace context that the caller sent; undefined: none that is valid. */
  get callerTrace(): Trace | undefined {
    const traceparent = this.header("traceparent") ?? fromTraceBin(this.header("grpc-trace-bin"));
    return isTraceparent(traceparent) ? { traceparent, tracestate: this.header("tracestate") } : undefined;
  }

  /** The caller's trace context, or a new one. */
  get trace(): Trace {
    this.#trace ??= this.callerTrace ?? traceOf(undefined, undefined);
    return this.#trace;
  }

  /** The span that serves this request takes the caller's place. */
  set trace(trace: Trace) {
    this.#trace = trace;
    this.#traced = true;
  }

  /** The trace context that those who are called for this request should have; undefined: nobody traces. */
  get passedTrace(): Trace | undefined {
    return this.#traced ? this.trace : this.callerTrace;
  }

  /** Adds a header to the answer. */
  reply(name: string, value: string): void {
    this.replyHeaders ??= {};
    this.replyHeaders[name] = value;
  }
}

const w3c = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Whether a header has the form of W3C Trace Context, 3.2. */
export const isTraceparent = (text: string | undefined): text is string => text !== undefined && w3c.test(text);

/** The form that older gRPC libraries send, in base64: version 0, then three fields, each behind its number. */
const traceBin = /^0000([0-9a-f]{32})01([0-9a-f]{16})02([0-9a-f]{2})$/;

/** A traceparent from the binary form of OpenCensus; undefined when there is none or it is none. */
function fromTraceBin(base64: string | undefined): string | undefined {
  if (base64 === undefined) return undefined;
  const [, traceId, spanId, flags] = traceBin.exec(Buffer.from(base64, "base64").toString("hex")) ?? [];
  return traceId && `00-${traceId}-${spanId}-${flags}`;
}

/** A trace in the binary form of OpenCensus. */
export function toTraceBin({ traceparent }: Trace): Buffer {
  const [, traceId, spanId, flags] = traceparent.split("-");
  return Buffer.from(`0000${traceId}01${spanId}02${flags}`, "hex");
}

/** A valid traceparent is kept, anything else replaced by a new, unsampled one (W3C Trace Context 3.2). */
export function traceOf(traceparent: string | undefined, tracestate: string | undefined): Trace {
  if (isTraceparent(traceparent)) return { traceparent, tracestate };
  return { traceparent: `00-${randomHex(16)}-${randomHex(8)}-00`, tracestate: undefined };
}

// Asking for random bytes costs the same for 24 as for thousands, and every untraced request needs some.
const pool = Buffer.alloc(4096);
let used = pool.length;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString("hex", used - bytes, used);
}
