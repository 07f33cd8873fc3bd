// The client program of the official Go SDK, built below .cache/. `node scripts/clients/go.ts` builds it ahead of time;
// the tests build it when they need it, which takes a second while Go's own caches are warm.
import { join, resolve } from "node:path";
import { runVisibly } from "./run-visibly.ts";

const root = resolve(import.meta.dirname, "../..");

/**
 * Builds the program with the modules that its go.sum names.
 * @param go the Go tool
 * @returns the path of the program
 */
export async function buildGoClient(go: string): Promise<string> {
  const program = join(root, ".cache/go", process.platform === "win32" ? "client.exe" : "client");
  const folder = join(root, "test/integration/clients/go");
  // the Go that is there or none: it would fetch another one without a word
  const env = { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly" };
  await runVisibly("Go modules", [go, "mod", "download"], { cwd: folder, env });
  await runVisibly("Go client", [go, "build", "-v", "-o", program, "."], { cwd: folder, env });
  return program;
}

if (import.meta.main) console.log(await buildGoClient(process.argv[2] ?? "go"));
