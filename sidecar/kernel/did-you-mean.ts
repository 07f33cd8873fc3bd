/**
 * The candidate that a misspelt word most likely means, or undefined when none is close. Case, dashes, underscores
 * and dots do not count; one letter in three may be wrong, missing, added or swapped with its neighbour. Failing that,
 * a candidate that continues the word, or that the word continues, is taken.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(word);
  let best: string | undefined;
  let bestDistance = Math.floor(wanted.length / 3) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? prolonged(wanted, candidates);
}

/** A candidate that is the word cut short or carried on: `warning` for `warn`. */
function prolonged(wanted: string, candidates: Iterable<string>): string | undefined {
  for (const candidate of candidates) {
    const [shorter, longer] = [wanted, plain(candidate)].sort((a, b) => a.length - b.length) as [string, string];
    if (shorter.length >= 3 && longer.startsWith(shorter)) return candidate;
  }
  return undefined;
}

/** `did you mean "name"?`, or undefined when no candidate is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const candidate = closest(word, candidates);
  return candidate === undefined ? undefined : `did you mean ${JSON.stringify(candidate)}?`;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[-_.]/g, "");
}

/** Optimal string alignment; anything from `limit` upwards comes back as `limit`. */
function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1));
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return Math.min(at(last, right.length), limit);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
