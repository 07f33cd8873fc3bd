import type { Clock } from "../contract/driver.ts";

/** Runs `run` every `ms` until the returned function is called. */
export function sweepEvery(clock: Clock, ms: number, run: () => void): () => void {
  let cancel = () => {};
  const again = () => {
    cancel = clock.after(ms, again);
    run();
  };
  cancel = clock.after(ms, again);
  return () => cancel();
}
