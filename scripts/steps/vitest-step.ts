import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./run-steps.ts";
import type { Step } from "./step.ts";

/** A project of vitest.config.ts. */
export type Project = "unit" | "conformance" | "integration" | "e2e";

/** Numbers of single tests. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Skipped and to-do tests: those that were collected and not run. */
  readonly skipped: number;
}

/** The part of vitest's JSON report that is read here. */
interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const reportPath = (project: Project) => join(root, ".cache/test-results", `${project}.json`);

/** Runs one vitest project. `args` go to vitest: file filters, `-t name`, ... */
export function vitestStep(project: Project, args: readonly string[] = []): Step {
  const report = reportPath(project);
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return {
    name: project === "unit" ? "unit tests" : project,
    command: [process.execPath, vitest, "run", "--project", project, ...reporters, ...args],
    note: () => {
      const { passed, failed, skipped } = countTests(project);
      return [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`]
        .filter(Boolean)
        .join(", ");
    },
  };
}

/** What the last run of a project counted; all zero when it left no report. */
export function countTests(project: Project): Counts {
  let report: string;
  try {
    report = readFileSync(reportPath(project), "utf8");
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
  return countReport(JSON.parse(report) as Report);
}

/**
 * Counts a report of vitest's JSON reporter. A file that fails before its first test (an import that throws, a missing
 * service) counts as one failed test: it must not vanish from the numbers.
 */
export function countReport(report: Report): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of report.testResults) {
    for (const test of assertionResults) {
      counts[test.status === "passed" || test.status === "failed" ? test.status : "skipped"]++;
    }
    const named = assertionResults.some((test) => test.status === "failed");
    if (status === "failed" && !named) counts.failed++;
  }
  return counts;
}
