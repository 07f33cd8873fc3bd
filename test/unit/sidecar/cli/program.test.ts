import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../../../sidecar/cli/program.ts";
import { version } from "../../../../sidecar/version.ts";
import { cliContext, runInside } from "../../../support/cli-context.ts";

const program = createProgram({ context: cliContext({ cwd: "/" }), exitCode: 0 });
const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
const pathOf = (command: Command): string[] => (command.parent ? [...pathOf(command.parent), command.name()] : []);
const paths = all(program).map(pathOf);

test("the commands are these", () => {
  expect(program.commands.map((command) => command.name())).toEqual([
    "run",
    "init",
    "lint",
    "list",
    "stop",
    "logs",
    "invoke",
    "publish",
    "state",
    "configuration",
    "subscriptions",
    "components",
    "completion",
    "version",
  ]);
});

test.each(paths)("the help of %j has a description and examples of that command", async (...path) => {
  const { code, stdout, stderr } = await runInside([...path, "--help"], { cwd: "/" });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^Usage: mecha/);
  const examples = /\nExamples:\n([\s\S]+)$/.exec(stdout)?.[1] ?? "";
  expect(
    examples.split("\n").filter((line) => line.includes(["mecha", ...path].join(" "))),
    stdout,
  ).not.toEqual([]);
});

test("commands that write data can write JSON", () => {
  const without = all(program).filter(
    (command) => command.commands.length === 0 && !command.options.some(({ long }) => long === "--json"),
  );
  expect(without.map((command) => pathOf(command).join(" "))).toEqual(["run", "completion"]);
});

test.each([
  [["lsit"], "mecha: unknown command 'lsit'\n(Did you mean list?)\n"],
  [["list", "--jsn"], "mecha: unknown option '--jsn'\n(Did you mean --json?)\n"],
  [["invoke", "orders"], "mecha: missing required argument 'method'\n"],
  [["version", "now"], "mecha: too many arguments for 'version'. Expected 0 arguments but got 1.\n"],
])("%j is a wrong command line and ends with code 2", async (args, stderr) => {
  expect(await runInside(args, { cwd: "/" })).toEqual({ code: 2, stdout: "", stderr });
});

test("without a command there is the help", async () => {
  const { code, stdout, stderr } = await runInside([], { cwd: "/" });
  expect(code).toBe(2);
  expect(stdout + stderr).toMatch(/Usage: mecha/);
});

test("the version is that of the package", async () => {
  expect(await runInside(["version"], { cwd: "/" })).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  expect(await runInside(["--version"], { cwd: "/" })).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  expect(JSON.parse((await runInside(["version", "--json"], { cwd: "/" })).stdout)).toMatchObject({
    version,
    node: process.version,
  });
});
