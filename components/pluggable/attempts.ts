/** So many messages that were not acknowledged are remembered. */
const most = 10_000;

/** Counts the deliveries of messages, which the wire does not. */
export class Attempts {
  readonly #counts = new Map<string, number>();

  /** The number of this delivery: 1 for the first. */
  next(key: string): number {
    const attempt = (this.#counts.get(key) ?? 0) + 1;
    // Last is what was seen last.
    this.#counts.delete(key);
    this.#counts.set(key, attempt);
    if (this.#counts.size > most) this.#forgetOldest();
    return attempt;
  }

  forget(key: string): void {
    this.#counts.delete(key);
  }

  #forgetOldest(): void {
    for (const key of this.#counts.keys()) return void this.#counts.delete(key);
  }
}
