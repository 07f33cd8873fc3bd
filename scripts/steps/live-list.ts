import type { Step, StepResult } from "./step.ts";

type State = { status: "waiting" } | { status: "running"; since: number } | StepResult;

const marks = { waiting: "·", running: "▸", passed: "✓", failed: "✗", skipped: "-" };
const colors = { waiting: 90, running: 36, passed: 32, failed: 31, skipped: 33 };

/**
 * The list of steps while they run. On a terminal it is redrawn in place with running times; elsewhere each step is
 * one line when it is over, so that a log shows progress and stays readable.
 */
export class LiveList {
  readonly #out: NodeJS.WriteStream;
  readonly #states = new Map<string, State>();
  readonly #width: number;
  #ticker: NodeJS.Timeout | undefined;
  #drawn = 0;

  constructor(steps: readonly Step[], out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    for (const { name } of steps) this.#states.set(name, { status: "waiting" });
    this.#width = Math.max(12, ...steps.map(({ name }) => name.length));
    if (!out.isTTY) return;
    this.#ticker = setInterval(() => this.#draw(), 200);
    this.#draw();
  }

  started(name: string): void {
    this.#states.set(name, { status: "running", since: performance.now() });
    if (this.#out.isTTY) this.#draw();
  }

  ended(result: StepResult): void {
    this.#states.set(result.name, result);
    if (this.#out.isTTY) this.#draw();
    else this.#out.write(`${this.#line(result.name, result)}\n`);
  }

  /** Leaves the list as it stands and stops redrawing. */
  close(): void {
    clearInterval(this.#ticker);
  }

  /** The whole list once more, for the end of a long output. */
  table(): string {
    return [...this.#states].map(([name, state]) => this.#line(name, state)).join("\n");
  }

  #draw(): void {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const lines = [...this.#states].map(([name, state]) => `\x1b[2K${this.#line(name, state)}\n`);
    this.#out.write(up + lines.join(""));
    this.#drawn = lines.length;
  }

  #line(name: string, state: State): string {
    const color = (text: string) => (this.#out.isTTY ? `\x1b[${colors[state.status]}m${text}\x1b[0m` : text);
    const seconds =
      "seconds" in state ? state.seconds : "since" in state ? (performance.now() - state.since) / 1000 : 0;
    const time = state.status === "waiting" || state.status === "skipped" ? "" : `${seconds.toFixed(1)} s`;
    const note = "note" in state ? state.note : "";
    return `${color(marks[state.status])} ${name.padEnd(this.#width)} ${time.padStart(8)}  ${note}`.trimEnd();
  }
}
