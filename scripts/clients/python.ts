// The official Python SDK in a virtual environment of its own, below .cache/. `node scripts/clients/python.ts` makes it
// ahead of time; the tests make it when they need it.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runVisibly } from "./run-visibly.ts";

const root = resolve(import.meta.dirname, "../..");
const requirements = join(root, "test/integration/clients/python/requirements.txt");
const folder = join(root, ".cache/python");
const stamp = join(folder, "stamp");

/**
 * Installs the SDK unless the same versions are there for the same Python.
 * @param python the interpreter to make the environment with
 * @returns the environment's interpreter
 */
export async function installPython(python: string): Promise<string> {
  const bin = join(folder, process.platform === "win32" ? "Scripts" : "bin");
  const interpreter = join(bin, "python");
  const version = execFileSync(python, ["--version"], { encoding: "utf8" }).trim();
  const wanted = `${version}\n${readFileSync(requirements, "utf8")}`;
  if (readStamp() === wanted) return interpreter;
  rmSync(folder, { recursive: true, force: true });
  await runVisibly(`Python environment (${version})`, [python, "-m", "venv", folder]);
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--requirement", requirements] as const;
  await runVisibly("Python SDK", [interpreter, ...pip]);
  // last: an installation that was cut off starts anew
  writeFileSync(stamp, wanted);
  return interpreter;
}

function readStamp(): string | undefined {
  try {
    return readFileSync(stamp, "utf8");
  } catch {
    return undefined;
  }
}

if (import.meta.main) console.log(await installPython(process.argv[2] ?? "python3"));
