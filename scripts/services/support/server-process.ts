import { type ChildProcess, execFile, spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { findProgram } from "./find-program.ts";
import type { User } from "./unprivileged.ts";

/** How to run one server in the foreground. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Over the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: User | undefined;
  /** It answers when this appears in its output, or when this port is open. */
  readonly ready: RegExp | number;
  /** Asks it to end; default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
}

/** A running server as its process sees it. */
export interface ServerProcess {
  stop(): Promise<void>;
  kill9(): Promise<void>;
  restart(): Promise<void>;
}

const readyWithinMs = 60_000;
const stopWithinMs = 20_000;
const shownChars = 4000;

/** Starts it; resolves when it answers. */
export async function runServer(command: Command): Promise<ServerProcess> {
  let child = await start(command);
  const end = (signal: NodeJS.Signals) => endChild(child, signal);
  return {
    stop: () => end(command.stopSignal ?? "SIGTERM"),
    kill9: () => end("SIGKILL"),
    async restart() {
      await end(command.stopSignal ?? "SIGTERM");
      child = await start(command);
    },
  };
}

/** Several processes that are one server, started and ended together. */
export function together(processes: readonly ServerProcess[]): ServerProcess {
  const each = async (act: (one: ServerProcess) => Promise<void>) => {
    await Promise.all(processes.map(act));
  };
  return {
    stop: () => each((one) => one.stop()),
    kill9: () => each((one) => one.kill9()),
    restart: () => each((one) => one.restart()),
  };
}

/** Runs a program to its end. Rejects with its output unless it succeeds. */
export function runTool({ program, args, cwd, env, user }: Omit<Command, "ready">): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, ...user, encoding: "utf8" } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} failed: ${stderr || stdout || error.message}`, { cause: error }));
      else resolve(stdout);
    });
  });
}

/** Servers that end with this process, however it ends. */
const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) killAll(child, child.pid === undefined ? [] : descendants(child.pid));
});

async function start(command: Command): Promise<ChildProcess> {
  const { cwd, env, user } = command;
  const [program, ...args] = dyingWithParent(command);
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    ...user,
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own: helpers end with it, and Ctrl-C reaches only us, who end it in order.
    detached: true,
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  try {
    await untilReady(child, command);
  } catch (error) {
    await endChild(child, "SIGKILL");
    throw error;
  }
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
  return child;
}

/** With util-linux at hand even a killed test run leaves no server behind. */
function dyingWithParent({ program, args }: Command): [string, ...string[]] {
  const setpriv = findProgram("setpriv");
  return setpriv ? [setpriv, "--pdeathsig", "KILL", program, ...args] : [program, ...args];
}

function untilReady(child: ChildProcess, { program, ready }: Command): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    let isReady = false;
    const settle = (error?: Error) => {
      isReady = true;
      clearTimeout(limit);
      clearInterval(knocking);
      if (error) reject(error);
      else resolve();
    };
    const failed = (why: string) => settle(new Error(`${program} ${why}\n${output}`));
    const limit = setTimeout(() => failed(`did not answer within ${readyWithinMs / 1000} s`), readyWithinMs);
    const knocking =
      typeof ready === "number" ? setInterval(() => knock(ready, () => isReady || settle()), 20) : undefined;
    // Read for as long as it runs: a full pipe would stop it.
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-shownChars);
        if (!isReady && ready instanceof RegExp && ready.test(output)) settle();
      });
    }
    child.once("error", (error) => failed(`cannot be started: ${error.message}`));
    child.once("exit", (code, signal) => isReady || failed(`ended with ${code ?? signal} before it answered`));
  });
}

function knock(port: number, open: () => void): void {
  const socket = connect(port, "127.0.0.1", () => {
    socket.destroy();
    open();
  });
  socket.on("error", () => socket.destroy());
}

async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const family = descendants(child.pid);
  if (signal === "SIGKILL") killAll(child, family);
  else child.kill(signal);
  const limit = setTimeout(() => killAll(child, family), stopWithinMs);
  await gone;
  clearTimeout(limit);
  // What they held of the data must be free before the next start.
  for (let waited = 0; waited < 200 && family.some(isRunning); waited += 1) await pause(10);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function killAll(child: ChildProcess, family: readonly number[]): void {
  for (const pid of [...(child.pid === undefined ? [] : [-child.pid]), ...family]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

/** Processes that a process has started, and theirs. Some leave its process group, so that no signal to it finds them. */
function descendants(pid: number): number[] {
  const parents = globSync("/proc/[0-9]*/stat").flatMap((path) => {
    const fields = readStat(path);
    return fields ? [{ pid: Number(path.split("/")[2]), parent: Number(fields[1]) }] : [];
  });
  const found = [pid];
  for (const one of found) found.push(...parents.filter(({ parent }) => parent === one).map((child) => child.pid));
  return found.slice(1);
}

/** Ended ones that nobody has asked about yet do not count. */
const isRunning = (pid: number) => !["Z", "X", undefined].includes(readStat(`/proc/${pid}/stat`)?.[0]);

/** Fields of proc_pid_stat(5) from the state on; undefined: there is no such process, or no such file system. */
function readStat(path: string): string[] | undefined {
  try {
    const text = readFileSync(path, "utf8");
    // The name before it may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
