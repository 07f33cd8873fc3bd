import { randomInt } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import type { Client } from "./client.ts";
import type { LineLog } from "./line-log.ts";
import { Lines } from "./lines.ts";
import { type Claim, isOver, type MessageLog } from "./message-log.ts";
import { Prefetch } from "./prefetch.ts";
import { Redelivery, type RedeliverySettings } from "./redelivery.ts";
import { type Settlement, Settling } from "./settling.ts";

export interface ConsumerSettings extends RedeliverySettings {
  readonly processingTimeout: number;
  readonly queueDepth: number;
  readonly pollInterval: number;
}

export interface ConsumerOptions {
  readonly topic: string;
  /** Id of the group in the log. */
  readonly group: number;
  /** Undefined: messages may overtake each other. */
  readonly lineLog: LineLog | undefined;
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
  readonly #redelivery: Redelivery;
  readonly #lines = new Lines();
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
    this.#redelivery = new Redelivery(settings, context.clock, context.log);
    const { topic, group, lineLog } = options;
    this.#settling = new Settling(
      client,
      log,
      { group, lines: lineLog, channel: topicChannel(topic) },
      {
        onCommitted: (settled) => this.#committed(settled),
        onFailed: (error, again) => {
          // Closing does not wait for a broken disk: the lease ends and the messages are delivered again.
          if (this.#closed !== undefined) return "give up";
          this.#failed("settle messages of", error, again);
          return "again";
        },
      },
    );
    this.#stopWatching = client.watch(topicChannel(topic), settings.pollInterval, () => this.#wake());
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
      if (claim.key !== null) this.#lines.enter(claim.key);
      if (isOver(claim.expiresAt, now)) this.#settle(claim, "ack");
      else this.#hand(claim);
    }
    const wanted = this.#prefetch.wanted(this.#options.concurrency - this.#active, this.#waiting);
    if (wanted > 0 && this.#mayHaveMore && this.#claiming === undefined) {
      this.#claiming = this.#claim(wanted)
        .catch((error: unknown) => this.#failed("take messages from", error))
        .then(() => {
          this.#claiming = undefined;
          this.#advance();
        });
    }
  }

  /** How many claims are not in the handler. */
  get #waiting(): number {
    return this.#buffer.length + this.#lines.size;
  }

  async #claim(limit: number): Promise<void> {
    this.#mayHaveMore = false;
    if (!(await this.#look())) return;
    const { topic, group, lineLog } = this.#options;
    const [owner, isHolding] = [this.#owner, this.#active + this.#waiting > 0];
    let until = 0;
    const claims = await this.#client.write(
      () => {
        const now = this.#context.clock.now();
        until = now + this.#settings.processingTimeout;
        if (isHolding && !this.#log.renew(owner, until)) return undefined;
        this.#log.lease(group, owner, until);
        this.#log.reclaim(group, now);
        return lineLog ? lineLog.claim(owner, limit, now) : this.#log.claim(topic, group, owner, limit, now);
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
    this.#buffer.push(...(lineLog ? this.#lines.admit(claims) : claims));
    this.#mayHaveMore = true;
    this.#options.onConsumed();
    this.#renewLater();
  }

  /** Whether there is anything to take now; else comes back when there will be. */
  async #look(): Promise<boolean> {
    const { topic, group, lineLog } = this.#options;
    const now = this.#context.clock.now();
    const look = () => {
      const outlook = this.#log.outlook(topic, group, this.#owner);
      return lineLog ? lineLog.refine(outlook, this.#owner, now) : outlook;
    };
    const { fresh, due, lease } = await this.#client.read(look, {});
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
    if (claim.key === null) {
      this.#settling.add({ claim, end: settled === "ack" ? "done" : this.#redelivery.dueOf(claim), wasActive: true });
      return;
    }
    const isFailed = settled === "retry";
    const isBehind = isFailed && this.#lines.isBehind(claim);
    const end = isBehind ? "back" : isFailed ? this.#redelivery.dueOf(claim) : "done";
    const withdrawn = isFailed ? this.#buffer.filter(({ key }) => key === claim.key) : [];
    if (withdrawn.length > 0) this.#buffer = this.#buffer.filter(({ key }) => key !== claim.key);
    for (const one of this.#lines.settle({ claim, end, wasActive: true }, isFailed, withdrawn)) this.#settling.add(one);
  }

  #committed(settled: readonly Settlement[]): void {
    if (this.#options.lineLog) {
      this.#active -= settled.filter(({ wasActive }) => wasActive).length;
      for (const late of settled.flatMap((one) => this.#lines.committed(one))) this.#settling.add(late);
    } else this.#active -= settled.length;
    if (settled.some(({ end }) => end === "done")) this.#options.onConsumed();
    if (settled.some(({ end }) => end !== "done")) this.#mayHaveMore = true;
    if (this.#active === 0 && !this.#settling.isBusy) this.#idle?.();
    this.#advance();
  }

  /** Keeps the lease while something is held. */
  #renewLater(): void {
    if (this.#active + this.#waiting === 0) return;
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
    if (this.#active > 0 || this.#settling.isBusy) {
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
