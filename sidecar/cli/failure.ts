/** What went wrong and what to do about it, for the person at the keyboard. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** What to do, as a clause. */
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(
    message: string,
    { hint, exitCode = 1, cause }: { hint?: string; exitCode?: number; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.hint = hint;
    this.exitCode = exitCode;
  }

  /** On one line: `no app with id x is running; running: a, b`. */
  get line(): string {
    return this.hint === undefined ? this.message : `${this.message}; ${this.hint}`;
  }
}

/** The command line itself is wrong. */
export const usageExitCode = 2;
