import type { Call, Clock } from "../contract/driver.ts";

/** Resolves after so long; rejects with the signal's reason when it aborts before. */
export function pause(clock: Clock, ms: number, { signal }: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const leave = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", leave);
      resolve();
    });
    signal?.addEventListener("abort", leave, { once: true });
  });
}
