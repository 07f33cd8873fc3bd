const most = 10_000;

/** Remembers how often messages were handed over that are with their broker again, which may not count that itself. */
export class Attempts {
  readonly #made = new Map<string, number>();

  remember(id: string, attempts: number): void {
    this.#made.delete(id);
    this.#made.set(id, attempts);
    if (this.#made.size <= most) return;
    const [oldest] = this.#made.keys();
    if (oldest !== undefined) this.#made.delete(oldest);
  }

  /** Undefined: nothing is known of it. */
  take(id: string): number | undefined {
    const attempts = this.#made.get(id);
    this.#made.delete(id);
    return attempts;
  }
}
