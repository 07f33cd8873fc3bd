// Finding the Node this project is pinned to, and continuing on it. Plain JavaScript for Node 20 and later:
// it runs before anything is installed and on whatever Node the user happens to have.
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * The exact version package.json pins, for example `24.21.0`; undefined where there is no package.json
 * (a shipped dist folder) or no pin.
 * @param {string} root the project folder
 * @returns {string | undefined}
 */
export function pinnedVersion(root) {
  try {
    return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies?.node;
  } catch {
    return undefined;
  }
}

/**
 * The program of the pinned Node, undefined when it is not installed. npm links it to node_modules/node/bin by an
 * install script, which some npm versions and settings skip; the program then lies in the platform's own package.
 * @param {string} root the project folder
 * @returns {string | undefined}
 */
export function findPinnedNode(root) {
  const windows = process.platform === "win32";
  const platform = `${windows ? "win" : process.platform}-${process.arch}`;
  const program = windows ? "node.exe" : "node";
  const packages = ["", `node-${platform}`, `node-bin-${platform}`];
  const folders = packages.flatMap((name) => (name === "" ? ["node"] : [join("node", "node_modules", name), name]));
  return folders.map((folder) => join(root, "node_modules", folder, "bin", program)).find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  // npm leaves a one-line text where the program could not be linked
  return found?.isFile() === true && found.size > 1_000_000;
}

/**
 * Whether one version is lower than another; both are plain `major.minor.patch`.
 * @param {string} version
 * @param {string} other
 */
export function isOlder(version, other) {
  const [left, right] = [version, other].map((text) => text.split(".").map(Number));
  for (let at = 0; at < 3; at++) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/**
 * Whether this process already is that program; without the question a broken install would restart for ever.
 * @param {string} program
 */
export function isRunning(program) {
  return realpathSync(process.execPath) === realpathSync(program);
}

/**
 * Replaces this process by `program`: same arguments, environment, terminal and exit code. Does not return.
 * Where the operating system or this Node cannot replace a process, a child runs and signals are handed on to it.
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<never>}
 */
export async function continueOn(program, args) {
  const { execve } = /** @type {{ execve?: (file: string, args: string[]) => never }} */ (process);
  if (execve !== undefined && process.platform !== "win32" && process.send === undefined) {
    // it warns that it is experimental, into a process that is about to vanish
    process.emitWarning = () => {};
    execve.call(process, program, [program, ...args]);
  }
  return runAsChild(program, args);
}

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<never>}
 */
async function runAsChild(program, args) {
  const { spawn } = await import("node:child_process");
  const child = spawn(program, args, { stdio: "inherit" });
  /** @type {NodeJS.Signals[]} */
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"];
  for (const signal of process.platform === "win32" ? signals.slice(0, 2) : signals) {
    process.on(signal, () => {
      // a terminal sends these to the whole group already, and a second one would cut a graceful stop short
      if (process.stdin.isTTY && (signal === "SIGINT" || signal === "SIGQUIT")) return;
      child.kill(signal);
    });
  }
  return new Promise((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (signal === null) process.exit(code ?? 1);
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  });
}
