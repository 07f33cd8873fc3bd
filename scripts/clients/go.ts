// Go programs that tests run, built below .cache/. `node scripts/clients/go.ts` builds them ahead of time; the tests build
// them when they need them, which takes a second while Go's own caches are warm.
import { join, resolve } from "node:path";
import { exclusively } from "./exclusively.ts";
import { runVisibly } from "./run-visibly.ts";

const root = resolve(import.meta.dirname, "../..");

/** Program below .cache/go → the folder of its sources. */
const programs = {
  /** Speaks through the official SDK. */
  client: "test/integration/clients/go",
  "pluggable-go": "examples/pluggable-go",
} as const;

/**
 * Builds a program with the modules that its go.sum names.
 * @param go the Go tool
 * @returns the path of the program
 */
export function buildGoClient(go: string, name: keyof typeof programs = "client"): Promise<string> {
  return exclusively(join(root, ".cache", `${name}.lock`), () => build(go, name));
}

async function build(go: string, name: keyof typeof programs): Promise<string> {
  const program = join(root, ".cache/go", process.platform === "win32" ? `${name}.exe` : name);
  const folder = join(root, programs[name]);
  // the Go that is there or none: it would fetch another one without a word
  const env = { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly" };
  await runVisibly(`Go modules of ${name}`, [go, "mod", "download"], { cwd: folder, env });
  await runVisibly(`Go program ${name}`, [go, "build", "-v", "-o", program, "."], { cwd: folder, env });
  return program;
}

if (import.meta.main) {
  for (const name of Object.keys(programs) as (keyof typeof programs)[]) {
    console.log(await buildGoClient(process.argv[2] ?? "go", name));
  }
}
