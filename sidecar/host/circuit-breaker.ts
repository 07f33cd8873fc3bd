import type { Clock } from "../../components/contract/driver.ts";
import { fail } from "../../specs/errors.ts";
import type { CircuitBreakerPolicy } from "../kernel/config-types.ts";
import type { Counts, Trip } from "./trip.ts";

export type BreakerState = "closed" | "half-open" | "open";

/** Hears of each change of state, after it. */
export type OnBreakerChange = (from: BreakerState, to: BreakerState) => void;

export interface BreakerParts {
  /** What it protects, for the error: `component orders`. */
  readonly target: string;
  readonly policy: CircuitBreakerPolicy;
  readonly trip: Trip;
  readonly clock: Clock;
  readonly onChange: OnBreakerChange;
}

type MutableCounts = { -readonly [K in keyof Counts]: Counts[K] };

/**
 * Refuses calls of a target that keeps failing. Closed, it counts; when the counts trip it, it is open and refuses every
 * call for `timeoutMs`; then it is half open and lets `maxRequests` probes through: all of them succeed and it is closed,
 * one fails and it is open again. Every rejection is a failure, timeouts and cancellations included.
 * It sets no timer: the state is brought up to date when somebody calls.
 */
export class CircuitBreaker {
  readonly #parts: BreakerParts;
  #state: BreakerState = "closed";
  #counts = none();
  /** When the state or, of a closed breaker, its counts end. */
  #until: number;
  /** What began before the last change must not count after it. */
  #generation = 0;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
    this.#until = this.#endOfCounts();
  }

  get state(): BreakerState {
    return this.#state;
  }

  get counts(): Counts {
    return this.#counts;
  }

  /** Runs a call unless the breaker is open; then rejects with `circuitOpen`. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    const generation = this.#enter();
    let answer: T;
    try {
      answer = await call();
    } catch (error) {
      this.#leave(generation, false);
      throw error;
    }
    this.#leave(generation, true);
    return answer;
  }

  #enter(): number {
    this.#catchUp();
    const { target, policy } = this.#parts;
    const full = this.#state === "half-open" && this.#counts.requests >= policy.maxRequests;
    if (full || this.#state === "open") throw fail("circuitOpen", { target });
    this.#counts.requests++;
    return this.#generation;
  }

  #leave(generation: number, success: boolean): void {
    this.#catchUp();
    if (generation !== this.#generation) return;
    if (success) this.#succeeded();
    else this.#failed();
  }

  #succeeded(): void {
    const counts = this.#counts;
    counts.totalSuccesses++;
    counts.consecutiveSuccesses++;
    counts.consecutiveFailures = 0;
    if (this.#state === "half-open" && counts.consecutiveSuccesses >= this.#parts.policy.maxRequests)
      this.#turn("closed");
  }

  #failed(): void {
    const counts = this.#counts;
    counts.totalFailures++;
    counts.consecutiveFailures++;
    counts.consecutiveSuccesses = 0;
    if (this.#state === "half-open" || this.#parts.trip(counts)) this.#turn("open");
  }

  /** Ends what has ended since the last call. */
  #catchUp(): void {
    // Most breakers have nothing to wait for, and then need not ask for the time.
    if (this.#until === Number.POSITIVE_INFINITY || this.#parts.clock.now() < this.#until) return;
    if (this.#state === "open") this.#turn("half-open");
    else this.#begin(this.#endOfCounts());
  }

  #turn(to: BreakerState): void {
    const from = this.#state;
    this.#state = to;
    if (to === "closed") this.#begin(this.#endOfCounts());
    else this.#begin(to === "open" ? this.#parts.clock.now() + this.#parts.policy.timeoutMs : Number.POSITIVE_INFINITY);
    this.#parts.onChange(from, to);
  }

  #begin(until: number): void {
    this.#generation++;
    this.#counts = none();
    this.#until = until;
  }

  #endOfCounts(): number {
    const { policy, clock } = this.#parts;
    return policy.intervalMs > 0 ? clock.now() + policy.intervalMs : Number.POSITIVE_INFINITY;
  }
}

const none = (): MutableCounts => ({
  requests: 0,
  totalSuccesses: 0,
  totalFailures: 0,
  consecutiveSuccesses: 0,
  consecutiveFailures: 0,
});
