import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface ProgramStart {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly env: Readonly<Record<string, string>>;
  /** What it writes is added here. */
  readonly logFile: string;
  /** Called when it ends without having been asked to. */
  readonly onFailure: (error: Error) => void;
}

const patienceMs = 8_000;
const running = new Set<ChildProcess>();
// Nothing outlives a run that ends by a mistake of its own.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A child process. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #isWanted = false;

  constructor({ name, command, env, logFile, onFailure }: ProgramStart) {
    const [program, ...args] = command;
    const log = openSync(logFile, "a");
    // Of its own group: Ctrl-C in a terminal goes to the whole group, and here one program decides who stops when.
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    running.add(child);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const end = (what: string) => {
        running.delete(child);
        if (!this.#isWanted)
          onFailure(new Error(`${name} ${what}; its last words, of ${logFile}:\n${lastWords(logFile)}`));
        resolve();
      };
      child.once("error", (error) => end(`could not be started: ${error.message}`));
      child.once("exit", (code, signal) => end(`ended (${signal ?? code})`));
    });
  }

  /** Lets it end in order, and by force where that takes too long. Idempotent. */
  async stop(): Promise<void> {
    this.#end("SIGTERM");
    const timer = setTimeout(() => this.#end("SIGKILL"), patienceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Ends it at once, with no chance to clean up. */
  async kill9(): Promise<void> {
    this.#end("SIGKILL");
    await this.#ended;
  }

  #end(signal: NodeJS.Signals): void {
    this.#isWanted = true;
    this.#child.kill(signal);
  }
}

function lastWords(logFile: string): string {
  return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-12).join("\n") || "(none)";
}
