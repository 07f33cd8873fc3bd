import type { Clock } from "../contract/driver.ts";

/**
 * Settles after `ms` by the clock, or when the signal aborts. Unlike the clock alone it keeps the process alive: somebody
 * waits for what comes after the pause, as for any read or write.
 */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  const hold = setInterval(() => {}, 2 ** 30);
  return new Promise((resolve) => {
    const done = () => {
      clearInterval(hold);
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}
