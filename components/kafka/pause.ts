import type { Clock } from "../contract/driver.ts";

/**
 * Settles after `ms` by the clock, at once when the signal aborts. Unlike the clock alone it keeps the process alive:
 * somebody waits for what comes after the pause.
 */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  const hold = setInterval(() => {}, 2 ** 30);
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      clearInterval(hold);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** The promise, unless the signal aborts before: then its reason. What was begun goes on unheard. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}
