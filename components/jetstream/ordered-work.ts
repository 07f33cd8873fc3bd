import { causeText } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { Order } from "../contract/pubsub.ts";
import type { StoredMessage, StreamInfo } from "./api.ts";
import { ackWaitOf, type DurableSettings, openReader } from "./durables.ts";
import { isApiError, NoAnswerError, NoResponderError } from "./failures.ts";
import type { ConsumerOptions } from "./group-consumer.ts";
import type { GroupPlace, Kept, Place } from "./group-place.ts";
import { type Held, KeyLines } from "./key-lines.ts";
import type { Link } from "./link.ts";
import { type Delivered, fromStored, hasEnded, toIncoming } from "./message.ts";
import { Puller } from "./puller.ts";

export interface OrderedOptions extends ConsumerOptions {
  readonly order: Order;
  readonly place: GroupPlace;
  /** Makes what the places are kept in, where it is missing. */
  readonly makePlaces: (call: Call) => Promise<void>;
  /** Name of this member. */
  readonly member: string;
}

const failurePauseMs = 200;
const readAtOnce = 32;
/** Most messages that wait for others of their keys while further ones are read. */
const mostWaiting = 1000;
/** For this part of the time after which others take over, a member that cannot write its place goes on. */
const sureShare = 0.7;

/**
 * The work of the member of an ordered group whose turn it is: reads on in the stream, hands over in order, and writes
 * the group's place after what was settled. It ends when another member has written the place, or when it is closed.
 */
export class OrderedWork {
  readonly #link: Link;
  readonly #settings: DurableSettings;
  readonly #options: OrderedOptions;
  readonly #context: OpenContext;
  readonly #lines: KeyLines;
  readonly #puller: Puller;
  readonly #timers = new Set<() => void>();
  readonly #stopListening: () => void;
  /** All that is read and not kept as settled, by number. */
  readonly #held = new Map<number, Held>();
  /** In the handler, or settled and not yet kept as such. */
  readonly #active = new Set<Held>();
  readonly #ended: Promise<void>;
  #settled: Held[] = [];
  #kept: Kept;
  #read: number;
  /** Of the messages that the reader delivered, the last one's turn; they are without a gap. */
  #turn = 0;
  /** Reads anew when something may have been missed. */
  #reader: "reading" | "opening" = "reading";
  #writing: Promise<void> | undefined;
  #isDirty = false;
  /** When the last write began that is known to be kept. */
  #sureAt: number;
  #state: "working" | "closing" | "over" = "working";
  #end = () => {};
  readonly #whenIdle: (() => void)[] = [];

  /** @param kept the place, which this member has written to be its own, beginning at `kept.at` */
  constructor(
    link: Link,
    settings: DurableSettings,
    options: OrderedOptions,
    kept: Kept & { readonly at: number },
    context: OpenContext,
  ) {
    this.#link = link;
    this.#settings = settings;
    this.#options = options;
    this.#context = context;
    this.#kept = kept;
    this.#read = kept.place.read;
    this.#sureAt = kept.at;
    this.#lines = new KeyLines(options.order);
    this.#ended = new Promise((resolve) => (this.#end = resolve));
    const pulling = {
      stream: options.group.stream,
      wanted: () => this.#wanted(),
      take: (message: Delivered) => this.#take(message),
      onSilence: () => this.#openReader(),
      heartbeatMs: settings.heartbeat,
      bitsPerSecond: settings.rateLimit,
    };
    this.#puller = new Puller(link, pulling, context.clock);
    this.#stopListening = link.onBack(() => this.#openReader());
    this.#renewLater();
    this.#openReader();
  }

