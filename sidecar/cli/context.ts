import { text as readAll } from "node:stream/consumers";

/** Somewhere to write for a person or a program. */
export interface Output {
  write(text: string): void;
  /** Characters in a line; infinite where nobody looks at a screen. */
  readonly columns: number;
  /** Whether escape sequences of colour are wanted. */
  readonly colors: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

/** What a command may use of the process it runs in. */
export interface CliContext {
  readonly out: Output;
  readonly err: Output;
  readonly env: Env;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** All of standard input. */
  readStdin(): Promise<string>;
}

/** The context of this process. */
export function processContext(): CliContext {
  const { env } = process;
  return {
    out: outputOf(process.stdout, env),
    err: outputOf(process.stderr, env),
    env,
    cwd: process.cwd(),
    readStdin: () => readAll(process.stdin),
  };
}

function outputOf(stream: NodeJS.WriteStream, env: Env): Output {
  return {
    write: (text) => void stream.write(text),
    get columns() {
      return stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY;
    },
    colors: wantsColors(stream.isTTY === true, env),
  };
}

/** NO_COLOR beats FORCE_COLOR, which beats what the stream is; see no-color.org. */
export function wantsColors(isTerminal: boolean, env: Env): boolean {
  if (env["NO_COLOR"]) return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return isTerminal && env["TERM"] !== "dumb";
}
