import type { Count, Metrics, Observe } from "../kernel/metrics.ts";
import type { BreakerState } from "./circuit-breaker.ts";
import type { Direction } from "./policy-names.ts";

/** What a policy protects, as labels. */
export interface TargetLabels {
  readonly namespace: string;
  readonly direction: Direction;
  /** `app_orders`, `component_orders`, or the name of a built-in policy. */
  readonly target: string;
}

/** A layer of a policy at one target. */
export interface LayerNotes {
  /** A call went through it. */
  readonly used: Count;
  /** It did something. */
  readonly activated: Count;
}

/** Counts of a timeout or a retry. `resource` is the one that declares the policy; empty: it is built in. */
export function layerNotes(
  metrics: Metrics | undefined,
  policy: "timeout" | "retry",
  resource: string,
  { namespace, direction, target }: TargetLabels,
): LayerNotes | undefined {
  if (!metrics) return undefined;
  const labels = { name: resource, policy, namespace, flow_direction: direction, target, status: "" };
  return { used: countUsed(metrics, labels), activated: countActivated(metrics, labels) };
}

/** Counts of the breakers of one target, which may be many, in one series per state. */
export class BreakerNotes {
  readonly #series: Readonly<Record<BreakerState, LayerNotes & { readonly level: Observe }>>;
  readonly #breakers: Record<BreakerState, number> = { closed: 0, "half-open": 0, open: 0 };

  constructor(metrics: Metrics, resource: string, { namespace, direction, target }: TargetLabels) {
    const inState = (status: BreakerState) => {
      const labels = { name: resource, policy: "circuitbreaker", namespace, flow_direction: direction, target, status };
      const level = metrics.level("resiliency_cb_state", "Circuit breakers of the target in this state.", labels);
      // Without it, a state that was never reached would be missing instead of zero.
      level(0);
      return { used: countUsed(metrics, labels), activated: countActivated(metrics, labels), level };
    };
    this.#series = { closed: inState("closed"), "half-open": inState("half-open"), open: inState("open") };
  }

  used(state: BreakerState): void {
    this.#series[state].used();
  }

  added(state: BreakerState): void {
    this.#level(state, 1);
  }

  removed(state: BreakerState): void {
    this.#level(state, -1);
  }

  turned(from: BreakerState, to: BreakerState): void {
    this.#level(from, -1);
    this.#level(to, 1);
    this.#series[to].activated();
  }

  #level(state: BreakerState, by: number): void {
    this.#breakers[state] += by;
    this.#series[state].level(this.#breakers[state]);
  }
}

type Labels = Readonly<Record<string, string>>;

const countUsed = (metrics: Metrics, labels: Labels) =>
  metrics.count("resiliency_count", "Calls that went through a resiliency policy.", labels);

const countActivated = (metrics: Metrics, labels: Labels) =>
  metrics.count("resiliency_activations_total", "Times a resiliency policy stepped in.", labels);