  /** Settles when the turn is over and nothing of it is in the handler any more. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  // ---- reading

  #wanted(): number {
    if (this.#state !== "working" || this.#lines.waiting.length >= mostWaiting) return 0;
    return Math.max(0, this.#options.concurrency - this.#active.size - this.#lines.startable);
  }

  #openReader(): void {
    if (this.#reader === "opening" || this.#state !== "working") return;
    this.#reader = "opening";
    this.#puller.stop();
    this.#openOnce().then(
      () => {
        this.#reader = "reading";
        this.#advance();
      },
      (error: unknown) => {
        const { topic } = this.#options.group;
        this.#context.log.warn(`topic ${topic} cannot be read for now: ${causeText(error)}`);
        this.#reader = "reading";
        this.#later(failurePauseMs, () => this.#openReader());
      },
    );
  }

  async #openOnce(): Promise<void> {
    const { group } = this.#options;
    const { created } = await this.#link.api<StreamInfo>(`STREAM.INFO.${group.stream}`, {}, {});
    if (created !== this.#kept.place.born) {
      this.#over();
      return;
    }
    await this.#readOpen();
    const reader = await openReader(this.#link, group, this.#settings, this.#read + 1, {});
    this.#turn = 0;
    if (this.#state === "working") this.#puller.start(reader.name);
  }

  /** What the member before has left unsettled. */
  async #readOpen(): Promise<void> {
    const missing = this.#kept.place.open.filter(([seq]) => !this.#held.has(seq));
    for (let at = 0; at < missing.length; at += readAtOnce) {
      const found = await Promise.all(
        missing.slice(at, at + readAtOnce).map(([seq, times]) => this.#readOne(seq, times)),
      );
      for (const held of found) if (held) this.#hold(held);
    }
    // Those that the stream has dropped meanwhile are not open any more.
    this.#kept = { ...this.#kept, place: { ...this.#kept.place, open: [] } };
  }

