import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { LiveList } from "./live-list.ts";
import type { Step, StepResult } from "./step.ts";

/** The project folder; every step runs from there. */
export const root = resolve(import.meta.dirname, "../..");

/**
 * Runs steps, at most `parallel` at a time, starting them in the given order. All of them run, also after a failure:
 * one look tells everything that is wrong. Shows a live list, then the output of those that failed.
 * Resolves to one result per step, in the given order.
 */
export async function runSteps(steps: readonly Step[], parallel: number): Promise<StepResult[]> {
  const list = new LiveList(steps);
  const results = new Map<string, StepResult>();
  const queue = [...steps];
  const work = async () => {
    for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
      list.started(step.name);
      const result = await run(step);
      results.set(step.name, result);
      list.ended(result);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  list.close();
  const ordered = steps.flatMap(({ name }) => results.get(name) ?? []);
  const failed = ordered.filter(({ status }) => status === "failed");
  for (const { name, output } of failed) console.log(`\n──── ${name} failed ────\n${output.trim()}`);
  // after pages of output the list above has scrolled away
  if (failed.length > 0) console.log(`\n${list.table()}`);
  return ordered;
}

async function run(step: Step): Promise<StepResult> {
  if (step.skip !== undefined) {
    return { name: step.name, status: "skipped", seconds: 0, output: "", note: step.skip };
  }
  const started = performance.now();
  const { ok, output } = await execute(step.command);
  const seconds = (performance.now() - started) / 1000;
  return { name: step.name, status: ok ? "passed" : "failed", seconds, output, note: step.note?.() ?? "" };
}

function execute([program, ...args]: Step["command"]): Promise<{ ok: boolean; output: string }> {
  const colorful = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...colorful },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // a terminal's Ctrl-C reaches the child by itself, a plain kill of this process does not
  const stop = () => child.kill("SIGTERM");
  process.once("SIGTERM", stop);
  return new Promise((done) => {
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const finish = (ok: boolean, more = "") => {
      process.off("SIGTERM", stop);
      done({ ok, output: Buffer.concat(chunks).toString() + more });
    };
    child.once("error", (error) => finish(false, `cannot run ${program}: ${error.message}`));
    child.once("close", (code, signal) => finish(code === 0, signal === null ? "" : `\nended by ${signal}`));
  });
}
