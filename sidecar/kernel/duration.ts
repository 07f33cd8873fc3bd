/**
 * Durations as the published formats write them: `1h2m3.5s`, `500ms`, `-1m`, `0`.
 *
 * All results are milliseconds and may be fractional (`10us` is 0.01). The format is that of Go's
 * `time.ParseDuration`; units are ns, us (or µs), ms, s, m, h, and they may be combined.
 */

const MILLISECONDS = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3, // micro sign
  "\u03bcs": 1e-3, // Greek letter mu
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
} as const;

/** Longest duration the format can say: 2^63 nanoseconds, about 292 years. */
const LONGEST_MS = 2 ** 63 / 1e6;

const TERM = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;
const BARE_NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)$/;

export type DurationUnit = "ns" | "us" | "ms" | "s" | "m" | "h";

/**
 * Reads a duration.
 * @param bareUnit unit of a number without one (`"30"`); without it only `0` may stand bare.
 * @returns milliseconds, or undefined when the text is not a duration.
 */
export function findDurationMs(text: string, bareUnit?: DurationUnit): number | undefined {
  const trimmed = text.trim();
  if (BARE_NUMBER.test(trimmed)) {
    const amount = Number(trimmed);
    if (bareUnit === undefined) return amount === 0 ? 0 : undefined;
    return inRange(toMilliseconds(amount, bareUnit));
  }
  const negative = trimmed.startsWith("-");
  const unsigned = negative || trimmed.startsWith("+") ? trimmed.slice(1) : trimmed;
  const total = sumTerms(unsigned);
  return total === undefined ? undefined : inRange(negative ? 0 - total : total);
}

/**
 * Reads a duration, as `findDurationMs` does.
 * @throws RangeError that quotes the text and shows the format.
 */
export function parseDurationMs(text: string, bareUnit?: DurationUnit): number {
  const found = findDurationMs(text, bareUnit);
  if (found === undefined) {
    throw new RangeError(`${JSON.stringify(text)} is not a duration; ${durationHint(text)}`);
  }
  return found;
}

/** How to write the duration that `text` tries to be: `write it like "30s"`. */
export function durationHint(text: string): string {
  if ((sumTerms(text.trim()) ?? 0) >= LONGEST_MS) return "the longest duration is about 292 years";
  const spoken = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const unit = spoken && unitMeant(spoken[2] ?? "");
  if (spoken && unit) return `write ${JSON.stringify(unit(spoken[1] ?? "0"))}`;
  return 'write numbers with units h, m, s, ms, us or ns, such as "1h30m", "5s" or "500ms"';
}

/**
 * Writes a duration the way Go prints one: `1h0m0s`, `1.5s`, `250ms`, `0s`.
 * Precision is one nanosecond.
 */
export function formatDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? "-" : "";
  const size = Math.abs(milliseconds);
  // Apart from the minutes, because a number cannot hold the nanoseconds of several months.
  const wholeMinutes = Math.floor(size / 60_000);
  const nanos = Math.round((size - wholeMinutes * 60_000) * 1e6);
  if (wholeMinutes > 0) {
    const hours = Math.floor(wholeMinutes / 60);
    return `${sign}${hours === 0 ? "" : `${hours}h`}${wholeMinutes % 60}m${decimal(nanos, 1e9)}s`;
  }
  if (nanos === 0) return "0s";
  if (nanos < 1e3) return `${sign}${nanos}ns`;
  if (nanos < 1e6) return `${sign}${decimal(nanos, 1e3)}\u00b5s`;
  if (nanos < 1e9) return `${sign}${decimal(nanos, 1e6)}ms`;
  return `${sign}${decimal(nanos, 1e9)}s`;
}

function sumTerms(text: string): number | undefined {
  if (text === "") return undefined;
  TERM.lastIndex = 0;
  let total = 0;
  while (TERM.lastIndex < text.length) {
    const term = TERM.exec(text);
    if (term === null) return undefined;
    total += toMilliseconds(Number(term[1]), term[2] as keyof typeof MILLISECONDS);
  }
  return total;
}

/** Whole nanoseconds, so that "1.001s" is 1001 and not 1000.9999999999999. */
function toMilliseconds(amount: number, unit: keyof typeof MILLISECONDS): number {
  return Math.round(amount * MILLISECONDS[unit] * 1e6) / 1e6;
}

function inRange(milliseconds: number): number | undefined {
  return Math.abs(milliseconds) < LONGEST_MS ? milliseconds : undefined;
}

function decimal(nanos: number, unit: number): string {
  const digits = String(unit).length - 1;
  return (nanos / unit).toFixed(digits).replace(/\.?0+$/, "") || "0";
}

/** Words people write instead of units; a day has no unit of its own, so it becomes hours. */
function unitMeant(word: string): ((amount: string) => string) | undefined {
  const lower = word.toLowerCase();
  if (lower === "" || /^s(ec(ond)?s?)?$/.test(lower)) return (amount) => `${amount}s`;
  if (/^(ms|msecs?|millis(econds?)?)$/.test(lower)) return (amount) => `${amount}ms`;
  if (/^m(in(ute)?s?)?$/.test(lower)) return (amount) => `${amount}m`;
  if (/^h((ou)?rs?)?$/.test(lower)) return (amount) => `${amount}h`;
  if (/^d(ays?)?$/.test(lower)) return (amount) => `${Number(amount) * 24}h`;
  if (/^w(eeks?)?$/.test(lower)) return (amount) => `${Number(amount) * 168}h`;
  return undefined;
}
