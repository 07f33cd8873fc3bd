import { randomInt } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import type { Client } from "./client.ts";
import { type Claim, isOver, type MessageLog } from "./message-log.ts";
import { Prefetch } from "./prefetch.ts";
import { type Settlement, Settling } from "./settling.ts";

export interface ConsumerSettings {
  readonly redeliverInterval: number;
  readonly maxRedeliverInterval: number;
  readonly processingTimeout: number;
  readonly maxRetries: number;
  readonly queueDepth: number;
  readonly pollInterval: number;
}

export interface ConsumerOptions {
  readonly topic: string;
  /** Id of the group in the log. */
  readonly group: number;
  readonly concurrency: number;
  readonly handler: MessageHandler;
  /** Called when messages have been settled. */
  readonly onConsumed: () => void;
}

const newOwner = () => randomInt(2 ** 48 - 1);
const failurePauseMs = 100;

/**
 * One subscription. Takes messages from the log in batches, hands them to the handler, and settles in batches. A
 * message's place in the handler is free again when its settlement is committed, so that after a crash no more messages
 * come twice than were in the handler.
 */
export class Consumer implements Subscription {
  readonly #client: Client;
  readonly #log: MessageLog;
  readonly #settings: ConsumerSettings;
  readonly #options: ConsumerOptions;
  readonly #context: OpenContext;
  readonly #prefetch: Prefetch;
  readonly #settling: Settling;
  readonly #stopWatching: () => void;
  /** Claimed, not yet in the handler. */
  #buffer: Claim[] = [];
  /** In the handler, or settled and not yet committed. */
  #active = 0;
  #owner = newOwner();
  #leaseUntil = 0;
  #mayHaveMore = true;
  #claiming: Promise<void> | undefined;
  #cancelTimer: () => void = () => {};
  #cancelRenewal: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(
    client: Client,
    log: MessageLog,
    settings: ConsumerSettings,
    options: ConsumerOptions,
    context: OpenContext,
  ) {
    this.#client = client;
    this.#log = log;
    this.#settings = settings;
    this.#options = { ...options, concurrency: Math.max(1, options.concurrency) };
    this.#context = context;
    this.#prefetch = new Prefetch(settings.queueDepth, context.clock);
    this.#settling = new Settling(client, log, options.group, {
      onCommitted: (settled) => this.#committed(settled),
      onFailed: (error, again) => {
        // Closing does not wait for a broken disk: the lease ends and the messages are delivered again.
        if (this.#closed !== undefined) return "give up";
        this.#failed("settle messages of", error, again);
        return "again";
      },
    });
    this.#stopWatching = client.watch(topicChannel(options.topic), settings.pollInterval, () => this.#wake());
    this.#wake();
  }

  /** Something may have changed in the log. */
  #wake(): void {
    this.#mayHaveMore = true;
    this.#advance();
  }

  /** Fills the handler from the buffer and the buffer from the log. */
  #advance(): void {
    if (this.#closed !== undefined) return;
    const now = this.#context.clock.now();
    if (this.#buffer.length > 0 && now >= this.#leaseUntil) {
      // The process stood still: whether the claims are still its own must be known before they are handled.
      this.#renewNow();
      return;
    }
    while (this.#active < this.#options.concurrency) {
      const claim = this.#buffer.shift();
      if (!claim) break;
      this.#active += 1;
      if (isOver(claim.expiresAt, now)) this.#settle(claim, "ack");
      else this.#hand(claim);
    }
    const wanted = this.#prefetch.wanted(this.#options.concurrency - this.#active, this.#buffer.length);
    if (wanted > 0 && this.#mayHaveMore && this.#claiming === undefined) {
      this.#claiming = this.#claim(wanted)
        .catch((error: unknown) => this.#failed("take messages from", error))
        .then(() => {
          this.#claiming = undefined;
          this.#advance();
        });
    }
  }

  async #claim(limit: number): Promise<void> {
    this.#mayHaveMore = false;
    if (!(await this.#look())) return;
    const { topic, group } = this.#options;
    const [owner, isHolding] = [this.#owner, this.#active + this.#buffer.length > 0];
    let until = 0;
    const claims = await this.#client.write(
      () => {
        const now = this.#context.clock.now();
        until = now + this.#settings.processingTimeout;
        if (isHolding && !this.#log.renew(owner, until)) return undefined;
        this.#log.lease(group, owner, until);
        this.#log.reclaim(group, now);
        return this.#log.claim(topic, group, owner, limit, now);
      },
      {},
      { atomic: true, durable: false },
    );
    if (!claims) {
      this.#leaseLost(owner);
      return;
    }
    this.#leaseUntil = until;
    this.#prefetch.taken(claims.length, limit);
    this.#buffer.push(...claims);
    this.#mayHaveMore = true;
    this.#options.onConsumed();
    this.#renewLater();
  }

  /** Whether there is anything to take now; else comes back when there will be. */
  async #look(): Promise<boolean> {
    const { topic, group } = this.#options;
    const { fresh, due, lease } = await this.#client.read(() => this.#log.outlook(topic, group, this.#owner), {});
    const now = this.#context.clock.now();
    const next = Math.min(due ?? Number.POSITIVE_INFINITY, lease ?? Number.POSITIVE_INFINITY);
    if (fresh || next <= now) return true;
    this.#cancelTimer();
    if (Number.isFinite(next)) this.#cancelTimer = this.#context.clock.after(next - now, () => this.#wake());
    return false;
  }

  #hand(claim: Claim): void {
    const { handler } = this.#options;
    const settle = (settled: unknown) => this.#settle(claim, settled === "ack" ? "ack" : "retry");
    try {
      handler({
        id: String(claim.seq),
        topic: claim.topic,
        data: claim.data,
        contentType: claim.contentType ?? undefined,
        metadata: claim.metadata === null ? {} : JSON.parse(claim.metadata),
        attempt: claim.attempt,
      }).then(settle, () => settle("retry"));
    } catch {
      settle("retry");
    }
  }

  #settle(claim: Claim, settled: "ack" | "retry"): void {
    const { redeliverInterval, maxRedeliverInterval, maxRetries } = this.#settings;
    const isLast = settled === "retry" && maxRetries >= 0 && claim.attempt > maxRetries;
    if (isLast) {
      this.#context.log.warn(`message ${claim.seq} of topic ${claim.topic} is dropped after ${claim.attempt} attempts`);
    }
    const pause = Math.min(redeliverInterval * 2 ** (claim.attempt - 1), maxRedeliverInterval);
    const isOver = settled === "ack" || isLast;
    this.#settling.add({ claim, end: isOver ? "done" : this.#context.clock.now() + pause });
  }

  #committed(settled: readonly Settlement[]): void {
    this.#active -= settled.length;
    if (settled.some(({ end }) => end === "done")) this.#options.onConsumed();
    if (settled.some(({ end }) => end !== "done")) this.#mayHaveMore = true;
    if (this.#active === 0) this.#idle?.();
    this.#advance();
  }

  /** Keeps the lease while something is held. */
  #renewLater(): void {
    if (this.#active + this.#buffer.length === 0) return;
    this.#cancelRenewal ??= this.#context.clock.after(this.#settings.processingTimeout / 3, () => this.#renewNow());
  }

  #renewNow(): void {
    this.#cancelRenewal?.();
    // Holds the place of the timer, so that one renewal goes on at a time.
    this.#cancelRenewal = () => {};
    this.#renew()
      .catch((error: unknown) => this.#failed("keep the lease on", error))
      .finally(() => {
        this.#cancelRenewal = undefined;
        this.#renewLater();
      });
  }

  async #renew(): Promise<void> {
    const owner = this.#owner;
    const until = this.#context.clock.now() + this.#settings.processingTimeout;
    const isKept = await this.#client.write(() => this.#log.renew(owner, until), {}, { durable: false });
    if (!isKept) {
      this.#leaseLost(owner);
      return;
    }
    const isLate = this.#leaseUntil <= this.#context.clock.now();
    this.#leaseUntil = until;
    if (isLate) this.#advance();
  }

  /** The process stood still for longer than the lease: others have what it held, so it starts afresh. */
  #leaseLost(owner: number): void {
    if (owner !== this.#owner) return;
    this.#context.log.warn(`the lease on messages of topic ${this.#options.topic} has ended; they are delivered again`);
    this.#buffer = [];
    this.#owner = newOwner();
    this.#wake();
  }

  #failed(what: string, error: unknown, again: () => void = () => this.#wake()): void {
    this.#context.log.warn(`cannot ${what} topic ${this.#options.topic}, tries again: ${causeText(error)}`);
    this.#context.clock.after(failurePauseMs, again);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The first step runs before `#closed` is set; whoever looks at it later finds the subscription closed.
    this.#stopWatching();
    this.#cancelTimer();
    await this.#claiming;
    const { group } = this.#options;
    const unstarted = this.#buffer.splice(0);
    const giveBack = () => {
      for (const claim of unstarted) this.#log.giveBack(group, claim);
    };
    if (unstarted.length > 0) await this.#tryWrite(giveBack);
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#cancelRenewal?.();
    await this.#tryWrite(() => this.#log.endLease(group, this.#owner));
  }

  /** Writes what the end of the lease would bring about later anyway. */
  async #tryWrite(run: () => void): Promise<void> {
    const { topic } = this.#options;
    try {
      await this.#client.write(run, {}, { atomic: true, durable: false, wakes: [topicChannel(topic)] });
    } catch (error) {
      this.#context.log.warn(`messages of topic ${topic} come again when their lease ends: ${causeText(error)}`);
    }
  }
}

/** Channel that a publication on the topic wakes. */
export const topicChannel = (topic: string) => `messages of ${topic}`;
