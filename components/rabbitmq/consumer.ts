import { randomUUID } from "node:crypto";
import type { Channel, ChannelModel, ConsumeMessage } from "amqplib";
import { causeText } from "../../specs/errors.ts";
import type { Attempts } from "../contract/attempts.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { HandOver } from "../contract/hand-over.ts";
import type { Order, Settle } from "../contract/pubsub.ts";
import { translate } from "./failures.ts";
import { closeChannel, type Link, openChannel } from "./link.ts";
import { pause } from "./pause.ts";
import { attemptsBefore, hasEnded } from "./properties.ts";

export interface Consuming {
  readonly queue: string;
  /** Makes what is consumed where it is absent. */
  declare(connection: ChannelModel): Promise<void>;
  readonly concurrency: number;
  readonly order: Order;
  keyOf(message: ConsumeMessage): string | undefined;
  handle(message: ConsumeMessage, id: string, attempt: number): Promise<Settle>;
  /** The server forgets messages as it sends them. */
  readonly autoAck: boolean;
  /** What the handler did not acknowledge goes to the dead letters, or nowhere; else it is handed over again. */
  readonly refuses: boolean;
  /** Pause before a message is handed over again. */
  readonly pauseMs: number;
  readonly exclusive: boolean;
  /** Only one consumer of the queue gets messages at a time, so that another one of our own would be in the way. */
  readonly isAlone: boolean;
  readonly attempts: Attempts;
}

/** A message of the server, and the channel that may settle it; undefined: that one is gone. */
interface Delivery {
  readonly id: string;
  readonly since: number;
  message: ConsumeMessage;
  channel: Channel | undefined;
}

const firstPauseMs = 100;
const longestPauseMs = 5000;
/** The server gives up channels that keep a message for half an hour. */
const renewMs = 600_000;
/** Ids that publishers of this kind make up: no two messages have the same. */
const unique = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const handled = Number.POSITIVE_INFINITY;

/**
 * Consumes a queue. A message stays with the server until it is settled; it is settled on the channel that brought it. A
 * lost channel is made anew, then the server delivers what was unsettled again: what is being handled at that time is not
 * handed over twice.
 */
