import { compareBytes } from "../contract/byte-order.ts";

/**
 * The keys of a map in byte order, sorted when they are asked for: a key costs nothing to add or remove, and a page
 * costs a search plus its own length as long as few keys came or went since the last one.
 */
export class SortedKeys {
  readonly #isLive: (key: string) => boolean;
  #sorted: string[] = [];
  #added = new Set<string>();
  #removed = 0;

  /** @param isLive whether a key is in the map */
  constructor(isLive: (key: string) => boolean) {
    this.#isLive = isLive;
  }

  /** Notes a key that was not in the map. */
  add(key: string): void {
    this.#added.add(key);
  }

  /** Notes a key that is in the map no more. */
  remove(key: string): void {
    // A key that is still only noted has no place in the sorted part.
    if (!this.#added.delete(key)) this.#removed += 1;
  }

  /** Keys behind `after`, or from `prefix` on, that start with `prefix`; removed ones are passed over. */
  *from(prefix: string, after: string | undefined): Generator<string> {
    this.#sort();
    const start = after === undefined || compareBytes(after, prefix) < 0 ? prefix : after;
    for (let index = this.#search(start); index < this.#sorted.length; index += 1) {
      const key = this.#sorted[index] as string;
      if (!key.startsWith(prefix)) return;
      if (key !== after && this.#isLive(key)) yield key;
    }
  }

  /** Keys from `from` on and before `to`; removed ones are passed over. */
  *range(from: string, to: string | undefined): Generator<string> {
    this.#sort();
    for (let index = this.#search(from); index < this.#sorted.length; index += 1) {
      const key = this.#sorted[index] as string;
      if (to !== undefined && compareBytes(key, to) >= 0) return;
      if (this.#isLive(key)) yield key;
    }
  }

  #sort(): void {
    if (this.#removed > this.#sorted.length / 4) {
      this.#sorted = this.#sorted.filter(this.#isLive);
      this.#removed = 0;
    }
    if (this.#added.size === 0) return;
    const added = [...this.#added].sort(compareBytes);
    this.#added = new Set();
    this.#sorted = merge(this.#sorted, added);
  }

  /** Index of the first key that is not before `key`. */
  #search(key: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#sorted[middle] as string, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Joins two sorted lists; a key in both, removed and added again, is kept once. */
function merge(left: readonly string[], right: readonly string[]): string[] {
  const merged: string[] = [];
  let at = 0;
  for (const key of right) {
    while (at < left.length && compareBytes(left[at] as string, key) < 0) merged.push(left[at++] as string);
    if (left[at] === key) at += 1;
    merged.push(key);
  }
  while (at < left.length) merged.push(left[at++] as string);
  return merged;
}
