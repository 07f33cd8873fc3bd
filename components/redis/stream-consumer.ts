import { randomUUID } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import type { Client } from "./client.ts";
import type { Link } from "./link.ts";
import { Prefetch } from "./prefetch.ts";
import { type Entry, Stream } from "./stream.ts";
import { StreamAcks } from "./stream-acks.ts";
import { StreamReader } from "./stream-reader.ts";

export interface ConsumerSettings {
  readonly redeliverInterval: number;
  readonly processingTimeout: number;
  readonly queueDepth: number;
  readonly blockMs: number;
}

export interface ConsumerOptions {
  readonly topic: string;
  readonly group: string;
  readonly concurrency: number;
  readonly handler: MessageHandler;
}

/** `buffered`: not yet in the handler; `active`: in it, or its end is not yet told; `waiting`: for its next attempt. */
type Held = { readonly entry: Entry; state: "buffered" | "active" | "waiting" };

const failurePauseMs = 100;
const shortestTickMs = 20;
const longestTickMs = 5000;
/** A consumer without messages that has not been heard of for so long is gone. */
const silentMs = 600_000;
/** Idle beyond every processingTimeout: anybody may take it. */
const freeForAllMs = 2 ** 40;

/**
 * One subscription: a consumer of its own in the group. It reads ahead, hands entries to the handler and acknowledges
 * those that are handled. An entry's place in the handler is free again when the server has its acknowledgement, so that
 * after a crash no more messages come twice than were in the handler. A failed entry stays pending and is delivered again
 * after `redeliverInterval`; what a vanished consumer held, after `processingTimeout`.
 */
export class StreamConsumer implements Subscription {
  readonly #settings: ConsumerSettings;
  readonly #options: ConsumerOptions;
  readonly #context: OpenContext;
  readonly #namePrefix: string;
  readonly #stream: Stream;
  readonly #reader: StreamReader;
  readonly #acks: StreamAcks;
  readonly #prefetch: Prefetch;
  readonly #held = new Map<string, Held>();
  readonly #timers = new Set<() => void>();
  #buffer: Held[] = [];
  #active = 0;
  #isClosing = false;
  #isOver = false;
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  /** @param link a connection of its own, which it closes */
  constructor(client: Client, link: Link, settings: ConsumerSettings, options: ConsumerOptions, context: OpenContext) {
    const { topic, group } = options;
    this.#settings = settings;
    this.#options = options;
    this.#context = context;
    this.#namePrefix = `${group}-mecha-`;
    this.#stream = new Stream(client, topic, group, `${this.#namePrefix}${randomUUID()}`);
    this.#prefetch = new Prefetch(settings.queueDepth, context.clock);
    this.#acks = new StreamAcks(
      this.#stream,
      (ids) => this.#done(ids),
      (error, again) => this.#notAcknowledged(error, again),
    );
    const reading = {
      name: `topic ${topic} for ${group}`,
      blockMs: settings.blockMs,
      wanted: () => this.#prefetch.wanted(options.concurrency - this.#active, this.#buffer.length),
      held: () => [...this.#held.keys()],
      take: (entries: readonly Entry[], asked?: number) => {
        if (asked !== undefined && entries.length > 0) this.#prefetch.taken(entries.length, asked);
        this.#take(entries);
      },
    };
    this.#reader = new StreamReader(client, link, this.#stream, reading, context);
    this.#tick();
  }

