import type { CliContext, Output } from "../../sidecar/cli/context.ts";
import { runCli } from "../../sidecar/cli/program.ts";

export interface WrittenOutput extends Output {
  text(): string;
}

/** An output that keeps what is written. */
export function writtenOutput(about: { columns?: number; colors?: boolean } = {}): WrittenOutput {
  let all = "";
  return {
    columns: about.columns ?? Number.POSITIVE_INFINITY,
    colors: about.colors ?? false,
    write: (text) => {
      all += text;
    },
    text: () => all,
  };
}

/** What a command sees: a folder, an environment, and outputs that keep what is written. */
export function cliContext(about: { cwd: string; env?: CliContext["env"]; stdin?: string; columns?: number }) {
  const { cwd, env = {}, stdin = "", columns } = about;
  const out = writtenOutput(columns === undefined ? {} : { columns });
  const err = writtenOutput();
  return { cwd, env, out, err, readStdin: async () => stdin } satisfies CliContext;
}

/** Runs `mecha` inside this process. Not for commands that start others. */
export async function runInside(args: readonly string[], about: Parameters<typeof cliContext>[0]) {
  const context = cliContext(about);
  const code = await runCli(args, context);
  return { code, stdout: context.out.text(), stderr: context.err.text() };
}
