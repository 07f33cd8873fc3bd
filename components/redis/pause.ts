import type { Clock } from "../contract/driver.ts";

/**
 * Settles after `ms` by the clock. Unlike the clock alone it keeps the process alive: somebody waits for what comes
 * after the pause, as for any read or write.
 */
export function pause(clock: Clock, ms: number): Promise<void> {
  const hold = setInterval(() => {}, 2 ** 30);
  return new Promise((resolve) => {
    clock.after(ms, () => {
      clearInterval(hold);
      resolve();
    });
  });
}
