import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const project = resolve(import.meta.dirname, "../../..");
let root: string;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** A project with one dependency and a stand-in for npm that installs it, or fails as `failure` says. */
function makeProject(failure = ""): void {
  for (const path of ["scripts/bootstrap.js", "bin/pinned-node.js"]) cpSync(join(project, path), join(root, path));
  write("package.json", JSON.stringify({ type: "module", devDependencies: { node: process.versions.node } }));
  writeLock("1.0.0");
  write("scripts/check.ts", `console.log("checked", ...process.argv.slice(2) satisfies string[]);`);
  write(
    "npm-cli.js",
    `import { cpSync, mkdirSync, appendFileSync } from "node:fs";
     appendFileSync("npm.log", process.argv.slice(2).join(" ") + "\\n");
     if (${JSON.stringify(failure)}) { console.error(${JSON.stringify(failure)}); process.exit(1); }
     mkdirSync("node_modules/left", { recursive: true });
     cpSync("package-lock.json", "node_modules/.package-lock.json");`,
  );
}

function writeLock(version: string): void {
  const packages = {
    "": {},
    "node_modules/left": { version },
    "node_modules/elsewhere": { version, optional: true, os: ["none"] },
  };
  write("package-lock.json", JSON.stringify({ packages }));
}

function bootstrap(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "scripts/bootstrap.js"), ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, npm_execpath: join(root, "npm-cli.js") },
  });
  return { status, stdout, stderr };
}

const npmCalls = () =>
  existsSync(join(root, "npm.log")) ? readFileSync(join(root, "npm.log"), "utf8").split("\n").length - 1 : 0;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mecha-bootstrap-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("the first run installs, says so, and runs the task with its arguments", () => {
  makeProject();
  const { status, stdout } = bootstrap("check", "--", "--fast", "types");
  expect(stdout).toMatch(/^installing 1 packages \.\.\.\ninstalled 1 packages in \d+ s\nchecked --fast types\n$/);
  expect(status).toBe(0);
});

test("the second run installs nothing", () => {
  makeProject();
  bootstrap("check");
  expect(bootstrap("check", "types").stdout).toBe("checked types\n");
  expect(npmCalls()).toBe(1);
});

test("a changed lock file installs again", () => {
  makeProject();
  bootstrap("check");
  writeLock("2.0.0");
  expect(bootstrap("check").stdout).toContain("installed 1 packages");
  expect(npmCalls()).toBe(2);
});

test("packages installed by hand from the same lock file are accepted", () => {
  makeProject();
  write("node_modules/.package-lock.json", `{ "packages": { "node_modules/left": { "version": "1.0.0" } } }`);
  write("node_modules/left/package.json", "{}");
  expect(bootstrap("check").stdout).toBe("checked\n");
  expect(npmCalls()).toBe(0);
});

test.each([
  ["npm error code EUSAGE\nnpm error can only install when in sync", /lock.* does not match .*npm install/],
  ["npm error code ENOTFOUND", /registry cannot be reached/],
  ["npm error code ENOSPC", /disk is full/],
  ["npm error something else", /read npm's message/],
])("when npm says %j its words and a fix are shown and the task does not run", (said, fix) => {
  makeProject(said);
  const { status, stdout, stderr } = bootstrap("check");
  expect(status).toBe(1);
  expect(stdout).not.toContain("checked");
  expect(stderr).toContain(said);
  expect(stderr).toMatch(fix);
  expect(existsSync(join(root, "node_modules/.mecha-lock"))).toBe(false);
});

test("an unknown task is refused with the list of tasks", () => {
  makeProject();
  expect(bootstrap("chekc")).toMatchObject({ status: 1, stderr: expect.stringContaining("start, test, check") });
});

test("another Node than the pinned one continues on it", () => {
  makeProject();
  write("package.json", JSON.stringify({ type: "module", devDependencies: { node: "1.2.3" } }));
  write("scripts/check.ts", `console.log(process.argv0, ...process.argv.slice(2)); process.exitCode = 7;`);
  mkdirSync(join(root, "node_modules/node/bin"), { recursive: true });
  cpSync(process.execPath, join(root, "node_modules/node/bin/node"));
  const { status, stdout } = bootstrap("check", "--x");
  expect(stdout.trim().split("\n").at(-1)).toBe(`${join(root, "node_modules/node/bin/node")} --x`);
  expect(status).toBe(7);
});

test("a pinned Node that npm did not link is named with its fix", () => {
  makeProject();
  write("package.json", JSON.stringify({ type: "module", devDependencies: { node: "1.2.3" } }));
  const { status, stderr } = bootstrap("check");
  expect(status).toBe(1);
  expect(stderr).toMatch(/Node 1\.2\.3 is not in node_modules.*\n {2}fix: run `npm rebuild node/);
});
