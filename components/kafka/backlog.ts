import type { Order } from "../contract/pubsub.ts";
import { encodeProgress, type Progress } from "./progress.ts";

/** A message as a partition holds it. */
export interface Received {
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [Buffer | null, Buffer | null])[];
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** A message that is not settled yet. */
export interface Entry extends Received {
  /** What it must not overtake others of; undefined: nothing. */
  readonly lane: string | undefined;
  /** Number of the delivery that goes on, or comes next; 1 is the first. */
  attempt: number;
}

/** So far may the handler get ahead of the first message that is not settled, in offsets. */
export const longestWindow = 2048;

/**
 * What one member holds of one partition: messages that wait, in the order in which they may be handed over, and how far
 * all before are settled. A lane is a partition key where its order counts: a message of it waits until the one before
 * is settled.
 */
export class Backlog {
  readonly partition: number;
  readonly #order: Order;
  /** Offsets that are known and not settled, and settled ones between them; ascending from #head on. */
  #offsets: number[] = [];
  #head = 0;
  readonly #settled: Set<number>;
  readonly #failures: Map<number, number>;
  #next: number;
  /** Not yet handed over, in their order from #start on. */
  #queue: Entry[] = [];
  #start = 0;
  /** May be handed over before those in the queue: failed ones whose time has come, and the next ones of their lanes. */
  readonly #ready: Entry[] = [];
  /** Lanes that hold a message which was handed over or is about to be, and what waits behind it. */
  readonly #lanes = new Map<string, Entry[]>();
  #behind = 0;
  /** Handed over or to be handed over again, by offset. */
  readonly #failed = new Map<number, Entry>();
  /** Another member has the partition. */
  isGivenUp = false;
  /** How many messages have been settled here. */
  settledCount = 0;

  constructor(partition: number, { next, settled, failures }: Progress, order: Order) {
    this.partition = partition;
    this.#next = next;
    this.#settled = new Set(settled);
    this.#failures = new Map(failures);
    this.#order = order;
  }

  /** The offset to fetch from. */
  get next(): number {
    return this.#next;
  }

  /** How many messages wait to be handed over. */
  get waiting(): number {
    return this.#queue.length - this.#start + this.#ready.length + this.#behind;
  }

  /** All before are settled. */
  get low(): number {
    return this.#offsets[this.#head] ?? this.#next;
  }

  /**
   * Takes what was fetched, in its order. What comes twice and what was settled before is left out.
   * @param next the offset after all of it, with what is no message
   */
  add(received: readonly Received[], next: number): void {
    for (const one of received) {
      const { offset } = one;
      if (offset < this.#next) continue;
      this.#offsets.push(offset);
      if (this.#settled.has(offset)) continue;
      const attempt = (this.#failures.get(offset) ?? 0) + 1;
      const entry: Entry = { ...one, lane: this.#laneOf(one), attempt };
      this.#failures.delete(offset);
      if (attempt > 1) this.#failed.set(offset, entry);
      this.#queue.push(entry);
      this.#next = offset + 1;
    }
    this.#next = Math.max(this.#next, next);
    this.#advance();
  }

  #laneOf({ key }: Received): string | undefined {
    if (this.#order === "topic") return "";
    return this.#order === "none" || key === null ? undefined : key.toString("latin1");
  }

  /** The next message to hand over; undefined: there is none now. */
  take(): Entry | undefined {
    const ready = this.#ready.shift();
    if (ready) return ready;
    for (;;) {
      const entry = this.#queue[this.#start];
      if (!entry || entry.offset >= this.low + longestWindow) return undefined;
      this.#start += 1;
      if (this.#start === this.#queue.length || this.#start >= 1024) {
        this.#queue = this.#queue.slice(this.#start);
        this.#start = 0;
      }
      if (entry.lane === undefined) return entry;
      const behind = this.#lanes.get(entry.lane);
      if (!behind) {
        this.#lanes.set(entry.lane, []);
        return entry;
      }
      behind.push(entry);
      this.#behind += 1;
    }
  }

  /** The message is done, never to come again. */
  settle(entry: Entry): void {
    this.#settled.add(entry.offset);
    this.#failed.delete(entry.offset);
    this.settledCount += 1;
    this.#advance();
    if (entry.lane === undefined) return;
    const next = this.#lanes.get(entry.lane)?.shift();
    if (next) {
      this.#behind -= 1;
      this.#ready.push(next);
    } else this.#lanes.delete(entry.lane);
  }

  /** The message is to come again; what follows it in its lane waits on. */
  fail(entry: Entry): void {
    entry.attempt += 1;
    this.#failed.set(entry.offset, entry);
  }

  /** The time of a failed message has come. */
  retry(entry: Entry): void {
    this.#ready.push(entry);
  }

  #advance(): void {
    for (let offset = this.#offsets[this.#head]; offset !== undefined; offset = this.#offsets[this.#head]) {
      if (!this.#settled.delete(offset)) break;
      this.#head += 1;
    }
    if (this.#head < 1024 && this.#head < this.#offsets.length) return;
    this.#offsets = this.#offsets.slice(this.#head);
    this.#head = 0;
  }

  /** What the group is to know: the next member of it goes on from there. */
  progress(): { readonly offset: number; readonly metadata: string } {
    const offset = this.low;
    // What a predecessor has told of and the topic no longer has.
    for (const one of this.#settled) if (one < offset) this.#settled.delete(one);
    for (const one of this.#failures.keys()) if (one < offset) this.#failures.delete(one);
    if (this.#settled.size + this.#failed.size + this.#failures.size === 0) return { offset, metadata: "" };
    const failures = [
      ...this.#failures,
      ...[...this.#failed.values()].map((one) => [one.offset, one.attempt - 1] as const),
    ];
    return { offset, metadata: encodeProgress(offset, this.#settled, failures) };
  }
}
