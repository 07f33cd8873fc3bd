// Programs and services that tests need and a machine may lack. `npm test` names what was not run at its end; where
// everything must run (MECHA_REQUIRE_SERVICES=1, as in CI) a missing one fails the test file instead.
import { accessSync, appendFileSync, constants, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

/** Something that could not be tested here. */
export interface NotRun {
  /** The program, language or service, such as `go`. */
  readonly name: string;
  /** What is missing, in words that tell how to get it. */
  readonly why: string;
}

/** Where test processes leave word for the closing summary; one JSON object a line, as many processes write it. */
const ledger = resolve(import.meta.dirname, "../../.cache/not-run.jsonl");

/**
 * Finds a program on PATH. Use the answer to skip: `describe.skipIf(go === undefined)("the Go client", ...)`.
 * @returns its absolute path, or undefined after recording it as not run
 * @throws Error when it is missing and MECHA_REQUIRE_SERVICES=1
 */
export function requireTool(name: string): string | undefined {
  const found = findOnPath(name);
  if (found === undefined) reportNotRun(name, `${name} is not on PATH`);
  return found;
}

/**
 * Records that something could not be tested, for example because a client library cannot be installed offline.
 * @throws Error when MECHA_REQUIRE_SERVICES=1
 */
export function reportNotRun(name: string, why: string): void {
  if (process.env["MECHA_REQUIRE_SERVICES"] === "1") {
    throw new Error(
      `${why}; MECHA_REQUIRE_SERVICES=1 asks for it: install ${name}, or unset the variable to skip its tests`,
    );
  }
  mkdirSync(dirname(ledger), { recursive: true });
  appendFileSync(ledger, `${JSON.stringify({ name, why } satisfies NotRun)}\n`);
}

/** What has been recorded since `forgetNotRun`, each name once, in alphabetical order. */
export function readNotRun(): NotRun[] {
  let lines: string[];
  try {
    lines = readFileSync(ledger, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
  const entries = lines.map((line) => JSON.parse(line) as NotRun);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return [...byName.values()].sort((left, right) => left.name.localeCompare(right.name));
}

/** Starts a new record. */
export function forgetNotRun(): void {
  rmSync(ledger, { force: true });
}

function findOnPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  const suffixes = process.platform === "win32" ? [".exe", ".cmd", ".bat"] : [""];
  return folders.flatMap((folder) => suffixes.map((suffix) => join(folder, name + suffix))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
