import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { onTestFinished } from "vitest";

const program = resolve(import.meta.dirname, "../../bin/mecha");

export interface Ended {
  /** 128 and the signal's number when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `mecha`, running. */
export interface MechaCommand {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Settles when what both streams have said matches; rejects when it ends before. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
}

export interface MechaOptions {
  readonly cwd: string;
  /** MECHA_HOME. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Starts `bin/mecha` as a user would; it is gone when the test is. */
export function startMecha(args: readonly string[], { cwd, home, env = {}, stdin = "" }: MechaOptions): MechaCommand {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(MECHA|DAPR|APP)_|^NO_COLOR|^FORCE_COLOR/.test(name)),
  );
  const child = spawn(process.execPath, [program, ...args], { cwd, env: { ...clean, MECHA_HOME: home, ...env } });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    // Twice: the second one waits for nothing.
    child.kill("SIGTERM");
    child.kill("SIGTERM");
    await ended;
  });
  const said = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
      for (const listener of listeners) listener();
    });
  }
  const ended = endOf(child).then((code) => ({ code, ...said }));
  child.stdin.on("error", () => {}).end(stdin);
  return {
    pid: child.pid as number,
    ended,
    kill: (signal) => void child.kill(signal),
    said: (pattern) =>
      new Promise((found, reject) => {
        const look = () => {
          const match = pattern.exec(said.stdout + said.stderr);
          if (match === null) return;
          listeners.delete(look);
          found(match);
        };
        listeners.add(look);
        look();
        void ended.then(({ stdout, stderr }) =>
          reject(new Error(`it ended before it said ${pattern}:\n${stdout}\n${stderr}`)),
        );
      }),
  };
}

/** Runs `bin/mecha` to its end. */
export function mecha(args: readonly string[], options: MechaOptions): Promise<Ended> {
  return startMecha(args, options).ended;
}

const numbers: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((done, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => done(code ?? 128 + (numbers[signal ?? ""] ?? 0)));
  });
}