  async #readOne(seq: number, attempts: number): Promise<Held | undefined> {
    try {
      const name = `STREAM.MSG.GET.${this.#options.group.stream}`;
      const { message } = await this.#link.api<{ readonly message: StoredMessage }>(name, { seq }, {});
      return { ...fromStored(message), attempts };
    } catch (error) {
      if (isApiError(error, "noMessage")) return undefined;
      throw error;
    }
  }

  #take(message: Delivered): void {
    if (message.turn !== this.#turn + 1) {
      // Some went into a connection that was lost.
      this.#openReader();
      return;
    }
    this.#turn = message.turn;
    this.#read = message.seq;
    this.#hold({ ...message, attempts: 0 });
    this.#advance();
  }

  #hold(held: Held): void {
    this.#held.set(held.seq, held);
    this.#lines.add(held);
  }

  // ---- handling

  #isSure(): boolean {
    return this.#context.clock.now() - this.#sureAt < ackWaitOf(this.#settings) * sureShare;
  }

  #advance(): void {
    if (this.#reader === "opening") return;
    while (this.#state === "working" && this.#active.size < this.#options.concurrency && this.#isSure()) {
      const held = this.#lines.take();
      if (!held) break;
      this.#active.add(held);
      if (hasEnded(held, this.#context.clock.now())) this.#left(held, true);
      else this.#hand(held);
    }
    this.#puller.ask();
  }

  #hand(held: Held): void {
    const { maxDeliver = -1, ackPolicy } = this.#settings;
    held.attempts += 1;
    const settle = (settled: unknown) => {
      const isLast = maxDeliver > 0 && held.attempts >= maxDeliver;
      const isDone = settled === "ack" || ackPolicy === "none" || isLast;
      if (isLast && settled !== "ack") {
        const { topic } = this.#options.group;
        this.#context.log.warn(`message ${held.seq} of topic ${topic} is dropped after ${held.attempts} attempts`);
      }
      this.#left(held, isDone);
    };
    try {
      this.#options.handler(toIncoming(held, held.attempts)).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  #left(held: Held, isDone: boolean): void {
    if (this.#state === "over") {
      this.#active.delete(held);
      this.#freed();
      return;
    }
    const goOn = this.#lines.leave(held, isDone);
    if (goOn) {
      const first = this.#options.pauseAfter(held.attempts);
      this.#later(first, () => {
        goOn();
        this.#advance();
      });
    }
    if (isDone) this.#settled.push(held);
    else this.#active.delete(held);
    // A failure is kept too: how often it was handed over.
    this.#write();
    if (!isDone) this.#freed();
  }

  #freed(): void {
    if (this.#active.size === 0) for (const run of this.#whenIdle.splice(0)) run();
    this.#advance();
  }

  // ---- keeping the place

  #place(owner: string, settled: readonly Held[]): Place {
    const done = new Set(settled.map(({ seq }) => seq));
    const unread = this.#kept.place.open.filter(([seq]) => !this.#held.has(seq));
    const held = [...this.#held.values()].map(({ seq, attempts }) => [seq, attempts] as const);
    const open = [...unread, ...held].filter(([seq]) => !done.has(seq)).sort(([left], [right]) => left - right);
    return { owner, born: this.#kept.place.born, read: this.#read, open };
  }

  /** Those that are settled while a write is under way go along with the next one. */
  #write(): void {
    if (this.#state === "over") return;
    this.#isDirty = true;
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    // Those that end in the same turn go along.
    await Promise.resolve();
    while (this.#isDirty && this.#state !== "over") {
      this.#isDirty = false;
      const settled = this.#settled;
      this.#settled = [];
      const startedAt = this.#context.clock.now();
      try {
        await this.#put(this.#place(this.#options.member, settled));
        this.#sureAt = startedAt;
        this.#written(settled);
      } catch (error) {
        this.#settled.unshift(...settled);
        this.#isDirty = true;
        await this.#notWritten(error);
      }
    }
    // In the same step as the look at what is to be written, so that nothing comes between.
    this.#writing = undefined;
  }

  #written(settled: readonly Held[]): void {
    const numbers = new Set(settled.map(({ seq }) => seq));
    for (const held of settled) {
      this.#held.delete(held.seq);
      this.#active.delete(held);
    }
    const open = this.#kept.place.open.filter(([seq]) => !numbers.has(seq));
    this.#kept = { ...this.#kept, place: { ...this.#kept.place, open } };
    this.#freed();
  }

  async #put(place: Place): Promise<void> {
    const revision = await this.#options.place.put(place, this.#kept.revision, {});
    this.#kept = { place: { ...this.#kept.place, owner: place.owner }, revision };
  }

  async #notWritten(error: unknown): Promise<void> {
    const { group, place, member } = this.#options;
    if (isApiError(error, "wrongLastSequence")) {
      const now = await place.find({}).catch(() => this.#kept);
      // A write of ours whose answer was lost.
      if (now?.place.owner === member) this.#kept = { ...this.#kept, revision: now.revision };
      else {
        this.#context.log.warn(
          `another member has taken over topic ${group.topic}; what was in work comes again there`,
        );
        this.#over();
        return;
      }
    } else {
      this.#context.log.debug(`the place in topic ${group.topic} is not written yet: ${causeText(error)}`);
      // Closing does not wait for a lost server: what was settled comes again. A place that is gone is made in a new turn.
      if (this.#state === "closing" || (await this.#isPlaceGone(error))) {
        this.#over();
        return;
      }
    }
    await new Promise<void>((resolve) => this.#context.clock.after(failurePauseMs, resolve));
  }

  /** A write to a stream that is gone has no answer: the members listen at its subject, so that somebody seems to be there. */
  async #isPlaceGone(error: unknown): Promise<boolean> {
    if (!(error instanceof NoAnswerError || error instanceof NoResponderError)) return false;
    return (await this.#options.place.find({}).catch(() => this.#kept)) === undefined;
  }

  #renewLater(): void {
    this.#later(ackWaitOf(this.#settings) / 3, () => {
      this.#write();
      this.#renewLater();
    });
  }

  #later(ms: number, run: () => void): void {
    if (this.#state === "over") return;
    const cancel = this.#context.clock.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }

  // ---- ending

  /** The turn is over: what the handler still has does not count any more. */
  #over(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#stopListening();
    this.#puller.stop();
    for (const cancel of this.#timers) cancel();
    const settled = new Set(this.#settled);
    this.#settled = [];
    for (const held of settled) this.#active.delete(held);
    // Whoever closes waits for those that have just gone.
    this.#freed();
    void this.#untilIdle().then(() => this.#end());
  }

  async #untilIdle(): Promise<void> {
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Lets the handler finish and leaves the rest to the next member. Idempotent. */
  async close(): Promise<void> {
    if (this.#state !== "working") return this.#ended;
    this.#state = "closing";
    this.#puller.stop();
    await this.#untilIdle();
    for (const cancel of this.#timers) cancel();
    await this.#writing;
    if (this.#isWorkingOrClosing()) {
      try {
        await this.#put(this.#place("", []));
      } catch (error) {
        const { topic } = this.#options.group;
        this.#context.log.warn(`other members take over topic ${topic} after ackWait only: ${causeText(error)}`);
      }
      this.#over();
    }
    await this.#ended;
  }

  /** Asked by a method of its own, because the state may have changed while something was awaited. */
  #isWorkingOrClosing(): boolean {
    return this.#state !== "over";
  }
}
