import { fail } from "../../specs/errors.ts";
import { findSeconds, longestSeconds } from "./seconds.ts";

/**
 * Milliseconds for which a message may be delivered, from its `ttlInSeconds`; undefined: without end.
 * Throws `requestMetadataInvalid` unless it is a whole number over 0.
 */
export function messageTtlMs(metadata: Readonly<Record<string, string>>): number | undefined {
  const written = metadata["ttlInSeconds"];
  if (written === undefined || written === "") return undefined;
  const seconds = findSeconds(written);
  if (seconds !== undefined && seconds > 0) return seconds * 1000;
  throw fail("requestMetadataInvalid", {
    key: "ttlInSeconds",
    why: `must be a whole number over 0, at most ${longestSeconds}, got ${JSON.stringify(written)}`,
  });
}
