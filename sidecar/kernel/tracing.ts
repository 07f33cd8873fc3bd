import type { Request, Trace } from "./request.ts";

/** A span that has begun. */
export interface OpenSpan {
  /** For those who are called inside it. */
  readonly trace: Trace;
  /** Ends it, with the status that was answered and, where it failed, why. */
  end(outcome: { readonly status?: string; readonly failed?: boolean; readonly error?: unknown }): void;
}

export interface SpanStart {
  /** Absent: it begins a trace, and the sampling rate decides. */
  readonly parent: Trace | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Spans on their way to where the Configuration resource sends them. */
export interface Tracing {
  /** Begins a span of work that is no call of the API. */
  start(name: string, start: SpanStart): OpenSpan;
  /** Runs `handle` inside a span of a call of the API; the request's trace becomes the span's. */
  span(
    name: string,
    request: Request,
    handle: () => Promise<number>,
    failed: (status: number) => boolean,
  ): Promise<number>;
  /** Sends what is waiting. Idempotent. */
  close(): Promise<void>;
}
