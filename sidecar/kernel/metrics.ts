import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

/** Counts one thing, its labels already bound. */
export type Count = (by?: number) => void;
/** Notes one value, its labels already bound. */
export type Observe = (value: number) => void;

/**
 * The sidecar's metrics. Names are given without the prefix `dapr_`. Binding labels is the costly part, so callers bind
 * once and keep what they get; bound series are also kept here, so that binding again is a look-up.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #latencyBuckets: number[];
  readonly #common: Labels;
  readonly #bound = new Map<string, Count | Observe>();

  constructor(common: Labels, latencyBucketsMs: readonly number[]) {
    this.#common = common;
    this.#latencyBuckets = [...latencyBucketsMs];
    collectDefaultMetrics({ register: this.#registry });
  }

  /** A counter with all its labels. */
  count(name: string, help: string, labels: Labels): Count {
    return this.#bind(name, labels, (all) => {
      const child = this.#series(name, () => this.#counter(name, help, Object.keys(all))).labels(all);
      return (by = 1) => child.inc(by);
    });
  }

  /** A histogram of milliseconds with all its labels. */
  latency(name: string, help: string, labels: Labels): Observe {
    return this.#bind(name, labels, (all) => {
      const child = this.#series(name, () => this.#histogram(name, help, Object.keys(all))).labels(all);
      return (value) => child.observe(value);
    });
  }

  /** A gauge that is set, with all its labels. */
  level(name: string, help: string, labels: Labels): Observe {
    return this.#bind(name, labels, (all) => {
      const child = this.#series(name, () => this.#gauge(name, help, Object.keys(all))).labels(all);
      return (value) => child.set(value);
    });
  }

  /** A gauge that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `dapr_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** The Prometheus text format. */
  async expose(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `dapr_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name: `dapr_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({
      name: `dapr_${name}`,
      help,
      labelNames,
      buckets: this.#latencyBuckets,
      registers: [this.#registry],
    });
  }

  #series<T>(name: string, create: () => T): T {
    return (this.#registry.getSingleMetric(`dapr_${name}`) as T | undefined) ?? create();
  }

  #bind<T extends Count | Observe>(name: string, labels: Labels, create: (all: Labels) => T): T {
    const key = `${name} ${Object.values(labels).join("\u0000")}`;
    const known = this.#bound.get(key);
    if (known) return known as T;
    const made = create({ ...this.#common, ...labels });
    this.#bound.set(key, made);
    return made;
  }
}
