import type { IncomingMessage, Order } from "../contract/pubsub.ts";
import { Fifo } from "./fifo.ts";

/** A message on its way to one group. */
export interface Delivery {
  readonly message: Omit<IncomingMessage, "attempt">;
  /** Milliseconds since 1970 after which it is not delivered; undefined: never. */
  readonly expiresAt: number | undefined;
  readonly attempt: number;
}

/** The unsettled messages of one key, but for those that nobody has come to yet. */
interface Line {
  readonly key: string;
  waiting: Fifo<Delivery>;
  /** Who has some of them in the handler; nobody else gets one. */
  holder: object | undefined;
  held: number;
  /** To be delivered again. While there are some, the line rests. */
  again: Delivery[];
  /** Number of the first that was handed back since the line was last free. */
  failed: number;
}

/** What is to be done about a line whose messages are to be delivered again, now that none of it is in the handler. */
interface Rest {
  /** How often the first of them has been delivered. */
  readonly attempts: number;
  /** Lets the line go on from there. */
  end(): void;
}

const numberOf = ({ message }: Delivery) => Number(message.id);

/** Keeps the messages of each key in their order: one member at a time has some, and none of them overtakes another. */
export class Lines {
  readonly order: Order;
  readonly #lines = new Map<string, Line>();
  /** Lines that anybody may take from. */
  readonly #open = new Set<Line>();
  /** Lines that only the member may take from. */
  readonly #own = new Map<object, Set<Line>>();
  #size = 0;

  constructor(order: Order) {
    this.order = order;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#size;
  }

  /** The next message for the member among those that have waited. */
  next(member: object): Delivery | undefined {
    const own = this.#own.get(member)?.values().next().value;
    const line = own ?? this.#open.values().next().value;
    const delivery = line?.waiting.shift();
    if (!line || !delivery) return undefined;
    this.#size -= 1;
    // The others get their turn.
    this.#own.get(member)?.delete(line);
    this.#take(line, member);
    return delivery;
  }

  /** Whether others of the same key matter to the message. */
  orders(delivery: Delivery): boolean {
    return this.#keyOf(delivery) !== undefined;
  }

  /** Whether the member may have a message right now, which is then with it; else the message waits here. */
  admit(delivery: Delivery, member: object): boolean {
    const key = this.#keyOf(delivery);
    if (key === undefined) return true;
    let line = this.#lines.get(key);
    if (!line) {
      line = { key, waiting: new Fifo(), holder: undefined, held: 0, again: [], failed: Number.POSITIVE_INFINITY };
      this.#lines.set(key, line);
    }
    const isFree = line.holder === undefined || line.holder === member;
    if (isFree && line.waiting.length === 0 && line.again.length === 0) {
      this.#take(line, member);
      return true;
    }
    line.waiting.push(delivery);
    this.#size += 1;
    this.#sort(line);
    return false;
  }

  #keyOf({ message }: Delivery): string | undefined {
    return this.order === "topic" ? "" : message.metadata["partitionKey"] || undefined;
  }

  #take(line: Line, member: object): void {
    line.holder = member;
    line.held += 1;
    this.#sort(line);
  }

  /** Puts the line where those look who may take from it. */
  #sort(line: Line): void {
    const { holder } = line;
    const isReady = line.waiting.length > 0 && line.again.length === 0;
    if (isReady && holder === undefined) this.#open.add(line);
    else this.#open.delete(line);
    if (holder === undefined) return;
    const own = this.#own.get(holder) ?? new Set();
    if (isReady && line.held > 0) this.#own.set(holder, own.add(line));
    else if (own.delete(line) && own.size === 0) this.#own.delete(holder);
  }

  /** Whether a message was handed back because one before it was: it has not been tried by itself. */
  isBehind(delivery: Delivery): boolean {
    const line = this.#lines.get(this.#keyOf(delivery) ?? "");
    return line !== undefined && line.failed < numberOf(delivery);
  }

  /**
   * A message leaves the handler.
   * @param again what is to be delivered in its place; undefined after a failure: it has been tried often enough
   */
  settle(delivery: Delivery, isDone: boolean, again: Delivery | undefined): Rest | undefined {
    const line = this.#lines.get(this.#keyOf(delivery) ?? "");
    if (!line) return undefined;
    line.held -= 1;
    if (!isDone) line.failed = Math.min(line.failed, numberOf(delivery));
    if (again) {
      line.again.push(again);
      this.#size += 1;
    }
    this.#sort(line);
    if (line.held > 0) return undefined;
    line.holder = undefined;
    line.failed = Number.POSITIVE_INFINITY;
    const first = line.again.sort((left, right) => numberOf(left) - numberOf(right))[0];
    if (first) return { attempts: first.attempt - 1, end: () => this.#goOn(line) };
    if (line.waiting.length === 0) this.#lines.delete(line.key);
    this.#sort(line);
    return undefined;
  }

  #goOn(line: Line): void {
    const waiting = new Fifo<Delivery>();
    for (const delivery of line.again.splice(0)) waiting.push(delivery);
    for (let next = line.waiting.shift(); next; next = line.waiting.shift()) waiting.push(next);
    line.waiting = waiting;
    this.#sort(line);
  }

  /** Takes out one of those that have waited longest. */
  drop(): Delivery | undefined {
    for (const line of this.#lines.values()) {
      const delivery = line.waiting.shift();
      if (!delivery) continue;
      this.#size -= 1;
      this.#sort(line);
      return delivery;
    }
    return undefined;
  }

  /** Takes out all that waits, in its order. */
  clear(): readonly Delivery[] {
    const all: Delivery[] = [];
    for (const line of this.#lines.values()) {
      all.push(...line.again.splice(0));
      for (let next = line.waiting.shift(); next; next = line.waiting.shift()) all.push(next);
      this.#sort(line);
    }
    this.#size = 0;
    return all.sort((left, right) => numberOf(left) - numberOf(right));
  }
}
