/** The values that were asked for last, made when they are first asked for. */
export class Recent<T> {
  readonly #limit: number;
  readonly #make: (key: string) => T;
  readonly #drop: (value: T) => void;
  /** Least recently used first. */
  readonly #values = new Map<string, T>();
  #last: { readonly key: string; readonly value: T } | undefined;

  /** Keeps at most `limit` values, at least one; `drop` is given each that is let go. */
  constructor(limit: number, make: (key: string) => T, drop: (value: T) => void = () => {}) {
    this.#limit = Math.max(1, limit);
    this.#make = make;
    this.#drop = drop;
  }

  get(key: string): T {
    if (this.#last?.key === key) return this.#last.value;
    const known = this.#values.get(key);
    // Taken out and put back, it stands last.
    if (known !== undefined) this.#values.delete(key);
    const value = known ?? this.#make(key);
    this.#values.set(key, value);
    this.#last = { key, value };
    if (this.#values.size > this.#limit) this.#dropOldest();
    return value;
  }

  #dropOldest(): void {
    for (const [key, value] of this.#values) {
      this.#values.delete(key);
      this.#drop(value);
      return;
    }
  }
}
