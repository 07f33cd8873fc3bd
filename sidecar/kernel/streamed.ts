import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Every part of a streamed body is a buffer outside V8's heap that is garbage at once. V8 looks for such garbage only when
 * 64 MB of it are there, so a large body would make the process that much larger. A collection of the young generation,
 * which is where these buffers are, takes a few milliseconds and frees them all.
 */
const collectEveryBytes = 16 * 1024 * 1024;

let streamed = 0;
let collect: (() => void) | undefined;

/** Notes bytes of a body that have passed. */
export function noteStreamed(bytes: number): void {
  streamed += bytes;
  if (streamed < collectEveryBytes) return;
  streamed = 0;
  collect ??= youngCollection();
  collect();
}

/** The collector is not offered to programs unless they ask for it. */
function youngCollection(): () => void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as (options: { readonly type: "minor" }) => void;
  return () => gc({ type: "minor" });
}
