import { collectDefaultMetrics, Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

/** Counts one thing, its labels already bound. */
export type Count = (by?: number) => void;
/** Notes one value, its labels already bound. */
export type Observe = (value: number) => void;

/** The lines of one series in the text format. */
interface Series {
  readonly lines: () => string;
}

interface Family {
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly series: Series[];
}

/**
 * The sidecar's metrics. Names are given without the prefix `dapr_`. Binding labels is the costly part, so callers bind
 * once and keep what they get; bound series are also kept here, so that binding again is a look-up. A bound series is a
 * number or an array of them: noting a value on the request path costs nanoseconds, and the text is made when it is
 * asked for. The process's own metrics are prom-client's.
 */
export class Metrics {
  readonly #process = new Registry();
  readonly #buckets: readonly number[];
  readonly #common: Labels;
  readonly #families = new Map<string, Family>();
  readonly #bound = new Map<string, Count | Observe>();

  /** `common` labels are on every series; `latencyBucketsMs` are ascending upper bounds. */
  constructor(common: Labels, latencyBucketsMs: readonly number[]) {
    this.#common = common;
    this.#buckets = latencyBucketsMs;
    collectDefaultMetrics({ register: this.#process });
  }

  /** A counter with all its labels. */
  count(name: string, help: string, labels: Labels): Count {
    return this.#bind(name, help, "counter", labels, (shown) => {
      let total = 0;
      const count: Count = (by = 1) => {
        total += by;
      };
      return [count, () => `dapr_${name}${braces(shown)} ${total}\n`];
    });
  }

  /** A histogram of milliseconds with all its labels. */
  latency(name: string, help: string, labels: Labels): Observe {
    return this.#bind(name, help, "histogram", labels, (shown) => {
      const bounds = this.#buckets;
      const counts = new Float64Array(bounds.length + 1);
      let sum = 0;
      const observe: Observe = (value) => {
        sum += value;
        let i = 0;
        while (i < bounds.length && value > (bounds[i] as number)) i++;
        counts[i] = (counts[i] as number) + 1;
      };
      return [observe, () => histogramLines(`dapr_${name}`, shown, bounds, counts, sum)];
    });
  }

  /** A gauge that is set, with all its labels. */
  level(name: string, help: string, labels: Labels): Observe {
    return this.#bind(name, help, "gauge", labels, (shown) => {
      let now = 0;
      const set: Observe = (value) => {
        now = value;
      };
      return [set, () => `dapr_${name}${braces(shown)} ${now}\n`];
    });
  }

  /** The Prometheus text format. */
  async expose(): Promise<{ readonly contentType: string; readonly text: string }> {
    const own = [...this.#families].map(([name, { help, type, series }]) => {
      const lines = series.map((one) => one.lines()).join("");
      return `# HELP dapr_${name} ${help}\n# TYPE dapr_${name} ${type}\n${lines}`;
    });
    return { contentType: this.#process.contentType, text: `${own.join("\n")}\n${await this.#process.metrics()}` };
  }

  #bind<T extends Count | Observe>(
    name: string,
    help: string,
    type: Family["type"],
    labels: Labels,
    create: (shown: string) => readonly [T, () => string],
  ): T {
    const key = `${name} ${Object.entries(labels).sort().flat().join("\u0000")}`;
    const known = this.#bound.get(key);
    // The key holds the name, and a name has one type.
    if (known) return known as T;
    const [bound, lines] = create(shownLabels({ ...this.#common, ...labels }));
    const family = this.#families.get(name) ?? { help, type, series: [] };
    family.series.push({ lines });
    this.#families.set(name, family);
    this.#bound.set(key, bound);
    return bound;
  }
}

const escaped = (value: string): string => value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
const shownLabels = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");
const braces = (shown: string): string => (shown === "" ? "" : `{${shown}}`);

/** Buckets are cumulative in the text format. */
function histogramLines(
  name: string,
  shown: string,
  bounds: readonly number[],
  counts: Float64Array,
  sum: number,
): string {
  const labels = shown === "" ? "" : `${shown},`;
  let total = 0;
  let text = "";
  for (const [i, bound] of [...bounds, "+Inf"].entries()) {
    total += counts[i] as number;
    text += `${name}_bucket{${labels}le="${bound}"} ${total}\n`;
  }
  return `${text}${name}_sum${braces(shown)} ${sum}\n${name}_count${braces(shown)} ${total}\n`;
}
