import { canceled, deadlineExceeded } from "./errors.ts";

/**
 * What every call takes besides its own arguments.
 *
 * @example
 * ```ts
 * import { type CallOptions, createClient } from "@mecha/sdk";
 *
 * const client = createClient();
 * const soon: CallOptions = { timeoutMs: 500, signal: AbortSignal.timeout(400), headers: { traceparent: "00-..." } };
 * await client.state("orders").get("1", soon);
 * ```
 */
export interface CallOptions {
  /** Gives the call up; it then rejects with code `canceled`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds until the call rejects with `deadline_exceeded`; 0: never. Default: that of the client, but none for
   * calls that stream.
   */
  readonly timeoutMs?: number | undefined;
  /** Sent along as HTTP headers or gRPC metadata; names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The end of a call that is on its way. */
export interface Deadline {
  /** Aborts with a MechaClientError as its reason. */
  readonly signal: AbortSignal;
  /** Lets go of the timer and of the caller's signal. Idempotent. */
  close(): void;
}

/** Joins the caller's signal and the time limit. `timeoutMs` 0: no limit. */
export function openDeadline(what: string, signal: AbortSignal | undefined, timeoutMs: number): Deadline {
  const controller = new AbortController();
  const leave = () => controller.abort(canceled(what, signal?.reason));
  if (signal?.aborted) leave();
  else signal?.addEventListener("abort", leave, { once: true });
  const expire = () => controller.abort(deadlineExceeded(what, timeoutMs));
  // The call's own connection keeps the process alive; an answer whose body nobody reads must not.
  const timer = timeoutMs > 0 ? setTimeout(expire, timeoutMs).unref() : undefined;
  return {
    signal: controller.signal,
    close() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    },
  };
}

/** The part of a method's options that the transport needs. */
export const callOf = ({ signal, timeoutMs, headers }: CallOptions): CallOptions => ({ signal, timeoutMs, headers });
