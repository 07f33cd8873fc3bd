import { randomUUID } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { Order } from "../contract/pubsub.ts";
import type { Client } from "./client.ts";
import { type Broken, type Held, KeyLines } from "./key-lines.ts";
import type { Link } from "./link.ts";
import { Prefetch } from "./prefetch.ts";
import { type Entry, Stream } from "./stream.ts";
import { StreamAcks } from "./stream-acks.ts";
import { type ConsumerOptions, type ConsumerSettings, hasEnded } from "./stream-consumer.ts";
import { Turn } from "./turn.ts";
import { TurnReader } from "./turn-reader.ts";

export interface OrderedOptions extends ConsumerOptions {
  readonly order: Order;
  /** Key that holds whose turn it is. */
  readonly turnKey: string;
}

const failurePauseMs = 100;
const shortestTickMs = 20;
const longestTickMs = 5000;
/** A consumer without messages that has not been heard of for so long is gone. */
const silentMs = 600_000;
/** Idle beyond every processingTimeout: anybody may take it. */
const freeForAllMs = 2 ** 40;
/** Most messages that wait for others of their keys while further ones are read. */
const mostWaiting = 1000;

/**
 * One member of an ordered group. One of them works at a time, and takes over first what those before it have left; when
 * it has not been heard of for `processingTimeout`, the next one's turn begins. All that delivers messages asks in the
 * server whose turn it is.
 */