  #take(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // Taken over from ourselves after a standstill: it is in the handler, or waits for its time.
      if (this.#held.has(entry.id)) continue;
      const held: Held = { entry, state: "buffered" };
      this.#held.set(entry.id, held);
      this.#buffer.push(held);
    }
    this.#advance();
  }

  // ---- handling

  #advance(): void {
    while (!this.#isClosing && this.#active < this.#options.concurrency) {
      const held = this.#buffer.shift();
      if (!held) break;
      held.state = "active";
      this.#active += 1;
      if (hasEnded(held.entry, this.#context.clock.now())) this.#acks.add(held.entry.id);
      else this.#hand(held);
    }
    this.#reader.wake();
  }

  #hand(held: Held): void {
    const { handler, topic } = this.#options;
    const { id, data, metadata, deliveries } = held.entry;
    const settle = (settled: unknown) => {
      if (settled === "ack") this.#acks.add(id);
      else this.#wait(held);
    };
    try {
      handler({ id, topic, data, metadata, attempt: deliveries }).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  #done(ids: readonly string[]): void {
    for (const id of ids) this.#held.delete(id);
    this.#left(ids.length);
  }

  #left(count: number): void {
    this.#active -= count;
    this.#advance();
    if (this.#active === 0) this.#idle?.();
  }

  #notAcknowledged(error: unknown, again: () => void): void {
    const { topic } = this.#options;
    this.#context.log.warn(`handled messages of topic ${topic} are not acknowledged yet: ${causeText(error)}`);
    // Closing does not wait for a lost server: the messages come again.
    if (this.#isClosing) this.#done(this.#acks.giveUp());
    else this.#later(failurePauseMs, again);
  }

  // ---- delivering again

  #wait(held: Held): void {
    held.state = "waiting";
    this.#later(this.#settings.redeliverInterval || failurePauseMs, () => this.#redeliver(held));
    this.#left(1);
  }

  #redeliver(held: Held): void {
    const { id } = held.entry;
    this.#stream.redeliver(id).then(
      (entry) => {
        if (this.#isClosing || this.#held.get(id) !== held) return;
        this.#held.delete(id);
        if (entry) this.#take([entry]);
      },
      () => this.#later(failurePauseMs, () => this.#redeliver(held)),
    );
  }

  /** Every now and then: says that what is held is being worked on, and looks for what nobody works on. */
  #tick(): void {
    const { processingTimeout, redeliverInterval } = this.#settings;
    const often = Math.min(longestTickMs, processingTimeout / 3 || longestTickMs, redeliverInterval || longestTickMs);
    this.#renew()
      .then(() => this.#reclaim())
      .catch((error: unknown) => this.#context.log.debug(`pending messages wait: ${causeText(error)}`))
      .finally(() => this.#later(Math.max(shortestTickMs, often), () => this.#tick()));
  }

  async #renew(): Promise<void> {
    if (this.#held.size === 0) return;
    const lost = await this.#stream.renew([...this.#held.keys()]);
    for (const id of lost) {
      const held = this.#held.get(id);
      // What is in the handler cannot be taken back; the others belong to somebody else now.
      if (held && held.state !== "active") this.#held.delete(id);
    }
    if (lost.length > 0) this.#buffer = this.#buffer.filter(({ entry }) => this.#held.has(entry.id));
  }

  async #reclaim(): Promise<void> {
    const { processingTimeout, redeliverInterval } = this.#settings;
    const room = this.#options.concurrency - this.#active - this.#buffer.length;
    if (this.#isClosing || processingTimeout === 0 || redeliverInterval === 0 || room <= 0) return;
    this.#take(await this.#stream.reclaim(processingTimeout, room));
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

  /** Lets the handler finish and gives the rest to others of the group. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    await this.#reader.close();
    await this.#giveBack(() => this.#stream.recover([...this.#held.keys()]));
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#isOver = true;
    for (const cancel of this.#timers) cancel();
    await this.#giveBack(async () => []);
    await this.#stream.forget(silentMs, this.#namePrefix).catch(() => {});
  }

  /**
   * What has not been handled, and what waits for its next attempt, may be taken over by others at once.
   * @param findUnseen what was delivered and never arrived
   */
  async #giveBack(findUnseen: () => Promise<readonly Entry[]>): Promise<void> {
    try {
      const unseen = await findUnseen();
      const kept = [...this.#held.values()].filter(({ state }) => state !== "active");
      const unhandled = [...unseen, ...kept.filter(({ state }) => state === "buffered").map(({ entry }) => entry)];
      const failed = kept.filter(({ state }) => state === "waiting").map(({ entry }) => entry);
      const entries = [...unhandled.map(({ id, deliveries }) => ({ id, deliveries: deliveries - 1 })), ...failed];
      await this.#stream.giveBack(freeForAllMs, entries);
      this.#buffer = [];
      for (const { id } of entries) this.#held.delete(id);
    } catch (error) {
      const { topic } = this.#options;
      this.#context.log.warn(`messages of topic ${topic} come again after processingTimeout: ${causeText(error)}`);
    }
  }
}

/** Whether its time to live has passed. */
export function hasEnded({ id, metadata }: Entry, now: number): boolean {
  const seconds = Number(metadata["ttlInSeconds"]);
  return seconds > 0 && Number.parseInt(id, 10) + seconds * 1000 <= now;
}
