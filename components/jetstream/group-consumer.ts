import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import { toNanos } from "./api.ts";
import { ackWaitOf, type DurableSettings, ensureDurable, type Group } from "./durables.ts";
import type { Link } from "./link.ts";
import { type Delivered, hasEnded, toIncoming } from "./message.ts";
import { Puller } from "./puller.ts";

export interface ConsumerOptions {
  readonly group: Group;
  readonly concurrency: number;
  readonly handler: MessageHandler;
  /** Milliseconds of pause after the attempt of this number. */
  readonly pauseAfter: (attempt: number) => number;
}

const failurePauseMs = 200;
const settleWithinMs = 5000;
/** A consumer that is gone and does not come back takes no settlements, and the message comes again if it does. */
const mostTries = 50;
const shortestWorkingMs = 200;
/** So many of the last settled messages are known if the server, which writes settlements with a delay, forgets them. */
const mostKnown = 4096;
const ack = "+ACK";
const working = "+WPI";
const nak = (delayMs: number) => (delayMs > 0 ? `-NAK {"delay":${toNanos(delayMs)}}` : "-NAK");

/** A stream that was deleted and made again counts from the start. */
const placeOf = ({ seq, at }: Delivered): string => `${seq} ${at}`;

/**
 * One member of a group without order. Pulls from the group's durable consumer as many messages as have a place in the
 * handler. A place is free again when the server has the settlement, so that after a crash no more messages come twice
 * than were in the handler. While one is handled the server is told so, that it does not give it to another.
 */
export class GroupConsumer implements Subscription {
  readonly #link: Link;
  readonly #settings: DurableSettings;
  readonly #options: ConsumerOptions;
  readonly #context: OpenContext;
  readonly #puller: Puller;
  /** In the handler, or settled and not yet told. */
  readonly #held = new Map<string, Delivered>();
  /** Settled for good: when the stream took them, by number. */
  readonly #done = new Map<number, number>();
  readonly #stopListening: () => void;
  #cancelWorking: () => void = () => {};
  #resuming: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(link: Link, settings: DurableSettings, options: ConsumerOptions, context: OpenContext) {
    this.#link = link;
    this.#settings = settings;
    this.#options = options;
    this.#context = context;
    const pulling = {
      stream: options.group.stream,
      wanted: () => (this.#isClosing ? 0 : options.concurrency - this.#held.size),
      take: (message: Delivered) => this.#take(message),
      onSilence: () => this.#resume(),
      heartbeatMs: settings.heartbeat,
      bitsPerSecond: settings.rateLimit,
    };
    this.#puller = new Puller(link, pulling, context.clock);
    this.#stopListening = link.onBack(() => this.#resume());
    this.#puller.start(options.group.name);
    this.#workingLater();
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  #take(message: Delivered): void {
    // Redelivered while it is in the handler, after a standstill.
    if (this.#held.has(placeOf(message))) return;
    this.#held.set(placeOf(message), message);
    if (this.#done.get(message.seq) === message.at) this.#settle(message, ack);
    else if (this.#isClosing) this.#settle(message, nak(0));
    else if (hasEnded(message, this.#context.clock.now())) this.#settle(message, ack);
    else this.#hand(message);
  }

  #hand(message: Delivered): void {
    const { handler, pauseAfter } = this.#options;
    const { ackPolicy } = this.#settings;
    const settle = (settled: unknown) => {
      const isDone = settled === "ack" || ackPolicy === "none";
      this.#settle(message, isDone ? ack : nak(pauseAfter(message.deliveries)));
    };
    try {
      handler(toIncoming(message, message.deliveries)).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  #settle(message: Delivered, settlement: string, tries = 1): void {
    this.#link.request(message.reply, settlement, { withinMs: settleWithinMs }).then(
      () => {
        if (settlement === ack) this.#know(message);
        this.#left(message);
      },
      (error: unknown) => {
        const { topic } = this.#options.group;
        this.#context.log.debug(`a settled message of topic ${topic} is not known to be so: ${causeText(error)}`);
        // Closing does not wait for a lost server: the message comes again.
        if (this.#isClosing || tries >= mostTries) this.#left(message);
        else this.#context.clock.after(failurePauseMs, () => this.#settle(message, settlement, tries + 1));
      },
    );
  }

  #know({ seq, at }: Delivered): void {
    this.#done.set(seq, at);
    const [oldest] = this.#done.keys();
    if (this.#done.size > mostKnown && oldest !== undefined) this.#done.delete(oldest);
  }

  #left(message: Delivered): void {
    this.#held.delete(placeOf(message));
    if (this.#held.size === 0) this.#idle?.();
    this.#puller.ask();
  }

  #workingLater(): void {
    const often = Math.max(shortestWorkingMs, ackWaitOf(this.#settings) / 3);
    this.#cancelWorking = this.#context.clock.after(often, () => {
      for (const { reply } of this.#held.values()) this.#link.publish(reply, working);
      this.#workingLater();
    });
  }

  /** The consumer may be gone, with the server's memory or by somebody's hand. */
  #resume(): void {
    this.#puller.stop();
    this.#resuming ??= this.#resumeOnce().finally(() => {
      this.#resuming = undefined;
    });
  }

  async #resumeOnce(): Promise<void> {
    const { group } = this.#options;
    while (!this.#isClosing) {
      try {
        await ensureDurable(this.#link, group, this.#settings, this.#closing);
        if (!this.#isClosing) this.#puller.start(group.name);
        return;
      } catch (error) {
        if (this.#isClosing) return;
        this.#context.log.warn(`topic ${group.topic} cannot be read for now: ${causeText(error)}`);
        await new Promise<void>((resolve) => this.#context.clock.after(failurePauseMs, resolve));
      }
    }
  }

  /** Lets the handler finish; what comes too late goes back to the group. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#stopListening();
    await this.#puller.drain();
    if (this.#held.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#cancelWorking();
    await this.#resuming;
  }
}
