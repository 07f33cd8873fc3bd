// Virtual environments below .cache/ for Python programs that tests run. `node scripts/clients/python.ts` makes them
// ahead of time; the tests make them when they need them.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { exclusively } from "./exclusively.ts";
import { runVisibly } from "./run-visibly.ts";

const root = resolve(import.meta.dirname, "../..");

/** Folder below .cache/ → the file that names its libraries. */
const environments = {
  /** The official SDK. */
  python: "test/integration/clients/python/requirements.txt",
  "pluggable-python": "examples/pluggable-python/requirements.txt",
} as const;

/**
 * Installs the libraries of an environment unless the same versions are there for the same Python.
 * @param python the interpreter to make the environment with
 * @returns the environment's interpreter
 */
export function installPython(python: string, name: keyof typeof environments = "python"): Promise<string> {
  return exclusively(join(root, ".cache", `${name}.lock`), () => install(python, name));
}

async function install(python: string, name: keyof typeof environments): Promise<string> {
  const requirements = join(root, environments[name]);
  const folder = join(root, ".cache", name);
  const stamp = join(folder, "stamp");
  const bin = join(folder, process.platform === "win32" ? "Scripts" : "bin");
  const interpreter = join(bin, "python");
  const version = execFileSync(python, ["--version"], { encoding: "utf8" }).trim();
  const wanted = `${version}\n${readFileSync(requirements, "utf8")}`;
  if (readText(stamp) === wanted) return interpreter;
  rmSync(folder, { recursive: true, force: true });
  await runVisibly(`Python environment (${version})`, [python, "-m", "venv", folder]);
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--requirement", requirements] as const;
  await runVisibly(`Python libraries of ${environments[name]}`, [interpreter, ...pip]);
  // last: an installation that was cut off starts anew
  writeFileSync(stamp, wanted);
  return interpreter;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  for (const name of Object.keys(environments) as (keyof typeof environments)[]) {
    console.log(await installPython(process.argv[2] ?? "python3", name));
  }
}
