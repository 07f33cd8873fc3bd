import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { signalGroup } from "../processes.ts";
import { LineSplitter } from "./line-splitter.ts";

export type Stream = "stdout" | "stderr";

export interface ChildSpec {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `inherit` reads what this process is given; `open` never gets anything, and never an end that would stop it. */
  readonly stdin: "inherit" | "open";
  onLine(text: string, stream: Stream): void;
}

/** How a process ended: its code, or the signal that ended it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** After a process has ended, its output may be held open by what it left behind. */
const outputGraceMs = 500;

/** A process in a group of its own, so that what it starts can be stopped with it, and a Ctrl-C does not reach it unasked. */
export class Child {
  readonly pid: number;
  /** Settles once the process has ended and its output is read. */
  readonly ended: Promise<Ending>;
  #running = true;

  private constructor(pid: number, ended: Promise<Ending>) {
    this.pid = pid;
    this.ended = ended.finally(() => {
      this.#running = false;
      // What the process has left behind in its group has nobody to wait for it.
      signalGroup(pid, "SIGTERM");
    });
  }

  /** Starts it; rejects with Node's error when the program cannot be run. */
  static async start({ command, cwd, env, stdin, onLine }: ChildSpec): Promise<Child> {
    const [program, ...args] = command;
    const windows = process.platform === "win32";
    // Node refuses to run the scripts that programs such as npm are on Windows without a shell.
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: [stdin === "open" ? "pipe" : stdin, "pipe", "pipe"],
      detached: !windows,
      shell: windows,
    });
    const ended = ending(child, onLine);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return new Child(child.pid as number, ended);
  }

  /** Asks the group to end, and ends it when it has not after `graceMs`. */
  async stop(graceMs: number): Promise<Ending> {
    if (this.#running) signalGroup(this.pid, "SIGTERM");
    const late = setTimeout(() => this.kill(), graceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(late);
    }
  }

  /** Ends the group at once. */
  kill(): void {
    if (this.#running) signalGroup(this.pid, "SIGKILL");
  }
}

function ending(child: ChildProcess, onLine: ChildSpec["onLine"]): Promise<Ending> {
  const streams = (["stdout", "stderr"] as const).map((name) => {
    const lines = new LineSplitter((text) => onLine(text, name));
    child[name]?.on("data", (chunk: Buffer) => lines.push(chunk));
    return lines;
  });
  const exited = new Promise<Ending>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return exited.then(async (how) => {
    let giveUp: NodeJS.Timeout | undefined;
    await Promise.race([closed, new Promise<void>((resolve) => (giveUp = setTimeout(resolve, outputGraceMs)))]);
    clearTimeout(giveUp);
    for (const name of ["stdout", "stderr"] as const) child[name]?.destroy();
    for (const lines of streams) lines.end();
    return how;
  });
}

/** The code a shell would give. */
export function exitCodeOf({ code, signal }: Ending): number {
  return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
}
