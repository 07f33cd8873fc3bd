import { randomInt } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler, Order } from "../contract/pubsub.ts";
import { ClaimBuffer } from "./claim-buffer.ts";
import type { Claim, MessageLog, Settlement } from "./message-log.ts";
import { Prefetch } from "./prefetch.ts";
import { Settling } from "./settling.ts";

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
  readonly group: string;
  readonly order: Order;
  readonly concurrency: number;
  readonly handler: MessageHandler;
  /** Called when messages have been settled. */
  readonly onConsumed: () => void;
}

const newOwner = () => randomInt(2 ** 48 - 1);
const unsureMs = 5000;
const firstPauseMs = 100;
const longestPauseMs = 5000;

/**
 * One subscription. Takes messages from the log in batches, hands them to the handler, and settles in batches. A
 * message's place in the handler, and its key, are free again when its settlement is committed: so after a crash no more
 * messages come twice than were in the handler, and none out of the order of its key.
 */
export class Consumer implements Subscription {
  readonly #log: MessageLog;
  readonly #settings: ConsumerSettings;
  readonly #options: ConsumerOptions;
  readonly #context: OpenContext;
  readonly #prefetch: Prefetch;
  /** Claimed, not yet in the handler. */
  readonly #buffer = new ClaimBuffer();
  /** In the handler, or settled and not yet committed. */
  readonly #active = new Set<Claim>();
  readonly #settling: Settling;
  /** Keys that have been postponed since the claim that goes on began: what it brings of them comes too early. */
  #postponed = new Set<string>();
  #owner = newOwner();
  /** The owner has a lease, which is lost when it cannot be renewed. */
  #isLeased = false;
  #leaseUntil = 0;
  /** Until then there may be something to mend in the log. */
  #unsureUntil = 0;
  /** `likely`: the last batch was full. `unknown`: one has to look. */
  #more: "none" | "unknown" | "likely" = "unknown";
  #claiming: Promise<void> | undefined;
  #pauseMs = firstPauseMs;
  #cancelTimer: () => void = () => {};
  #cancelPoll: () => void = () => {};
  #cancelRenewal: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(log: MessageLog, settings: ConsumerSettings, options: ConsumerOptions, context: OpenContext) {
    this.#log = log;
    this.#settings = settings;
    this.#options = { ...options, concurrency: Math.max(1, options.concurrency) };
    this.#context = context;
    this.#prefetch = new Prefetch(settings.queueDepth, context.clock);
    this.#settling = new Settling(log, options.group, {
      withdraw: (keys) => this.#buffer.withdraw(keys),
      inHand: () => new Set([...this.#active, ...this.#buffer.waiting].map(({ seq }) => seq)),
      onPostponing: (keys) => {
        for (const key of keys) this.#postponed.add(key);
      },
      onCommitted: (settled) => this.#committed(settled),
      onFailed: (error, again) => {
        // Closing does not wait for a server that is away: the lease ends and the messages are delivered again.
        if (this.#closed !== undefined) return "give up";
        this.#beUnsure();
        this.#failed("settle messages of", error, again);
        return "again";
      },
    });
    this.#pollLater();
    this.wake();
  }

  /** Something may have changed in the log. */
  wake(): void {
    if (this.#more === "none") this.#more = "unknown";
    this.#advance();
  }

  /** The server was away and is back. */
  resume(): void {
    this.#beUnsure();
    this.wake();
  }

  #beUnsure(): void {
    this.#unsureUntil = this.#context.clock.now() + unsureMs;
  }