export class Consumer implements Subscription {
  readonly #link: Link;
  readonly #consuming: Consuming;
  readonly #context: OpenContext;
  readonly #handOver: HandOver<Delivery>;
  readonly #leave: () => Promise<void>;
  readonly #active = new Set<Delivery>();
  /** Being handled, from a channel that is gone. */
  readonly #orphans = new Map<string, Delivery>();
  readonly #stop = new AbortController();
  #channel: Channel | undefined;
  #tag = "";
  /** Most messages that the server sends ahead of acknowledgements. */
  #window: number;
  #isWidening = false;
  #reopening: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(link: Link, consuming: Consuming, context: OpenContext) {
    const { concurrency, order, pauseMs } = consuming;
    this.#link = link;
    this.#consuming = consuming;
    this.#context = context;
    this.#window = concurrency;
    this.#handOver = new HandOver<Delivery>({
      order,
      pauseMs,
      clock: context.clock,
      keyOf: ({ message }) => consuming.keyOf(message),
      admit: (delivery) => this.#admit(delivery),
      settled: (delivery, settle, attempts) => this.#settled(delivery, settle, attempts),
    });
    const handle = (delivery: Delivery, attempt: number) => {
      this.#active.add(delivery);
      return consuming.handle(delivery.message, delivery.id, attempt);
    };
    this.#leave = this.#handOver.join({ concurrency, handle });
  }

  // ---- the channel

  /** Rejects with the error of the library when the queue cannot be consumed. */
  async open(call: Call): Promise<void> {
    const connection = await this.#link.connected(call);
    await this.#consuming.declare(connection);
    let failure: Error | undefined;
    const channel = await openChannel(connection, (error) => {
      failure = error;
    });
    let isOpen = true;
    channel.once("close", () => {
      isOpen = false;
      this.#lost(channel, failure);
    });
    const tag = await this.#consume(channel).catch(async (error: unknown) => {
      await closeChannel(channel);
      throw failure ?? error;
    });
    if (!isOpen) throw failure ?? new Error("channel closed");
    this.#channel = channel;
    this.#tag = tag;
  }

  async #consume(channel: Channel): Promise<string> {
    const { queue, autoAck, exclusive } = this.#consuming;
    await channel.prefetch(this.#window);
    const arrived = (message: ConsumeMessage | null) => {
      if (message) this.#arrived(channel, message);
      // The queue was deleted, or the node that has it is gone.
      else void closeChannel(channel);
    };
    const { consumerTag } = await channel.consume(queue, arrived, { noAck: autoAck, exclusive });
    return consumerTag;
  }

  #lost(channel: Channel, failure: Error | undefined): void {
    const isCurrent = this.#channel === channel;
    if (isCurrent) this.#channel = undefined;
    this.#letGo(channel);
    if (!isCurrent || this.#stop.signal.aborted) return;
    if (failure) this.#warn("its channel was closed", failure);
    this.#reopening = this.#reopen();
  }

  /** What came through the channel comes again by another one. */
  #letGo(channel: Channel): void {
    const { attempts } = this.#consuming;
    for (const delivery of this.#active) {
      if (delivery.channel !== channel) continue;
      delivery.channel = undefined;
      this.#orphans.set(delivery.id, delivery);
    }
    this.#handOver.clear(({ id }, made) => attempts.remember(id, made));
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#stop;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        await this.#link.connected({ signal }, Number.POSITIVE_INFINITY);
        await this.open({ signal });
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#warn("cannot be consumed for now", error);
      }
      await pause(this.#context.clock, pauseMs, signal);
    }
  }

  #warn(what: string, error: unknown): void {
    const { log, name } = this.#context;
    log.warn(`queue ${this.#consuming.queue}: ${what}: ${causeText(translate(error, name))}`);
  }

  // ---- messages

  #arrived(channel: Channel, message: ConsumeMessage): void {
    const given: unknown = message.properties.messageId;
    // Without an id it cannot be recognized.
    const id = typeof given === "string" && given !== "" ? given : randomUUID();
    const orphan = this.#orphans.get(id);
    if (orphan && message.fields.redelivered && unique.test(id)) {
      this.#orphans.delete(id);
      orphan.channel = channel;
      orphan.message = message;
      return;
    }
    const known = this.#consuming.attempts.take(id);
    if (known === handled) acknowledge(channel, message);
    else
      this.#handOver.add({ id, since: this.#context.clock.now(), message, channel }, known ?? attemptsBefore(message));
  }

  #admit({ message, since, channel }: Delivery): boolean {
    if (!hasEnded(message, since, this.#context.clock.now())) return true;
    // As the server does with those that end in the queue.
    if (channel && !this.#consuming.autoAck) refuse(channel, message, false);
    return false;
  }

  /** Tells the server, if it is to be told. */
  #settled(delivery: Delivery, settle: Settle, made: number): boolean {
    const { id, message, channel, since } = delivery;
    const { autoAck, refuses, order, attempts } = this.#consuming;
    this.#active.delete(delivery);
    if (autoAck) return false;
    if (!channel) {
      // Too late: it comes again, here or elsewhere.
      if (this.#orphans.get(id) === delivery) this.#orphans.delete(id);
      if (settle === "retry" || unique.test(id)) attempts.remember(id, settle === "ack" ? handled : made);
      return false;
    }
    if (settle === "ack") {
      acknowledge(channel, message);
      return false;
    }
    const isOld = order === "none" && this.#context.clock.now() - since > renewMs;
    if (refuses || isOld) {
      if (isOld) attempts.remember(id, made);
      refuse(channel, message, !refuses);
      return false;
    }
    // By then it counts as one that waits.
    process.nextTick(() => void this.#widen());
    return true;
  }

  /** Lets the server send others beside those that wait for their next attempt. */
  async #widen(): Promise<void> {
    const { concurrency, isAlone } = this.#consuming;
    const needed = this.#handOver.waiting + concurrency;
    const channel = this.#channel;
    if (isAlone || !channel || needed <= this.#window || this.#isWidening || this.#stop.signal.aborted) return;
    this.#isWidening = true;
    this.#window = Math.max(needed, 2 * this.#window);
    try {
      // The new one first: a queue without consumers may be deleted.
      const before = this.#tag;
      this.#tag = await this.#consume(channel);
      await channel.cancel(before);
    } catch {
      // The channel is lost, which its end tells.
    } finally {
      this.#isWidening = false;
    }
  }

  // ---- closing

  /** Lets the handler finish and leaves the rest to others. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#reopening;
    const isOrdered = this.#consuming.order !== "none";
    if (!isOrdered) await this.#channel?.cancel(this.#tag).catch(() => {});
    await this.#leave();
    const channel = this.#channel;
    if (!channel) return;
    // In an order nobody else may get a message before the channel is gone, and with it all that it brought.
    if (isOrdered) await this.#catchUp(channel).catch(() => {});
    this.#letGo(channel);
    await closeChannel(channel);
  }

  /** Settles when what the server has sent for the last acknowledgements is here: the queue has seen them, then the channel. */
  async #catchUp(channel: Channel): Promise<void> {
    for (let trips = 0; trips < 2; trips += 1) await channel.checkQueue(this.#consuming.queue);
  }
}

function acknowledge(channel: Channel, message: ConsumeMessage): void {
  unlessClosed(() => channel.ack(message));
}

function refuse(channel: Channel, message: ConsumeMessage, requeue: boolean): void {
  unlessClosed(() => channel.nack(message, false, requeue));
}

/** A channel that has just closed throws; its messages come again. */
function unlessClosed(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Error && error.name === "IllegalOperationError")) throw error;
  }
}
