import type { Clock } from "../../components/contract/driver.ts";
import { MechaError } from "../../specs/errors.ts";
import { pause } from "../kernel/clock.ts";
import type { CodeRange, RetryPolicy } from "../kernel/config-types.ts";
import type { PolicyCall } from "../kernel/policy.ts";

/** A retry policy with what the resource cannot say. */
export interface RetryPlan extends RetryPolicy {
  /** First pause of an exponential policy. */
  readonly initialIntervalMs: number;
  /** An exponential policy gives up when the next attempt would begin later than this after the first. */
  readonly maxElapsedMs: number;
}

/** Each pause is half as long again as the last one, and up to half of it shorter or longer by chance. */
const factor = 1.5;
const spread = 0.5;

/** A policy of a resource as a plan. */
export const toPlan = (policy: RetryPolicy): RetryPlan => ({
  ...policy,
  initialIntervalMs: 500,
  maxElapsedMs: 15 * 60_000,
});

/** Makes attempts until one succeeds or the plan ends. Keeps nothing between runs. */
export class Retry {
  readonly #plan: RetryPlan;
  readonly #clock: Clock;
  readonly #random: () => number;

  /** `random` gives numbers from 0 up to, not including, 1. */
  constructor(plan: RetryPlan, clock: Clock, random: () => number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Rejects with the last failure, or, when the caller leaves during a pause, with the reason of its signal.
   * `onRetry` is called once, before the first pause.
   */
  async run<T>(
    attempt: (count: number) => Promise<T>,
    call: PolicyCall | undefined,
    onRetry: (() => void) | undefined,
  ): Promise<T> {
    const pauses = new Pauses(this.#plan, this.#clock, this.#random);
    for (let count = 1; ; count++) {
      try {
        return await attempt(count);
      } catch (error) {
        if (call?.signal?.aborted || !this.#mayRetry(error, call)) throw error;
        const ms = pauses.next();
        if (ms === undefined) throw error;
        if (count === 1) onRetry?.();
        await pause(this.#clock, ms, call?.signal);
      }
    }
  }

  #mayRetry(error: unknown, call: PolicyCall | undefined): boolean {
    // An open breaker answers at once, every time; more attempts would only use up the plan.
    if (error instanceof MechaError && error.reason === "circuitOpen") return false;
    return matches(this.#plan, error) && (call?.retriable?.(error) ?? true);
  }
}

/**
 * Whether the policy's code ranges include the failure. A failure that carries both an HTTP status and a gRPC code
 * matches by either; one that carries none that the policy speaks of always matches.
 */
export function matches({ httpStatusCodes, grpcStatusCodes }: RetryPolicy, error: unknown): boolean {
  if (!httpStatusCodes && !grpcStatusCodes) return true;
  const { httpStatus, grpcCode } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly httpStatus?: unknown;
    readonly grpcCode?: unknown;
  };
  const byHttp = includes(httpStatusCodes, httpStatus);
  const byGrpc = includes(grpcStatusCodes, grpcCode);
  return byHttp === undefined && byGrpc === undefined ? true : byHttp === true || byGrpc === true;
}

/** Undefined: cannot be said. */
function includes(ranges: readonly CodeRange[] | undefined, code: unknown): boolean | undefined {
  if (!ranges || typeof code !== "number") return undefined;
  return ranges.some(({ from, to }) => code >= from && code <= to);
}

/** The pauses of one run. */
class Pauses {
  readonly #plan: RetryPlan;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #startedAt: number;
  #taken = 0;
  #intervalMs: number;

  constructor(plan: RetryPlan, clock: Clock, random: () => number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#random = random;
    this.#startedAt = clock.now();
    this.#intervalMs = Math.min(plan.initialIntervalMs, plan.maxIntervalMs);
  }

  /** Milliseconds until the next attempt; undefined: there is none. */
  next(): number | undefined {
    const { policy, durationMs, maxIntervalMs, maxRetries, maxElapsedMs } = this.#plan;
    if (maxRetries >= 0 && this.#taken >= maxRetries) return undefined;
    this.#taken++;
    if (policy === "constant") return durationMs;
    const ms = this.#intervalMs * (1 - spread + 2 * spread * this.#random());
    this.#intervalMs = Math.min(this.#intervalMs * factor, maxIntervalMs);
    const elapsed = this.#clock.now() - this.#startedAt;
    return elapsed + ms > maxElapsedMs ? undefined : ms;
  }
}
