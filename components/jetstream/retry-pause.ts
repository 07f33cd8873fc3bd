import { fail } from "../../specs/errors.ts";
import type { GroupSettings } from "./settings.ts";

const usualPauseMs = 1000;
const unitMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of pause after the attempt of this number. Throws `openFailed` when backOff holds what is no duration. */
export function retryPause({ backOff, ackWait }: GroupSettings): (attempt: number) => number {
  const pauses = backOff.map(toMs);
  const usual = ackWait || usualPauseMs;
  return (attempt) => pauses[Math.min(attempt, pauses.length) - 1] ?? usual;
}

function toMs(text: string): number {
  const terms = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (terms.length === 0 || terms.map(([term]) => term).join("") !== text) {
    const why = `${JSON.stringify(text)} is not a duration; write it as in "500ms, 5s, 1m"`;
    throw fail("openFailed", { why: `backOff: ${why}` });
  }
  return terms.reduce((sum, [, amount, unit]) => sum + Number(amount) * unitMs[unit as keyof typeof unitMs], 0);
}
