/** One line of `npm run check` or `npm test`: a program, run from the project folder. */
export interface Step {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Why it cannot run here; it is then listed as skipped and does not fail the whole. */
  readonly skip?: string | undefined;
  /** A short phrase for the list once it is over, such as `12 passed`. */
  note?(): string;
}

export interface StepResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly seconds: number;
  /** Everything the program wrote, both streams in the order they came. */
  readonly output: string;
  /** What `Step.note` said, or why it was skipped; may be empty. */
  readonly note: string;
}
