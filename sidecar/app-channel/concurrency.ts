/** Gives a place back; calling it again does nothing. */
export type Release = () => void;

const nothing: Release = () => {};

/** A fixed number of places for calls to the app, given in the order in which they were asked for. */
export class Concurrency {
  readonly #max: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  /** 0: unlimited. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Calls that wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves with a place, or rejects with the signal's reason when that comes first. */
  take(signal: AbortSignal | undefined): Promise<Release> {
    if (this.#max === 0) return Promise.resolve(nothing);
    if (this.#taken < this.#max) {
      this.#taken++;
      return Promise.resolve(this.#place());
    }
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const enter = () => {
        signal?.removeEventListener("abort", leave);
        resolve(this.#place());
      };
      const leave = () => {
        this.#waiting.delete(enter);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.add(enter);
    });
  }

  #place(): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = this.#waiting;
      if (next === undefined) {
        this.#taken--;
        return;
      }
      // The place goes over to the one that waits longest, so nobody who comes now can overtake it.
      this.#waiting.delete(next);
      next();
    };
  }
}
