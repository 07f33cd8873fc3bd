interface Waiting<T> {
  readonly entry: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What became of the entries of one request: those that failed, by their places. */
export type Failures = ReadonlyMap<number, unknown>;

/** Sends entries that are added in one turn of the event loop together, as many at once as a request takes. */
export class Batches<T> {
  readonly #limit: number;
  readonly #send: (entries: readonly T[]) => Promise<Failures>;
  #waiting: Waiting<T>[] = [];

  constructor(limit: number, send: (entries: readonly T[]) => Promise<Failures>) {
    this.#limit = limit;
    this.#send = send;
  }

  /** Settles with what became of the entry. */
  add(entry: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < all.length; at += this.#limit) {
      const some = all.slice(at, at + this.#limit);
      this.#send(some.map(({ entry }) => entry)).then(
        (failures) => {
          for (const [index, { resolve, reject }] of some.entries()) {
            if (failures.has(index)) reject(failures.get(index));
            else resolve();
          }
        },
        (error: unknown) => {
          for (const { reject } of some) reject(error);
        },
      );
    }
  }
}
