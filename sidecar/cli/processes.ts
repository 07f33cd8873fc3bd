import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** A process that can be told apart from a later one with the same id. */
export interface ProcessMark {
  readonly pid: number;
  /** When it was started, in the system's own unit; absent where the system does not tell. */
  readonly birth?: string | undefined;
}

/** The mark of a running process. */
export function markProcess(pid: number): ProcessMark {
  const birth = stateOf(pid)?.birth;
  return birth === undefined ? { pid } : { pid, birth };
}

/** Whether the marked process still runs. */
export function isAlive({ pid, birth }: ProcessMark): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It is there, and somebody else's.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const found = stateOf(pid);
  return found === undefined || (found.status !== "Z" && (birth === undefined || found.birth === birth));
}

/** Status letter and start time that Linux keeps; undefined elsewhere. */
function stateOf(pid: number): { status: string; birth: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in brackets, which may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { status: fields[0] ?? "", birth: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

/** Sends a signal to the group that a process leads. Where nothing is left of it, nothing happens. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    // Never to the number alone: it may be another process' by now, a group's number is not.
    process.kill(process.platform === "win32" ? pid : -pid, signal);
  } catch {
    // It is gone.
  }
}

const pollMs = 50;

/** Waits until none of the processes runs; false when one still does after `ms`. */
export async function untilGone(processes: readonly ProcessMark[], ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (processes.some(isAlive)) {
    if (performance.now() > end) return false;
    await pause(pollMs);
  }
  return true;
}
