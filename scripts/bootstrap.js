// `node scripts/bootstrap.js <task> [args]`: what every npm script goes through. It installs the dependencies when they
// are missing or older than package-lock.json, then runs the task on the pinned Node. Plain JavaScript for Node 20 and
// later with nothing installed; when there is nothing to do it costs a few milliseconds.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { continueOn, findPinnedNode, isOlder, isRunning, pinnedVersion } from "../bin/pinned-node.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const stampPath = join(root, "node_modules/.mecha-lock");
const lockPath = join(root, "package-lock.json");

/** The first Node this file itself runs on. */
const oldestNode = "20.0.0";

const tasks = ["start", "test", "check", "bench", "build", "generate", "services"];

/**
 * One package in a lock file, as far as it matters here.
 * @typedef {object} Locked
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {boolean} [link]
 * @property {string[]} [os]
 * @property {string[]} [cpu]
 */

const [task = "", ...rest] = process.argv.slice(2);
const args = rest[0] === "--" ? rest.slice(1) : rest;

if (isOlder(process.versions.node, oldestNode)) {
  fail(`Node ${process.versions.node} is too old to begin with`, `install Node ${oldestNode} or later`);
}
if (!tasks.includes(task)) {
  fail(task === "" ? "no task was named" : `there is no task \`${task}\``, `the tasks are ${tasks.join(", ")}`);
}
if (!existsSync(join(root, `scripts/${task}.ts`))) {
  fail(`scripts/${task}.ts is missing`, "restore it, for example from version control");
}
await ensureInstalled();
await runTask(join(root, `scripts/${task}.ts`));

/**
 * @param {string} problem
 * @param {string} fix
 * @returns {never}
 */
function fail(problem, fix) {
  console.error(`${problem}\n  fix: ${fix}`);
  process.exit(1);
}

async function ensureInstalled() {
  if (!existsSync(lockPath)) fail("package-lock.json is missing", "restore it, or run `npm install` to make a new one");
  const lock = readFileSync(lockPath, "utf8");
  const hash = createHash("sha256").update(lock).digest("hex");
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === hash) return;
  const wanted = /** @type {Record<string, Locked>} */ (JSON.parse(lock).packages);
  if (!isInstalled(wanted)) await install(countPackages(wanted));
  writeFileSync(stampPath, hash);
}

/**
 * Whether npm's own record of node_modules agrees with the lock file: true after `npm install` by hand, which needs no
 * second installation. Optional packages of other platforms are rightly absent.
 * @param {Record<string, Locked>} wanted
 */
function isInstalled(wanted) {
  const recordPath = join(root, "node_modules/.package-lock.json");
  if (!existsSync(recordPath)) return false;
  const present = /** @type {Record<string, Locked>} */ (JSON.parse(readFileSync(recordPath, "utf8")).packages);
  return Object.entries(wanted).every(([path, { version, integrity, optional, link }]) => {
    if (!path.startsWith("node_modules/") || link) return true;
    const found = present[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity && existsSync(join(root, path));
  });
}

/** How many of them npm will install on this platform. @param {Record<string, Locked>} wanted */
function countPackages(wanted) {
  return Object.entries(wanted).filter(([path, { link, os, cpu }]) => {
    const fits =
      (os ?? [process.platform]).includes(process.platform) && (cpu ?? [process.arch]).includes(process.arch);
    return path.startsWith("node_modules/") && !link && fits;
  }).length;
}

/** Runs `npm ci`, showing only that it goes on; npm's own words appear when it fails. @param {number} count */
async function install(count) {
  const started = Date.now();
  const elapsed = () => `${((Date.now() - started) / 1000).toFixed(0)} s`;
  const live = process.stdout.isTTY === true;
  process.stdout.write(`installing ${count} packages ...${live ? "" : "\n"}`);
  const ticker = setInterval(
    () =>
      process.stdout.write(
        live ? `\rinstalling ${count} packages ... ${elapsed()}` : `  still installing, ${elapsed()}\n`,
      ),
    live ? 1000 : 30_000,
  );
  const { code, output } = await npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  clearInterval(ticker);
  if (live) process.stdout.write("\r\x1b[K");
  if (code !== 0) {
    console.error(output.trim());
    fail(`npm ci failed after ${elapsed()}`, hintFor(output));
  }
  console.log(`installed ${count} packages in ${elapsed()}`);
}

/** @param {string} output what npm said */
function hintFor(output) {
  if (/EUSAGE|in sync/.test(output)) {
    return "package-lock.json does not match package.json: run `npm install` and commit the lock file";
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.test(output)) {
    return "the package registry cannot be reached: connect, or check `npm config get registry` and proxy, and run again";
  }
  if (/ENOSPC/.test(output)) return "the disk is full: make room (about 1 GB) and run again";
  if (/EACCES|EPERM/.test(output)) return "node_modules cannot be written: check who owns it and run again";
  if (/ENOENT.*npm/.test(output)) return "npm is not on PATH: install it with Node and run again";
  return "read npm's message above and run again";
}

/**
 * @param {string[]} words
 * @returns {Promise<{ code: number, output: string }>}
 */
function npm(words) {
  const running = process.env["npm_execpath"];
  const known = running !== undefined && basename(running).startsWith("npm-cli") && existsSync(running);
  const child = known
    ? spawn(process.execPath, [running, ...words], { cwd: root })
    : spawn("npm", words, { cwd: root, shell: process.platform === "win32" });
  return new Promise((resolve) => {
    let output = "";
    const collect = (/** @type {Buffer} */ chunk) => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", (error) => resolve({ code: 1, output: String(error) }));
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Runs the task in this process if this is the pinned Node, else on it. @param {string} script */
async function runTask(script) {
  const version = pinnedVersion(root) ?? process.versions.node;
  if (process.versions.node !== version) {
    const pinned = findPinnedNode(root) ?? (await linkPinnedNode(version));
    if (!isRunning(pinned)) await continueOn(pinned, [script, ...args]);
  }
  process.argv = [process.execPath, script, ...args];
  await import(pathToFileURL(script).href);
}

/**
 * npm did not run the install script of the package `node`, which fetches the program for this platform: do it here.
 * @param {string} version
 */
async function linkPinnedNode(version) {
  const installer = join(root, "node_modules/node/installArchSpecificPackage.js");
  if (existsSync(installer)) {
    console.log(`installing Node ${version} ...`);
    const cwd = join(root, "node_modules/node");
    const child = spawn(process.execPath, [installer], { cwd, stdio: "ignore" });
    await new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  }
  const pinned = findPinnedNode(root);
  if (pinned !== undefined) return pinned;
  return fail(
    `Node ${version} is not in node_modules, because npm skipped the install script of the package \`node\``,
    "run `npm rebuild node --ignore-scripts=false`; without a connection, put that Node first on PATH",
  );
}
