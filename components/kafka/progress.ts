/** How far a group has come in a partition. */
export interface Progress {
  /** All before this offset are settled. */
  readonly next: number;
  /** Offsets after it that are settled too. */
  readonly settled: readonly number[];
  /** How often the delivery of others after it has failed, by offset. */
  readonly failures: readonly (readonly [offset: number, count: number])[];
}

const mark = "mecha1";
/** A broker takes 4096 characters by default (offset.metadata.max.bytes). */
const mostFailures = 200;
const mostBits = 8 * 1536;

/**
 * The text that goes with a committed offset: what is settled after it, as bits, and how often others have failed. Clients
 * that do not know it read over it.
 */
export function encodeProgress(
  next: number,
  settled: ReadonlySet<number>,
  failures: readonly (readonly [number, number])[],
): string {
  let last = -1;
  for (const offset of settled) if (offset - next < mostBits) last = Math.max(last, offset - next);
  const bits = Buffer.alloc((last + 8) >> 3);
  for (const offset of settled) {
    const at = offset - next;
    if (at >= 0 && at <= last) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  const counts = [...failures]
    .sort(([left], [right]) => left - right)
    .slice(0, mostFailures)
    .map(([offset, count]) => `${(offset - next).toString(36)}:${count.toString(36)}`);
  return `${mark} ${bits.toString("base64")} ${counts.join(",")}`;
}

/** Reads what goes with a committed offset; nothing when another client has written it. */
export function decodeProgress(next: number, metadata: string | null | undefined): Progress {
  const [first, bits = "", counts = ""] = (metadata ?? "").split(" ");
  if (first !== mark) return { next, settled: [], failures: [] };
  const settled: number[] = [];
  Buffer.from(bits, "base64").forEach((byte, at) => {
    for (let bit = 0; bit < 8; bit += 1) if (byte & (1 << bit)) settled.push(next + at * 8 + bit);
  });
  const failures = counts
    .split(",")
    .map((one) => one.split(":").map((digits) => Number.parseInt(digits, 36)))
    .flatMap(([at = Number.NaN, count = Number.NaN]) => (at >= 0 && count > 0 ? [[next + at, count] as const] : []));
  return { next, settled, failures };
}