  #pollLater(): void {
    this.#cancelPoll = this.#context.clock.after(this.#settings.pollInterval, () => {
      this.#pollLater();
      this.wake();
    });
  }

  /** Fills the handler from the buffer and the buffer from the log. */
  #advance(): void {
    if (this.#closed !== undefined) return;
    const now = this.#context.clock.now();
    if (this.#buffer.size > 0 && now >= this.#leaseUntil) {
      // The process stood still: whether the claims are still its own must be known before they are handled.
      this.#renewNow();
      return;
    }
    while (this.#active.size < this.#options.concurrency) {
      const claim = this.#buffer.take();
      if (!claim) break;
      this.#active.add(claim);
      if (claim.expiresAt !== undefined && claim.expiresAt <= now) this.#settle(claim, "ack");
      else this.#hand(claim);
    }
    if (this.#more === "none" || this.#claiming !== undefined || this.#settling.isFailing) return;
    const free = this.#options.concurrency - this.#active.size;
    const wanted = this.#prefetch.wanted(free, this.#buffer.startable, this.#buffer.size);
    if (wanted <= 0) return;
    this.#claiming = this.#claim(wanted)
      .then(() => this.#succeeded())
      .catch((error: unknown) => this.#failed("take messages from", error, () => this.wake()))
      .then(() => {
        this.#claiming = undefined;
        this.#advance();
      });
  }

  async #claim(limit: number): Promise<void> {
    const isKnown = this.#more === "likely";
    this.#more = "none";
    if (this.#unsureUntil > 0) await this.#mend();
    if (!isKnown && !(await this.#look())) return;
    const { topic, group, order } = this.#options;
    const { clock } = this.#context;
    const owner = this.#owner;
    const postponed = new Set<string>();
    this.#postponed = postponed;
    const until = clock.now() + this.#settings.processingTimeout;
    const lease = { owner, isHolding: this.#isHolding, leaseMs: this.#settings.processingTimeout };
    const taking = this.#log.claim(topic, group, lease, limit, order, () => clock.now());
    const claims = await taking.catch((error: unknown) => {
      this.#beUnsure();
      throw error;
    });
    if (!claims) {
      this.#leaseLost(owner);
      return;
    }
    this.#isLeased = true;
    this.#leaseUntil = until;
    this.#prefetch.taken(claims.length, limit);
    // A wake-up may have come in the meantime.
    if (claims.length === limit) this.#more = "likely";
    else if (claims.length > 0) this.#more = "unknown";
    // What is still to be given back under the same number is given back with it.
    const { pending } = this.#settling;
    const taken = pending.size === 0 ? claims : claims.filter(({ seq }) => !pending.has(seq));
    const early = taken.filter(({ key }) => key !== null && postponed.has(key));
    this.#buffer.add(early.length === 0 ? taken : taken.filter((claim) => !early.includes(claim)));
    this.#settling.giveBack(early);
    if (claims.length > 0) this.#options.onConsumed();
    this.#renewLater();
  }

  get #isHolding(): boolean {
    return this.#isLeased && this.#active.size + this.#buffer.size + this.#settling.returned.length > 0;
  }

  async #mend(): Promise<void> {
    const known = [...this.#active, ...this.#buffer.waiting, ...this.#settling.returned].map(({ seq }) => seq);
    await this.#log.mend(this.#options.group, this.#owner, known);
    // A statement that was on its way may be done later still.
    if (this.#unsureUntil <= this.#context.clock.now()) this.#unsureUntil = 0;
  }

  /** Whether there is anything to take now; else comes back when there will be. */
  async #look(): Promise<boolean> {
    const { topic, group } = this.#options;
    const { isReady, hasEndedLease, nextMs } = await this.#log.outlook(topic, group, this.#owner, this.#isHolding);
    if (hasEndedLease) await this.#log.reclaim(group);
    if (isReady || hasEndedLease) return true;
    this.#cancelTimer();
    if (nextMs !== undefined && this.#closed === undefined) {
      this.#cancelTimer = this.#context.clock.after(nextMs, () => this.wake());
    }
    return false;
  }

  #hand(claim: Claim): void {
    const settle = (settled: unknown) => this.#settle(claim, settled === "ack" ? "ack" : "retry");
    try {
      this.#options
        .handler({
          id: claim.seq,
          topic: this.#options.topic,
          data: claim.data,
          contentType: claim.contentType ?? undefined,
          metadata: claim.metadata === null ? {} : JSON.parse(claim.metadata),
          attempt: claim.attempt,
        })
        .then(settle, () => settle("retry"));
    } catch {
      settle("retry");
    }
  }

  #settle(claim: Claim, settled: "ack" | "retry"): void {
    const { redeliverInterval, maxRedeliverInterval, maxRetries } = this.#settings;
    const { topic } = this.#options;
    const isLast = settled === "retry" && maxRetries >= 0 && claim.attempt > maxRetries;
    if (isLast) {
      this.#context.log.warn(`message ${claim.seq} of topic ${topic} is dropped after ${claim.attempt} attempts`);
    }
    const pause = Math.min(redeliverInterval * 2 ** Math.min(claim.attempt - 1, 40), maxRedeliverInterval);
    this.#settling.settle({ claim, end: settled === "ack" || isLast ? "done" : pause });
  }

  #committed(settled: readonly Settlement[]): void {
    this.#succeeded();
    for (const { claim } of settled) {
      this.#active.delete(claim);
      if (claim.key !== null) this.#buffer.free(claim.key);
    }
    if (settled.some(({ end }) => end === "done")) this.#options.onConsumed();
    if (settled.some(({ claim, end }) => end !== "done" || claim.key !== null) && this.#more === "none") {
      this.#more = "unknown";
    }
    if (this.#active.size === 0 && !this.#settling.isBusy) this.#idle?.();
    this.#advance();
  }

  /** Keeps the lease while something is held. */
  #renewLater(): void {
    if (!this.#isHolding) return;
    this.#cancelRenewal ??= this.#context.clock.after(this.#settings.processingTimeout / 3, () => this.#renewNow());
  }

  #renewNow(): void {
    this.#cancelRenewal?.();
    // Holds the place of the timer, so that one renewal goes on at a time.
    const cancelled = () => {};
    this.#cancelRenewal = cancelled;
    this.#renew().then(
      () => {
        this.#cancelRenewal = undefined;
        this.#renewLater();
      },
      (error: unknown) => this.#failed("keep the lease on", error, () => this.#renewNow()),
    );
  }

  async #renew(): Promise<void> {
    const { clock } = this.#context;
    const owner = this.#owner;
    const until = clock.now() + this.#settings.processingTimeout;
    if (!(await this.#log.renew(owner, this.#settings.processingTimeout))) {
      this.#leaseLost(owner);
      return;
    }
    this.#succeeded();
    const isLate = this.#leaseUntil <= clock.now();
    this.#leaseUntil = until;
    if (isLate) this.#advance();
  }

  /** The process stood still or the server was away for longer than the lease: others have what it held. */
  #leaseLost(owner: number): void {
    if (owner !== this.#owner) return;
    if (this.#active.size + this.#buffer.size > 0) {
      this.#context.log.warn(
        `the lease on messages of topic ${this.#options.topic} has ended; they are delivered again`,
      );
    }
    this.#buffer.clear();
    this.#owner = newOwner();
    this.#isLeased = false;
    this.wake();
  }

  #succeeded(): void {
    this.#pauseMs = firstPauseMs;
  }

  #failed(what: string, error: unknown, again: () => void): void {
    if (this.#closed === undefined) {
      this.#context.log.warn(`cannot ${what} topic ${this.#options.topic}, tries again: ${causeText(error)}`);
    }
    this.#context.clock.after(this.#pauseMs / 2 + randomInt(this.#pauseMs), again);
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The first step runs before `#closed` is set; whoever looks at it later finds the subscription closed.
    this.#cancelTimer();
    this.#cancelPoll();
    await this.#claiming;
    this.#settling.giveBack(this.#buffer.clear());
    if (this.#active.size > 0 || this.#settling.isBusy) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#cancelRenewal?.();
    const { topic, group } = this.#options;
    try {
      await this.#log.endLease(topic, group, this.#owner);
    } catch (error) {
      this.#context.log.warn(`messages of topic ${topic} come again when their lease ends: ${causeText(error)}`);
    }
  }
}
