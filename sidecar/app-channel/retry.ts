import type { Clock } from "../../components/contract/driver.ts";
import { pause } from "../kernel/clock.ts";

const firstPauseMs = 500;
const factor = 1.5;
const longestPauseMs = 1000;
const longestMs = 10_000;

/** Repeats `attempt` as the built-in policy for initialization does, then rejects with the last failure. */
export async function untilInitialized<T>(clock: Clock, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  const end = clock.now() + longestMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * factor, longestPauseMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (clock.now() + pauseMs > end) throw error;
      await pause(clock, pauseMs, signal);
    }
  }
}