export class OrderedConsumer implements Subscription {
  readonly #settings: ConsumerSettings;
  readonly #options: OrderedOptions;
  readonly #context: OpenContext;
  readonly #namePrefix: string;
  readonly #stream: Stream;
  readonly #turn: Turn;
  readonly #reader: TurnReader;
  readonly #acks: StreamAcks;
  readonly #prefetch: Prefetch;
  readonly #timers = new Set<() => void>();
  /** In the handler, or their end is not yet told; those of former turns too. */
  readonly #active = new Set<string>();
  /** Of this turn. */
  #lines: KeyLines;
  /** Until then nobody else can work. */
  #sureUntil = 0;
  #isClosing = false;
  #isOver = false;
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  /** @param link a connection of its own, which it closes */
  constructor(client: Client, link: Link, settings: ConsumerSettings, options: OrderedOptions, context: OpenContext) {
    const { topic, group, order, turnKey } = options;
    this.#settings = settings;
    this.#options = options;
    this.#context = context;
    this.#namePrefix = `${group}-mecha-ordered-`;
    const name = `${this.#namePrefix}${randomUUID()}`;
    this.#stream = new Stream(client, topic, group, name);
    this.#turn = new Turn(client, [topic, turnKey], group, name, settings.processingTimeout);
    this.#lines = new KeyLines(order);
    this.#prefetch = new Prefetch(settings.queueDepth, context.clock);
    this.#acks = new StreamAcks(
      this.#stream,
      (ids) => this.#left(ids),
      (error, again) => this.#notAcknowledged(error, again),
    );
    const reading = {
      name: `topic ${topic} for ${group}`,
      namePrefix: this.#namePrefix,
      blockMs: settings.blockMs,
      wanted: () => this.#wanted(),
      held: () => this.#held(),
      take: (entries: readonly Entry[], asked?: number) => this.#take(entries, asked),
      onTurn: (from: number) => this.#sureFrom(from),
      onLost: () => {
        this.#lines = new KeyLines(order);
      },
    };
    this.#reader = new TurnReader(client, link, this.#stream, this.#turn, reading, context);
    this.#tick();
  }

  #wanted(): number {
    const { startable, waiting } = this.#lines;
    const wanted = this.#prefetch.wanted(this.#options.concurrency - this.#active.size, startable);
    return Math.min(wanted, mostWaiting - waiting.length);
  }

  #held(): readonly string[] {
    return [...this.#active, ...this.#lines.waiting.map(({ entry }) => entry.id)];
  }

  #take(entries: readonly Entry[], asked: number | undefined): void {
    if (asked !== undefined) this.#prefetch.taken(entries.length, asked);
    for (const entry of entries) this.#lines.add({ entry, deliveries: entry.deliveries, hasFailed: false });
    this.#advance();
  }

  // ---- handling

  #advance(): void {
    const { clock } = this.#context;
    while (this.#reader.isWorking && !this.#isClosing && this.#active.size < this.#options.concurrency) {
      // The process stood still: nothing is handed over before it is known to be its turn.
      if (clock.now() >= this.#sureUntil) break;
      const held = this.#lines.take();
      if (!held) break;
      this.#active.add(held.entry.id);
      if (hasEnded(held.entry, clock.now())) this.#settle(this.#lines, held, true);
      else this.#hand(held);
    }
    this.#reader.wake();
  }

  #hand(held: Held): void {
    const { handler, topic } = this.#options;
    const { id, data, metadata } = held.entry;
    const lines = this.#lines;
    const settle = (settled: unknown) => this.#settle(lines, held, settled === "ack");
    try {
      handler({ id, topic, data, metadata, attempt: held.deliveries }).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  /** @param lines of the turn in which it was handed over */
  #settle(lines: KeyLines, held: Held, isDone: boolean): void {
    const { id } = held.entry;
    const broken = lines.leave(held, isDone);
    if (broken) this.#later(this.#settings.redeliverInterval || failurePauseMs, () => this.#goOn(lines, broken));
    if (isDone) {
      this.#acks.add(id);
      return;
    }
    // In another turn it is an entry like those that others have left.
    if (lines !== this.#lines) this.#reader.lookForLeft();
    this.#left([id]);
  }

  #goOn(lines: KeyLines, broken: Broken): void {
    if (lines !== this.#lines || this.#isClosing) return;
    const counting = broken.failed().map(async (held) => {
      const entry = await this.#stream.redeliver(held.entry.id);
      if (entry) {
        held.deliveries = entry.deliveries;
        held.hasFailed = false;
      } else lines.forget(held);
    });
    Promise.all(counting).then(
      () => {
        broken.goOn();
        this.#advance();
      },
      () => this.#later(failurePauseMs, () => this.#goOn(lines, broken)),
    );
  }

  #left(ids: readonly string[]): void {
    for (const id of ids) this.#active.delete(id);
    this.#advance();
    if (this.#active.size === 0) this.#idle?.();
  }

  #notAcknowledged(error: unknown, again: () => void): void {
    const { topic } = this.#options;
    this.#context.log.warn(`handled messages of topic ${topic} are not acknowledged yet: ${causeText(error)}`);
    // Closing does not wait for a lost server: the messages come again.
    if (this.#isClosing) this.#left(this.#acks.giveUp());
    else this.#later(failurePauseMs, again);
  }

  // ---- keeping the turn

  #sureFrom(from: number): void {
    this.#sureUntil = from + this.#settings.processingTimeout;
    this.#advance();
  }

  /** Every now and then: says that it is still at work, and looks for what members without turns have left. */
  #tick(): void {
    const often = Math.max(shortestTickMs, Math.min(longestTickMs, this.#settings.processingTimeout / 3));
    this.#prolong()
      .catch((error: unknown) => this.#context.log.debug(`the turn is not prolonged: ${causeText(error)}`))
      .finally(() => this.#later(often, () => this.#tick()));
  }

  async #prolong(): Promise<void> {
    if (!this.#reader.isWorking) return;
    const [from, lines] = [this.#context.clock.now(), this.#lines];
    const isKept = await this.#turn.prolong();
    // Where it is over, the reader finds out by that.
    this.#reader.lookForLeft();
    if (!isKept || lines !== this.#lines) return;
    this.#sureFrom(from);
    const held = this.#held();
    if (held.length > 0) await this.#stream.renew(held);
  }

  #later(ms: number, run: () => void): void {
    if (this.#isOver) return;
    const cancel = this.#context.clock.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }

  // ---- closing

  /** Lets the handler finish, and gives the rest and the turn to the next member. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    await this.#reader.close();
    if (this.#active.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#isOver = true;
    for (const cancel of this.#timers) cancel();
    if (this.#reader.isWorking) await this.#giveBack();
    await this.#stream.forget(silentMs, this.#namePrefix).catch(() => {});
  }

  async #giveBack(): Promise<void> {
    const entries = this.#lines.waiting.map(({ entry: { id }, deliveries, hasFailed }) => ({
      id,
      deliveries: hasFailed ? deliveries : deliveries - 1,
    }));
    try {
      await this.#stream.giveBack(freeForAllMs, entries);
      await this.#turn.end();
    } catch (error) {
      const { topic } = this.#options;
      this.#context.log.warn(`messages of topic ${topic} come again after processingTimeout: ${causeText(error)}`);
    }
  }
}
