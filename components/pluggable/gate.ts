/** Lets so many through at once; the others wait in the order in which they came, unless they leave before. */
export class Gate {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves when there is a place, which `leave` gives back; rejects with the signal's reason, and then there is none. */
  enter(signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free -= 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#waiting.delete(take);
        signal?.removeEventListener("abort", quit);
        done();
      };
      const take = () => settle(resolve);
      const quit = () => settle(() => reject(signal?.reason));
      this.#waiting.add(take);
      signal?.addEventListener("abort", quit, { once: true });
    });
  }

  leave(): void {
    const [next] = this.#waiting;
    if (next) next();
    else this.#free += 1;
  }
}
