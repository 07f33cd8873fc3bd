import { collectDefaultMetrics, Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

/** Rewrites values of labels of one metric, whose name is given with its prefix. */
export interface LabelRule {
  readonly name: string;
  readonly labels: readonly {
    readonly name: string;
    /** Pattern by what stands in place of a value that it matches. */
    readonly regex: Readonly<Record<string, string>>;
  }[];
}

/** Upper bounds of sizes, in bytes. */
const sizeBuckets = [
  1024, 2048, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456, 1_073_741_824,
  4_294_967_296,
];

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
  readonly #rewrite: (name: string, labels: Labels) => Labels;

  /** `common` labels are on every series; `latencyBucketsMs` are ascending upper bounds. */
  constructor(common: Labels, latencyBucketsMs: readonly number[], rules: readonly LabelRule[] = []) {
    this.#common = common;
    this.#buckets = latencyBucketsMs;
    this.#rewrite = rewriter(rules);
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
    return this.#histogram(name, help, labels, this.#buckets);
  }

  /** A histogram of bytes with all its labels. */
  size(name: string, help: string, labels: Labels): Observe {
    return this.#histogram(name, help, labels, sizeBuckets);
  }

  #histogram(name: string, help: string, labels: Labels, bounds: readonly number[]): Observe {
    return this.#bind(name, help, "histogram", labels, (shown) => {
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
    given: Labels,
    create: (shown: string) => readonly [T, () => string],
  ): T {
    const labels = this.#rewrite(name, given);
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

/** The first pattern that matches a value decides; patterns that cannot be read match nothing. */
function rewriter(rules: readonly LabelRule[]): (name: string, labels: Labels) => Labels {
  if (rules.length === 0) return (_, labels) => labels;
  const compiled = rules.map(({ name, labels }) => ({
    name,
    labels: labels.map((label) => ({
      name: label.name,
      patterns: Object.entries(label.regex).flatMap(([replacement, text]) => {
        const pattern = findPattern(text);
        return pattern ? [{ pattern, replacement }] : [];
      }),
    })),
  }));
  return (name, labels) => {
    let changed: Record<string, string> | undefined;
    for (const rule of compiled) {
      if (rule.name !== `dapr_${name}`) continue;
      for (const label of rule.labels) {
        const value = labels[label.name];
        const found = value === undefined ? undefined : label.patterns.find(({ pattern }) => pattern.test(value));
        if (found) changed = { ...labels, ...changed, [label.name]: found.replacement };
      }
    }
    return changed ?? labels;
  };
}

function findPattern(text: string): RegExp | undefined {
  try {
    return new RegExp(text);
  } catch {
    return undefined;
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
