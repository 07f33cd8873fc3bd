import { spawn } from "node:child_process";

export interface VisibleRun {
  readonly cwd?: string;
  /** Goes over the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program that may take minutes, such as an installer: what it is for and all it writes appear on standard error
 * as they come. Rejects with the end of its output unless it ends with exit code 0.
 */
export async function runVisibly(
  what: string,
  [program, ...args]: readonly [string, ...string[]],
  { cwd, env }: VisibleRun = {},
): Promise<void> {
  const started = performance.now();
  process.stderr.write(`${what} ...\n`);
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      chunks.push(text);
      process.stderr.write(text);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  if (code !== 0) throw new Error(`${what}: ${program} ended with ${code}\n${chunks.join("").slice(-shownChars)}`);
  process.stderr.write(`${what}: done in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

const shownChars = 2_000;
