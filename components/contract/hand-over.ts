import type { Clock } from "./driver.ts";
import type { Order, Settle } from "./pubsub.ts";

/**
 * How drivers hand messages over that a broker has pushed to them: in their order, to the members of a group, no more
 * at once than each member takes, and again after a pause where that is asked for. A message that waits for its next
 * attempt does not hold up others, unless an order ties them to it. Knows no broker.
 */
export interface HandOverOptions<M> {
  readonly order?: Order;
  /** What orders a message in the order `key`; undefined: nothing does. */
  keyOf(message: M): string | undefined;
  /** Asked right before a message is handed over; false: it is not, and is forgotten. */
  admit(message: M): boolean;
  /** A handler has settled a message after so many attempts; true: it is to be handed over again after `pauseMs`. */
  settled(message: M, settle: Settle, attempts: number): boolean;
  readonly pauseMs: number;
  readonly clock: Clock;
}

export interface Member<M> {
  /** Most messages with it at once. */
  readonly concurrency: number;
  /** A rejection counts as `retry`. @param attempt 1 the first time */
  handle(message: M, attempt: number): Promise<Settle>;
}

interface Held<M> {
  readonly message: M;
  readonly position: number;
  attempts: number;
}

class Seat<M> {
  active = 0;
  isLeaving = false;
  idle: (() => void) | undefined;
  readonly member: Member<M>;

  constructor(member: Member<M>) {
    this.member = member;
  }
}

export class HandOver<M> {
  /** May change while there is no member. */
  order: Order;
  readonly #options: HandOverOptions<M>;
  readonly #seats: Seat<M>[] = [];
  /** By position. */
  #ready: Held<M>[] = [];
  readonly #waiting = new Map<Held<M>, () => void>();
  #next = 0;
  #turn = 0;

  constructor(options: HandOverOptions<M>) {
    this.order = options.order ?? "none";
    this.#options = options;
  }

  /** Messages that wait for their next attempt. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes the next message of the broker. @param attempts made before, by whomever */
  add(message: M, attempts = 0): void {
    this.#ready.push({ message, position: this.#next++, attempts });
    this.#advance();
  }

  /**
   * Lets a member have messages, beside the others. In an order the first one gets all, and the next one follows it.
   * @returns ends that, and settles when none is with it any more
   */
  join(member: Member<M>): () => Promise<void> {
    const seat = new Seat(member);
    this.#seats.push(seat);
    this.#advance();
    return async () => {
      seat.isLeaving = true;
      if (seat.active > 0) await new Promise<void>((resolve) => (seat.idle = resolve));
      const at = this.#seats.indexOf(seat);
      if (at >= 0) this.#seats.splice(at, 1);
      this.#advance();
    };
  }

  /** Forgets the messages that are with no member; `each` is told of them in their order. */
  clear(each: (message: M, attempts: number) => void): void {
    for (const cancel of this.#waiting.values()) cancel();
    const all = [...this.#ready, ...this.#waiting.keys()].sort((left, right) => left.position - right.position);
    this.#ready = [];
    this.#waiting.clear();
    for (const { message, attempts } of all) each(message, attempts);
  }

  #advance(): void {
    for (let seat = this.#freeSeat(); seat; seat = this.#freeSeat()) {
      const at = this.#ready.findIndex((held) => !this.#isBlocked(held));
      const [held] = at < 0 ? [] : this.#ready.splice(at, 1);
      if (!held) break;
      if (this.#options.admit(held.message)) void this.#hand(held, seat);
    }
  }

  #freeSeat(): Seat<M> | undefined {
    if (this.#ready.length === 0) return undefined;
    const isFree = (seat: Seat<M>) => !seat.isLeaving && seat.active < seat.member.concurrency;
    if (this.order !== "none") {
      // One that leaves keeps its place until nothing is with it.
      const first = this.#seats[0];
      return first && isFree(first) ? first : undefined;
    }
    for (let tried = 0; tried < this.#seats.length; tried += 1) {
      this.#turn = (this.#turn + 1) % this.#seats.length;
      const seat = this.#seats[this.#turn];
      if (seat && isFree(seat)) return seat;
    }
    return undefined;
  }

  /** Whether an earlier message of its kind waits for its next attempt. */
  #isBlocked({ message, position }: Held<M>): boolean {
    if (this.order === "none" || this.#waiting.size === 0) return false;
    const keyOf = this.order === "topic" ? () => "" : this.#options.keyOf;
    const key = keyOf(message);
    if (key === undefined) return false;
    return this.#waiting.keys().some((other) => other.position < position && keyOf(other.message) === key);
  }

  async #hand(held: Held<M>, seat: Seat<M>): Promise<void> {
    seat.active += 1;
    held.attempts += 1;
    const settle = await seat.member.handle(held.message, held.attempts).catch(() => "retry" as const);
    seat.active -= 1;
    if (this.#options.settled(held.message, settle, held.attempts)) this.#handLater(held);
    if (seat.active === 0) seat.idle?.();
    this.#advance();
  }

  #handLater(held: Held<M>): void {
    const { clock, pauseMs } = this.#options;
    const cancel = clock.after(pauseMs, () => {
      this.#waiting.delete(held);
      const at = this.#ready.findIndex(({ position }) => position > held.position);
      this.#ready.splice(at < 0 ? this.#ready.length : at, 0, held);
      this.#advance();
    });
    this.#waiting.set(held, cancel);
  }
}
