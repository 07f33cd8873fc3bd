import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Tells a process from all others that may share a database file, so that those on the same machine can notice its end
 * at once: `<pid>@<machine>`. Two containers are two machines even when their host names are equal.
 */
export function ownMark(): string {
  return `${process.pid}@${machine()}`;
}

/** True when the mark is that of a process of this machine that has ended. */
export function isGone(mark: string): boolean {
  const [, pid, where] = /^(\d+)@(.*)$/.exec(mark) ?? [];
  if (pid === undefined || where !== machine()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    // Any other refusal means that it is there and belongs to somebody else.
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

let known: string | undefined;

function machine(): string {
  known ??= [
    hostname(),
    read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    read(() => readlinkSync("/proc/self/ns/pid")),
  ]
    .filter(Boolean)
    .join("/");
  return known;
}

/** Empty where the system has no such thing. */
function read(from: () => string): string {
  try {
    return from();
  } catch {
    return "";
  }
}
