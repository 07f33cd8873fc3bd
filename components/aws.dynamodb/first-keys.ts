import { compareBytes } from "../contract/byte-order.ts";

/** So many keys more than asked for are kept before they are sorted and cut. */
const slack = 1000;

/** The first keys in byte order of those that are offered. */
export class FirstKeys {
  readonly #limit: number;
  readonly #after: string | undefined;
  #keys: string[] = [];

  /** @param after only keys behind this one count */
  constructor(limit: number, after: string | undefined) {
    this.#limit = limit;
    this.#after = after;
  }

  offer(key: string): void {
    if (this.#after !== undefined && compareBytes(key, this.#after) <= 0) return;
    this.#keys.push(key);
    if (this.#keys.length > 4 * this.#limit + slack) this.#cut();
  }

  /** At most `limit` keys. */
  take(): readonly string[] {
    this.#cut();
    return this.#keys;
  }

  #cut(): void {
    this.#keys = this.#keys.sort(compareBytes).slice(0, this.#limit);
  }
}
