import { setTimeout as pause } from "node:timers/promises";
import type { Pair } from "./pair.ts";
import { seededRandom } from "./random.ts";

export interface Chaos {
  /** How many times a sidecar is killed. */
  readonly kills: number;
  /** Decides which one and when. */
  readonly seed: number;
}

const shortestPauseMs = 100;
const longestPauseMs = 900;

/** Kills a random sidecar every now and then; the next one may be hit before the last has come back. */
export async function wreak(
  { kills, seed }: Chaos,
  pairs: readonly Pair[],
  onKill: (kills: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const random = seededRandom(seed);
  for (let kill = 1; kill <= kills; kill++) {
    await pause(shortestPauseMs + random() * (longestPauseMs - shortestPauseMs), undefined, { signal });
    await pairs[Math.floor(random() * pairs.length)]?.replaceSidecar();
    onKill(kill);
  }
}
