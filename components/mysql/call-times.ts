/** When a call began and ended, as the answers of SQL bindings tell it. */
export interface CallTimes {
  /** RFC 3339 with as many digits of the second as there are. */
  readonly "start-time": string;
  readonly "end-time": string;
  /** As Go writes a duration: `1.5ms`, `2m3s`. */
  readonly duration: string;
}

/** Starts to measure; the returned function tells. */
export function measureCall(): () => CallTimes {
  const started = process.hrtime.bigint();
  const startTime = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  return () => {
    const elapsed = process.hrtime.bigint() - started;
    return {
      "start-time": timeText(startTime),
      "end-time": timeText(startTime + elapsed),
      duration: durationText(elapsed),
    };
  };
}

function timeText(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${seconds}${fraction === "" ? "" : `.${fraction}`}Z`;
}

const units = [
  ["ns", 1],
  ["µs", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
] as const;

/** @param nanoseconds 0 or more */
export function durationText(nanoseconds: bigint): string {
  const total = Number(nanoseconds);
  if (total < 60e9) {
    const [unit, size] = units.findLast(([, one]) => total >= one) ?? units[0];
    return `${total / size}${unit}`;
  }
  const minutes = Math.floor(total / 60e9);
  const hours = Math.floor(minutes / 60);
  return `${hours > 0 ? `${hours}h` : ""}${minutes % 60}m${(total % 60e9) / 1e9}s`;
}
