// Starts one of our two programs as fast as possible: from the bundle in dist/ while it matches the sources, else from
// the sources. Plain JavaScript for Node 20 and later, because it decides which Node the program runs on.
import { existsSync, readFileSync, statSync } from "node:fs";
import * as nodeModule from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { continueOn, findPinnedNode, isOlder, isRunning, pinnedVersion } from "./pinned-node.js";

/** The first Node that runs our sources and bundle; used where the pinned one is not installed. */
const oldestNode = "24.0.0";

/** Program → the file that runs it when imported. @type {Record<string, string>} */
export const sources = { mecha: "sidecar/cli/mecha.ts", mechad: "sidecar/mechad.ts" };

/**
 * What `npm run build` leaves in dist/build.json.
 * @typedef {object} Build
 * @property {string} hash over all inputs
 * @property {Record<string, string>} entries program → file in dist
 * @property {Record<string, [size: number, mtimeMs: number, hash: string]>} inputs path from the project folder
 */

/**
 * Runs `mecha` or `mechad` with this process's arguments.
 * @param {"mecha" | "mechad"} program
 * @param {string} [root] the project folder
 */
export async function launch(program, root = fileURLToPath(new URL("..", import.meta.url))) {
  await settleNode(root);
  const entry = findEntry(root, program);
  if (entry === undefined) {
    console.error(
      `${program}: neither dist/ nor ${sources[program]} is here; run \`npm run build\` or restore the sources`,
    );
    process.exit(1);
  }
  nodeModule.enableCompileCache?.(join(root, entry.built ? "dist/.compile-cache" : "node_modules/.cache/mecha"));
  await import(pathToFileURL(entry.path).href);
}

/** Leaves for the pinned Node when this one is older. @param {string} root */
async function settleNode(root) {
  const version = pinnedVersion(root) ?? oldestNode;
  if (!isOlder(process.versions.node, version)) return;
  const pinned = findPinnedNode(root);
  if (pinned !== undefined && !isRunning(pinned)) {
    await continueOn(pinned, [...process.execArgv, ...process.argv.slice(1)]);
  }
  if (!isOlder(process.versions.node, oldestNode)) return;
  console.error(
    `Node ${process.versions.node} is too old and Node ${version} is not installed here; ` +
      `run \`npm ci\` in ${root}, or start with Node ${oldestNode} or later`,
  );
  process.exit(1);
}

/**
 * The file to import for a program, undefined when there is none.
 * @param {string} root
 * @param {"mecha" | "mechad"} program
 * @returns {{ path: string, built: boolean } | undefined}
 */
export function findEntry(root, program) {
  const source = join(root, sources[program] ?? "");
  const hasSources = existsSync(source);
  const build = readBuild(root);
  const built = build?.entries[program];
  if (build !== undefined && built !== undefined && (!hasSources || isFresh(root, build))) {
    return { path: join(root, "dist", built), built: true };
  }
  return hasSources ? { path: source, built: false } : undefined;
}

/** @param {string} root @returns {Build | undefined} */
function readBuild(root) {
  try {
    return JSON.parse(readFileSync(join(root, "dist/build.json"), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Whether the bundle was made from the files as they are now. Size and time of each input answer in a millisecond or
 * two; only a file whose time alone differs (a fresh check-out, a touch) is read.
 * @param {string} root
 * @param {Build} build
 */
function isFresh(root, build) {
  return Object.entries(build.inputs).every(([path, [size, mtimeMs, hash]]) => {
    const found = statSync(`${root}/${path}`, { throwIfNoEntry: false });
    if (found === undefined || found.size !== size) return false;
    return found.mtimeMs === mtimeMs || fingerprint(`${root}/${path}`) === hash;
  });
}

/** A short hash of a file's content. @param {string} path */
export function fingerprint(path) {
  // loaded here because it costs 4 ms, and a start that finds nothing touched does not need it
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);
}
