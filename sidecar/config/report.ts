import type { Problem } from "../kernel/config-types.ts";

/** A problem before its severity is known. */
export type Finding = Omit<Problem, "severity">;

/**
 * Collects what is wrong with resource files. How bad a finding is depends on what happens next, and on `strict`,
 * which refuses whatever would otherwise be overlooked.
 */
export class Report {
  readonly problems: Problem[] = [];
  readonly #strict: boolean;

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  /** Something was passed over or put right, and the resource is used. */
  overlooked(finding: Finding): void {
    this.problems.push({ ...finding, severity: this.#strict ? "error" : "warning" });
  }

  /** The resource cannot be used and is left out. */
  skipped(finding: Finding): void {
    this.overlooked(finding);
  }

  /** Worth knowing, and never a reason to stop. */
  noted(finding: Finding): void {
    this.problems.push({ ...finding, severity: "warning" });
  }

  /** The sidecar cannot start. */
  fatal(finding: Finding): void {
    this.problems.push({ ...finding, severity: "error" });
  }
}
