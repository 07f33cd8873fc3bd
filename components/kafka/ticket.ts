/** A message that was not taken. */
export interface Refused {
  readonly index: number;
  readonly cause: unknown;
}

/** The messages of one call, and what became of them. */
export class Ticket {
  /** When the patience of a caller ends that gave no deadline; milliseconds since 1970. */
  readonly deadline: number;
  readonly #refused: Refused[] = [];
  readonly #settled: Uint8Array;
  readonly #done = Promise.withResolvers<readonly Refused[]>();
  #open: number;
  /** The caller has left: what is on its way may be taken or not. */
  isAbandoned = false;

  constructor(count: number, deadline: number) {
    this.#open = count;
    this.#settled = new Uint8Array(count);
    this.deadline = deadline;
    if (count === 0) this.#done.resolve([]);
  }

  /** Resolves when all are settled, with those that were not taken. */
  get done(): Promise<readonly Refused[]> {
    return this.#done.promise;
  }

  taken(index: number): void {
    this.#settle(index);
  }

  refused(index: number, cause: unknown): void {
    if (this.#settled[index] === 0) this.#refused.push({ index, cause });
    this.#settle(index);
  }

  abandon(cause: unknown): void {
    this.isAbandoned = true;
    for (const index of this.#settled.keys()) this.refused(index, cause);
  }

  #settle(index: number): void {
    if (this.#settled[index] !== 0) return;
    this.#settled[index] = 1;
    this.#open -= 1;
    if (this.#open === 0) this.#done.resolve(this.#refused.sort((left, right) => left.index - right.index));
  }
}
