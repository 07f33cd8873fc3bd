import type { Clock } from "../../components/contract/driver.ts";
import { fail } from "../../specs/errors.ts";

/**
 * Runs `work` with a signal that aborts after `ms` or when `parent` aborts.
 * Rejects with `deadlineExceeded` once the time has passed, even when the work does not look at its signal.
 */
export async function withDeadline<T>(
  clock: Clock,
  what: string,
  ms: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const late = fail("deadlineExceeded", { what, ms });
  const forward = () => controller.abort(parent?.reason);
  if (parent?.aborted) forward();
  parent?.addEventListener("abort", forward, { once: true });
  let cancel = () => {};
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => {
      controller.abort(late);
      reject(late);
    });
  });
  try {
    return await Promise.race([work(controller.signal), timeout]);
  } finally {
    cancel();
    parent?.removeEventListener("abort", forward);
  }
}
