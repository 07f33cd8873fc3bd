import { Command } from "commander";
import { expect, test } from "vitest";
import { addSidecarOptions, spellOutSwitches } from "../../../../../sidecar/cli/run/sidecar-options.ts";
import { flags } from "../../../../../sidecar/config/flags.ts";

/** Reads a command line as `mecha run` does. */
function read(...args: string[]): { given: Record<string, readonly string[]>; words: string[] } {
  const program = new Command()
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const command = program.command("run").argument("[words...]").passThroughOptions().option("-f, --run-file <path>");
  const given = addSidecarOptions(command);
  let words: string[] = [];
  command.action((found: string[]) => {
    words = found;
  });
  program.parse(["run", ...spellOutSwitches(args, command.options)], { from: "user" });
  return { given: Object.fromEntries(given), words };
}

test("every flag of the sidecar can be given, but those that make no sense beside an app", () => {
  const command = new Command("run");
  addSidecarOptions(command);
  const names = command.options.map(({ long }) => long?.slice(2));
  const missing = Object.keys(flags).filter((name) => !names.includes(name));
  expect(missing.sort()).toEqual(["build-info", "help", "version", "wait"]);
});

test("flags stop at --, and at the first word of the command", () => {
  expect(read("--app-id", "a", "--", "node", "--app-id", "b")).toEqual({
    given: { "app-id": ["a"] },
    words: ["node", "--app-id", "b"],
  });
  expect(read("-p", "80", "node", "app.js", "--log-level", "x", "-d", "y")).toEqual({
    given: { "app-port": ["80"] },
    words: ["node", "app.js", "--log-level", "x", "-d", "y"],
  });
});

test("a bare switch does not take the command for its value", () => {
  expect(read("--embedded", "node", "app.js")).toEqual({ given: { embedded: ["true"] }, words: ["node", "app.js"] });
  expect(read("--enable-metrics=false", "node")).toEqual({ given: { "enable-metrics": ["false"] }, words: ["node"] });
  expect(read("--enable-metrics", "false", "node")).toEqual({
    given: { "enable-metrics": ["false"] },
    words: ["node"],
  });
  expect(read("--log-as-json", "--", "x", "--embedded")).toEqual({
    given: { "log-as-json": ["true"] },
    words: ["x", "--embedded"],
  });
});

test("lists add up, anything else counts once, and second names mean the same", () => {
  expect(read("-d", "a", "-d", "b,c", "--http-port", "1", "--dapr-http-port", "2", "--grpc-port=3").given).toEqual({
    "resources-path": ["a", "b,c"],
    "dapr-http-port": ["2"],
    "dapr-grpc-port": ["3"],
  });
});

test("a flag that does not exist is refused with one that does", () => {
  expect(() => read("--app-prot", "80")).toThrow(/unknown option '--app-prot'[\s\S]*Did you mean.*--app-port/);
});
