import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findPinnedNode, isOlder, isRunning, pinnedVersion } from "../../../bin/pinned-node.js";

let root: string;
const platform = `${process.platform}-${process.arch}`;

/** A file as large as a program, without content. */
function program(path: string): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, "");
  truncateSync(full, 2_000_000);
  return full;
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mecha-node-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("versions are compared by number, not by letter", () => {
  expect(isOlder("9.0.0", "24.0.0")).toBe(true);
  expect(isOlder("24.9.0", "24.21.0")).toBe(true);
  expect(isOlder("24.21.0", "24.21.0")).toBe(false);
  expect(isOlder("26.0.0", "24.21.0")).toBe(false);
});

test("the pinned version is the one package.json names", () => {
  expect(pinnedVersion(root)).toBeUndefined();
  writeFileSync(join(root, "package.json"), `{ "devDependencies": { "node": "24.21.0" } }`);
  expect(pinnedVersion(root)).toBe("24.21.0");
});

test.each([
  "node_modules/node/bin/node",
  `node_modules/node/node_modules/node-${platform}/bin/node`,
  `node_modules/node-${platform}/bin/node`,
  `node_modules/node-bin-${platform}/bin/node`,
])("the pinned Node is found in %s", (path) => {
  const full = program(path);
  expect(findPinnedNode(root)).toBe(full);
});

test("the text npm leaves in place of a program it could not link is not taken for one", () => {
  mkdirSync(join(root, "node_modules/node/bin"), { recursive: true });
  writeFileSync(join(root, "node_modules/node/bin/node"), "This file intentionally left blank");
  expect(findPinnedNode(root)).toBeUndefined();
});

test("a process knows the program it runs on", () => {
  expect(isRunning(process.execPath)).toBe(true);
  expect(isRunning(program("node"))).toBe(false);
});

test.each([
  ["as a replacement", ""],
  ["as a child", "process.execve = undefined;"],
])("the other Node takes signals and gives its exit code, %s", async (_, before) => {
  const pinned = resolve(import.meta.dirname, "../../../bin/pinned-node.js");
  const app = join(root, "app.mjs");
  writeFileSync(app, `process.on("SIGTERM", () => process.exit(42)); setInterval(() => {}, 1e6); console.log("up");`);
  const code = `${before} const { continueOn } = await import(${JSON.stringify(pinned)});
    await continueOn(process.execPath, [${JSON.stringify(app)}]);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((done) => child.once("exit", (...result) => done(result)));
  await new Promise((up) => child.stdout.once("data", up));
  child.kill("SIGTERM");
  expect(await ended).toEqual([42, null]);
});
