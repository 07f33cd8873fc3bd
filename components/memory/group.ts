import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { IncomingMessage, MessageHandler } from "../contract/pubsub.ts";
import { Fifo } from "./fifo.ts";

export interface GroupSettings {
  readonly queueDepth: number;
  readonly publishTimeout: number;
  readonly redeliverInterval: number;
  readonly maxRedeliverInterval: number;
  readonly maxRetries: number;
}

/** A message on its way to one group. */
export interface Delivery {
  readonly message: Omit<IncomingMessage, "attempt">;
  /** Milliseconds since 1970 after which it is not delivered; undefined: never. */
  readonly expiresAt: number | undefined;
  readonly attempt: number;
}

interface Member {
  readonly handler: MessageHandler;
  readonly concurrency: number;
  active: number;
  idle: (() => void) | undefined;
}

/** So many handlers are called in one turn of the event loop before others get theirs. */
const perTurn = 256;

/** The messages of one topic for one consumer group, and the members that share them. */
export class Group {
  readonly #name: string;
  readonly #settings: GroupSettings;
  readonly #context: OpenContext;
  readonly #waiting = new Fifo<Delivery>();
  readonly #members: Member[] = [];
  readonly #retries = new Set<() => void>();
  #roomWaiters: (() => void)[] = [];
  #next = 0;
  #scheduled = false;
  #calls = 0;
  #closed = false;
  #dropping = false;

  /** @param name of topic and group, for messages to people */
  constructor(name: string, settings: GroupSettings, context: OpenContext) {
    this.#name = name;
    this.#settings = settings;
    this.#context = context;
  }

  /** Too much waits for members that are there; without members the oldest messages make room. */
  get isFull(): boolean {
    return this.#members.length > 0 && this.#depth >= this.#settings.queueDepth;
  }

  get #depth(): number {
    return this.#waiting.length + this.#retries.size;
  }

  push(delivery: Delivery): void {
    if (this.#members.length === 0 && this.#depth >= this.#settings.queueDepth) this.#dropOldest();
    this.#waiting.push(delivery);
    this.#schedule();
  }

  #dropOldest(): void {
    if (!this.#dropping) this.#context.log.warn(`nobody reads ${this.#name}: its oldest messages are dropped`);
    this.#dropping = true;
    this.#waiting.shift();
  }

  /** Settles when the group is not full; rejects when it stays so for too long or the caller leaves. */
  room(call: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        cancel();
        call.signal?.removeEventListener("abort", aborted);
        this.#roomWaiters = this.#roomWaiters.filter((waiter) => waiter !== free);
        done();
      };
      const free = () => settle(resolve);
      const aborted = () => settle(() => reject(call.signal?.reason));
      const cause = `${this.#settings.queueDepth} messages wait for ${this.#name}`;
      const cancel = this.#context.clock.after(this.#settings.publishTimeout, () =>
        settle(() => reject(fail("backendUnavailable", { name: this.#context.name, cause }))),
      );
      this.#roomWaiters.push(free);
      call.signal?.addEventListener("abort", aborted, { once: true });
      if (call.signal?.aborted) aborted();
    });
  }

  join(handler: MessageHandler, concurrency: number): Subscription {
    const member: Member = { handler, concurrency: Math.max(1, concurrency), active: 0, idle: undefined };
    this.#members.push(member);
    this.#dropping = false;
    this.#schedule();
    let closed: Promise<void> | undefined;
    return {
      close: () => {
        closed ??= this.#leave(member);
        return closed;
      },
    };
  }

  async #leave(member: Member): Promise<void> {
    this.#members.splice(this.#members.indexOf(member), 1);
    if (!this.isFull) this.#freeRoom();
    if (member.active > 0) {
      await new Promise<void>((resolve) => {
        member.idle = resolve;
      });
    }
  }

  /** Takes no more messages and forgets those that wait. */
  close(): void {
    this.#closed = true;
    for (const cancel of this.#retries) cancel();
    this.#retries.clear();
    while (this.#waiting.shift());
    this.#freeRoom();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#calls = 0;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      if (this.#calls >= perTurn) {
        this.#schedule();
        break;
      }
      const member = this.#free();
      const delivery = member && this.#waiting.shift();
      if (!delivery) break;
      if (delivery.expiresAt !== undefined && delivery.expiresAt <= this.#context.clock.now()) continue;
      this.#calls += 1;
      this.#hand(delivery, member);
    }
    // Not at each place that gets free: waking all publishers for one place costs more than the message.
    const { queueDepth } = this.#settings;
    if (this.#roomWaiters.length > 0 && this.#depth <= queueDepth - Math.ceil(queueDepth / 8)) this.#freeRoom();
  }

  /** The next member in turn that may take a message. */
  #free(): Member | undefined {
    for (let tried = 0; tried < this.#members.length; tried += 1) {
      this.#next = (this.#next + 1) % this.#members.length;
      const member = this.#members[this.#next];
      if (member && member.active < member.concurrency) return member;
    }
    return undefined;
  }

  #hand(delivery: Delivery, member: Member): void {
    member.active += 1;
    const settle = (settled: unknown) => {
      member.active -= 1;
      if (settled !== "ack") this.#retry(delivery);
      if (member.active === 0) member.idle?.();
      this.#deliver();
    };
    try {
      member.handler({ ...delivery.message, attempt: delivery.attempt }).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  #retry({ message, expiresAt, attempt }: Delivery): void {
    if (this.#closed) return;
    const { redeliverInterval, maxRedeliverInterval, maxRetries } = this.#settings;
    if (maxRetries >= 0 && attempt > maxRetries) {
      this.#context.log.warn(`message ${message.id} of ${this.#name} is dropped after ${attempt} attempts`);
      return;
    }
    const pause = Math.min(redeliverInterval * 2 ** (attempt - 1), maxRedeliverInterval);
    const cancel = this.#context.clock.after(pause, () => {
      this.#retries.delete(cancel);
      this.#waiting.push({ message, expiresAt, attempt: attempt + 1 });
      this.#schedule();
    });
    this.#retries.add(cancel);
  }

  #freeRoom(): void {
    for (const free of [...this.#roomWaiters]) free();
  }
}
