/**
 * Writes every generated file of the repository.
 *
 *   generate.ts          run all steps
 *   generate.ts --check  change nothing; exit 1 and name each file that a run would change
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { componentDocs } from "./generate/component-docs.ts";
import { errorDocs } from "./generate/error-docs.ts";
import { flagDocs } from "./generate/flag-docs.ts";
import { protos } from "./generate/protos.ts";
import { registry } from "./generate/registry.ts";
import { schemas } from "./generate/schemas.ts";
import { staleFiles } from "./generate/stale.ts";
import type { Step } from "./generate/step.ts";

/** In order: a step may read what an earlier one wrote. */
const steps: readonly Step[] = [protos, schemas, registry, componentDocs, errorDocs, flagDocs];

const root = resolve(import.meta.dirname, "..");

async function runAll(out: string): Promise<void> {
  for (const step of steps) {
    try {
      await step.run({ root, out });
    } catch (cause) {
      throw new Error(`step ${step.name} failed: ${messageOf(cause)}`, { cause });
    }
  }
}

async function check(): Promise<string[]> {
  const out = mkdtempSync(join(tmpdir(), "generate-"));
  try {
    await runAll(out);
    return steps.flatMap((step) => staleFiles(root, out, step.outputs));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

function messageOf(cause: unknown): string {
  // A failed child process says what is wrong on stderr; its message only repeats the command.
  if (cause instanceof Error && "stderr" in cause && cause.stderr) return String(cause.stderr).trim();
  return cause instanceof Error ? cause.message : String(cause);
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  if (!values.check) {
    await runAll(root);
    return 0;
  }
  const stale = await check();
  for (const path of stale) console.error(`stale: ${path}`);
  if (stale.length > 0) console.error("run `npm run generate` and commit the result");
  return stale.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
