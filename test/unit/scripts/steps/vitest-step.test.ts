import { expect, test } from "vitest";
import { countReport } from "../../../../scripts/steps/vitest-step.ts";

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

test("tests are counted over all files; pending, to-do and skipped ones are skipped", () => {
  const testResults = [file("passed", "passed", "pending", "todo"), file("failed", "passed", "failed", "skipped")];
  expect(countReport({ testResults })).toEqual({ passed: 2, failed: 1, skipped: 3 });
});

test("a file that fails before its first test counts as one failure", () => {
  expect(countReport({ testResults: [file("failed")] })).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a file that fails in a hook after its tests passed counts as one failure", () => {
  expect(countReport({ testResults: [file("failed", "passed", "passed")] })).toEqual({
    passed: 2,
    failed: 1,
    skipped: 0,
  });
});
