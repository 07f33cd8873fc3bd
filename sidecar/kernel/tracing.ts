import type { Request } from "./request.ts";

/** Spans of the API's calls, on their way to where the Configuration resource sends them. */
export interface Tracing {
  /** Runs `handle` inside a span of the request; the request's trace becomes the span's. */
  span(
    name: string,
    request: Request,
    handle: () => Promise<number>,
    failed: (status: number) => boolean,
  ): Promise<number>;
  /** Sends what is waiting. Idempotent. */
  close(): Promise<void>;
}
