import type { Clock } from "../contract/driver.ts";

/** A batch that lasts shorter is too small, one that lasts longer takes messages away from other members of the group. */
const shortMs = 50;
const longMs = 500;
const most = 512;
const firstStep = 8;

/** Decides how many messages to take at once: none in advance while handlers are slow, many while they are fast. */
export class Prefetch {
  readonly #limit: number;
  readonly #clock: Clock;
  #ahead = 0;
  #takenAt = Number.NEGATIVE_INFINITY;

  /** @param limit most messages to hold in advance */
  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /**
   * How many messages to take when `free` may start at once.
   * @param startable how many of those that are held could start
   * @param held how many wait for a start
   */
  wanted(free: number, startable: number, held: number): number {
    if (held <= this.#ahead / 2) return Math.min(free + this.#ahead - held, most);
    // What is held waits for its keys: messages of other keys may be had, though not without end.
    if (startable < free && held < this.#limit + most) return free - startable;
    return 0;
  }

  /** Notes a batch of `count` messages where `asked` were wanted. */
  taken(count: number, asked: number): void {
    const now = this.#clock.now();
    const lasted = now - this.#takenAt;
    this.#takenAt = now;
    if (lasted > longMs) this.#ahead = this.#ahead > firstStep ? this.#ahead >>> 1 : 0;
    else if (lasted < shortMs && count === asked) {
      this.#ahead = Math.min(Math.max(this.#ahead * 2, firstStep), this.#limit);
    }
  }
}
