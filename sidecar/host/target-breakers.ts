import type { Clock, Log } from "../../components/contract/driver.ts";
import type { CircuitBreakerPolicy } from "../kernel/config-types.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import type { BreakerNotes } from "./policy-metrics.ts";
import { Recent } from "./recent.ts";
import type { Trip } from "./trip.ts";

export interface TargetBreakersParts {
  /** `app orders` or `component orders`. */
  readonly target: string;
  readonly policy: CircuitBreakerPolicy;
  readonly trip: Trip;
  /** Breakers kept at once; the one that was used last of all goes first. */
  readonly limit: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: BreakerNotes | undefined;
}

/** The circuit breakers of one target: one for all its calls, or one per method where calls name one. */
export class TargetBreakers {
  readonly #parts: TargetBreakersParts;
  readonly #recent: Recent<CircuitBreaker>;
  readonly #dropped = new WeakSet<CircuitBreaker>();

  constructor(parts: TargetBreakersParts) {
    this.#parts = parts;
    this.#recent = new Recent(
      parts.limit,
      (method) => this.#open(method),
      (breaker) => {
        this.#dropped.add(breaker);
        parts.notes?.removed(breaker.state);
      },
    );
  }

  run<T>(method: string, call: () => Promise<T>): Promise<T> {
    const breaker = this.#recent.get(method);
    this.#parts.notes?.used(breaker.state);
    return breaker.run(call);
  }

  #open(method: string): CircuitBreaker {
    const { policy, trip, clock, log, notes } = this.#parts;
    const target = method === "" ? this.#parts.target : `${this.#parts.target}:${method}`;
    const breaker: CircuitBreaker = new CircuitBreaker({
      target,
      policy,
      trip,
      clock,
      onChange: (from, to) => {
        if (to === "open")
          log.warn("a circuit breaker has opened; calls are refused", { target, forMs: policy.timeoutMs });
        if (to === "closed") log.info("a circuit breaker has closed", { target });
        if (!this.#dropped.has(breaker)) notes?.turned(from, to);
      },
    });
    notes?.added(breaker.state);
    return breaker;
  }
}
