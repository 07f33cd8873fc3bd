import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findEntry } from "../../../../bin/launch.js";
import { bundle } from "../../../../scripts/build/bundle.ts";

let root: string;

const programs = { mecha: "sidecar/cli/mecha.ts", mechad: "sidecar/mechad.ts" };

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mecha-bundle-"));
  write("package.json", `{ "type": "module" }`);
  write("package-lock.json", "{}");
  write("node_modules/old/package.json", `{ "name": "old", "main": "main.js" }`);
  write("node_modules/old/main.js", `exports.sep = require("path").sep; exports.here = typeof __dirname;`);
  write("sidecar/cli/mecha.ts", `console.log("command" satisfies string);`);
  write(
    "sidecar/mechad.ts",
    `import { sep, here } from "old"; import { place } from "./kernel/place.ts";
     const { name } = await import("../components/redis/state.ts");
     console.log(sep, here, name, place);`,
  );
  write(
    "sidecar/kernel/place.ts",
    `export const place = [import.meta.dirname, import.meta.filename, import.meta.url].map((text) => text.length > 0)
       .concat(new URL("../../package.json", import.meta.url).pathname === ${JSON.stringify(`${root}/package.json`)});`,
  );
  write("components/redis/state.ts", `export const name = "state.redis";`);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const run = (path: string) => execFileSync(process.execPath, [path], { encoding: "utf8" }).trim();

test("a bundle runs, old libraries and source places included", async () => {
  const { build, bytes } = await bundle(root, programs);
  expect(run(join(root, "dist/mechad.js"))).toBe("/ string state.redis [ true, true, true, true ]");
  expect(run(join(root, "dist/mecha.js"))).toBe("command");
  expect(bytes).toBeGreaterThan(500);
  expect(Object.keys(build.inputs)).toEqual([
    "components/redis/state.ts",
    "package-lock.json",
    "sidecar/cli/mecha.ts",
    "sidecar/kernel/place.ts",
    "sidecar/mechad.ts",
  ]);
});

test("a library that is loaded when it is needed has the names that Node gives it", async () => {
  write("node_modules/late/package.json", `{ "name": "late", "main": "main.js" }`);
  write("node_modules/late/main.js", `module.exports.Agent = class Agent {}; module.exports.delete = 1;`);
  write("node_modules/modern/package.json", `{ "name": "modern", "type": "module", "exports": "./main.js" }`);
  write("node_modules/modern/main.js", `export const modern = 1; export default 2;`);
  write(
    "sidecar/mechad.ts",
    `const { Agent, delete: one, default: whole } = await import("late");
     const { modern, default: two } = await import("modern");
     console.log(new Agent() instanceof Agent, one, whole.delete, modern, two, (await import("node:path")).sep);`,
  );
  await bundle(root, programs);
  expect(run(join(root, "dist/mechad.js"))).toBe("true 1 1 1 2 /");
});

test("a driver is a file of its own, and a second build leaves nothing of the first", async () => {
  await bundle(root, programs);
  const first = readdirSync(join(root, "dist"));
  expect(first.filter((name) => /^state-.*\.js$/.test(name))).toHaveLength(1);
  write("components/redis/state.ts", `export const name = "state.changed";`);
  await bundle(root, programs);
  const second = readdirSync(join(root, "dist"));
  expect(second.filter((name) => /^state-.*\.js$/.test(name))).toHaveLength(1);
  expect(second).not.toEqual(first);
});

test("the bundle is used while every source is as it was built", async () => {
  expect(findEntry(root, "mechad")).toEqual({ path: join(root, "sidecar/mechad.ts"), built: false });
  await bundle(root, programs);
  expect(findEntry(root, "mechad")).toEqual({ path: join(root, "dist/mechad.js"), built: true });
  utimesSync(join(root, "sidecar/mechad.ts"), 1, 1);
  expect(findEntry(root, "mechad")?.built, "only the time changed").toBe(true);
  write("components/redis/state.ts", `export const name = "state.retis";`);
  expect(findEntry(root, "mechad")?.built, "the content changed, its size did not").toBe(false);
});

test("a source that was removed makes the bundle stale", async () => {
  await bundle(root, programs);
  rmSync(join(root, "components/redis/state.ts"));
  expect(findEntry(root, "mechad")?.built).toBe(false);
});

test("another lock file makes the bundle stale", async () => {
  await bundle(root, programs);
  write("package-lock.json", `{ "lockfileVersion": 3 }`);
  expect(findEntry(root, "mecha")?.built).toBe(false);
});

test("without sources the bundle is used as it is, and without either there is no program", async () => {
  await bundle(root, programs);
  rmSync(join(root, "sidecar"), { recursive: true });
  expect(findEntry(root, "mecha")).toEqual({ path: join(root, "dist/mecha.js"), built: true });
  rmSync(join(root, "dist"), { recursive: true });
  expect(findEntry(root, "mecha")).toBeUndefined();
});

test("a source that does not compile leaves no usable bundle", async () => {
  await bundle(root, programs);
  write("sidecar/mechad.ts", "const = 1;");
  await expect(bundle(root, programs)).rejects.toThrow(/mechad\.ts/);
  expect(findEntry(root, "mechad")?.built).toBe(false);
});
