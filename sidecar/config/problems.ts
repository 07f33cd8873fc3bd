import type { Problem } from "../kernel/config-types.ts";

/**
 * A problem on one line, as a compiler would write it:
 * `components/state.yaml:12: spec.metadata[0].nmae: unknown key; did you mean "name"?`
 */
export function formatProblem(problem: Problem): string {
  const parts: string[] = [];
  if (problem.flag !== undefined) parts.push(`--${problem.flag}: `);
  if (problem.file !== undefined) {
    const column = problem.column !== undefined && problem.keyPath === undefined ? `:${problem.column}` : "";
    parts.push(`${problem.file}${problem.line === undefined ? "" : `:${problem.line}${column}`}: `);
  }
  if (problem.keyPath) parts.push(`${problem.keyPath}: `);
  parts.push(problem.message);
  if (problem.hint !== undefined) parts.push(`; ${problem.hint}`);
  return parts.join("");
}

/** Start-up cannot go on. The message lists every problem of severity `error`, one per line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** All problems, warnings too. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.filter(isError).map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

export function isError(problem: Problem): boolean {
  return problem.severity === "error";
}
