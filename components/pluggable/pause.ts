import type { Clock } from "../contract/driver.ts";

/**
 * Settles after `ms` by the clock, or as soon as `signal` aborts. Unlike the clock alone it keeps the process alive:
 * somebody waits for what comes after the pause, as for any read or write.
 */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const hold = setInterval(() => {}, 2 ** 30);
    const end = () => {
      clearInterval(hold);
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener("abort", end, { once: true });
  });
}
