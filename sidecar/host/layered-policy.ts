import type { Attempt, Policy, PolicyCall } from "../kernel/policy.ts";
import type { LayerNotes } from "./policy-metrics.ts";
import type { Retry } from "./retry.ts";
import type { TargetBreakers } from "./target-breakers.ts";
import { attemptWithin, type Timeout } from "./timeout.ts";

/** The layers of a policy, each absent where it does not apply. */
export interface Layers {
  readonly retry?: { readonly retry: Retry; readonly notes: LayerNotes | undefined } | undefined;
  readonly breakers?: TargetBreakers | undefined;
  readonly timeout?: (Timeout & { readonly notes: LayerNotes | undefined }) | undefined;
}

/** retry( circuit breaker( timeout( attempt ))). */
export class LayeredPolicy implements Policy {
  readonly retries: boolean;
  readonly #layers: Layers;

  constructor(layers: Layers) {
    this.#layers = layers;
    this.retries = layers.retry !== undefined;
  }

  run<T>(attempt: Attempt<T>, call?: PolicyCall): Promise<T> {
    if (call?.signal?.aborted) return Promise.reject(call.signal.reason);
    const { retry, timeout } = this.#layers;
    retry?.notes?.used();
    timeout?.notes?.used();
    const onLate = timeout?.notes && firstTime(timeout.notes.activated);
    if (!retry) return this.#guarded(attempt, 1, call, onLate);
    return retry.retry.run((count) => this.#guarded(attempt, count, call, onLate), call, retry.notes?.activated);
  }

  #guarded<T>(
    attempt: Attempt<T>,
    count: number,
    call: PolicyCall | undefined,
    onLate: (() => void) | undefined,
  ): Promise<T> {
    const { breakers } = this.#layers;
    if (!breakers) return this.#timed(attempt, count, call, onLate);
    return breakers.run(call?.method ?? "", () => this.#timed(attempt, count, call, onLate));
  }

  #timed<T>(
    attempt: Attempt<T>,
    count: number,
    call: PolicyCall | undefined,
    onLate: (() => void) | undefined,
  ): Promise<T> {
    const { timeout } = this.#layers;
    return timeout ? attemptWithin(timeout, attempt, count, call?.signal, onLate) : attempt(call?.signal, count);
  }
}

/** Activations are counted per run, however many of its attempts come too late. */
function firstTime(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}
