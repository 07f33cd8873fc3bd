import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runSteps } from "../../../../scripts/steps/run-steps.ts";
import type { Step } from "../../../../scripts/steps/step.ts";

const node = (name: string, code: string): Step => ({ name, command: [process.execPath, "--eval", code] });

let shown: string;

beforeEach(() => {
  shown = "";
  const collect = (text: unknown) => {
    shown += `${text}\n`;
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation((text) => collect(String(text).trimEnd()));
  vi.spyOn(console, "log").mockImplementation(collect);
});

afterEach(() => vi.restoreAllMocks());

test("the output of a step is shown only when it fails", async () => {
  const results = await runSteps(
    [node("good", "console.log('quiet words')"), node("bad", "console.error('loud words'); process.exit(3)")],
    2,
  );
  expect(results.map(({ name, status }) => [name, status])).toEqual([
    ["good", "passed"],
    ["bad", "failed"],
  ]);
  expect(shown).toContain("──── bad failed ────\nloud words");
  expect(shown).not.toContain("quiet words");
});

test("a failure does not stop the steps after it", async () => {
  const results = await runSteps([node("first", "process.exit(1)"), node("second", "")], 1);
  expect(results.map(({ status }) => status)).toEqual(["failed", "passed"]);
});

test("a step that cannot run here is listed with its reason and fails nothing", async () => {
  const results = await runSteps([{ ...node("later", "process.exit(1)"), skip: "nothing to do yet" }], 1);
  expect(results).toMatchObject([{ status: "skipped", note: "nothing to do yet" }]);
  expect(shown).toContain("- later");
});

test("a program that does not exist fails with its name", async () => {
  const results = await runSteps([{ name: "lost", command: ["no-such-program"] }], 1);
  expect(results).toMatchObject([{ status: "failed" }]);
  expect(shown).toContain("cannot run no-such-program");
});

test("a program that a signal ends has failed", async () => {
  const results = await runSteps([node("killed", "process.kill(process.pid, 'SIGKILL')")], 1);
  expect(results).toMatchObject([{ status: "failed", output: expect.stringContaining("SIGKILL") }]);
});
