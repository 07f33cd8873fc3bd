import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const lookMs = 100;

/** Runs the work when no other process runs work under the same lock; the others wait. A lock of a dead process is none. */
export async function exclusively<T>(lock: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(lock), { recursive: true });
  while (!take(lock)) {
    if (isAbandoned(lock)) rmSync(lock, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as { readonly code?: string }).code === "EEXIST") return false;
    throw error;
  }
}

function isAbandoned(lock: string): boolean {
  let holder: number;
  try {
    holder = Number(readFileSync(lock, "utf8"));
  } catch {
    // Just given back.
    return false;
  }
  // Just taken, and not yet signed.
  if (holder === 0) return false;
  try {
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as { readonly code?: string }).code === "ESRCH";
  }
}
