import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler, Order } from "../contract/pubsub.ts";
import { Fifo } from "./fifo.ts";
import { type Delivery, Lines } from "./lines.ts";

export interface GroupSettings {
  readonly queueDepth: number;
  readonly publishTimeout: number;
  readonly redeliverInterval: number;
  readonly maxRedeliverInterval: number;
  readonly maxRetries: number;
}

interface Member {
  readonly handler: MessageHandler;
  readonly concurrency: number;
  readonly order: Order;
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
  /** Undefined: no member asks for an order. */
  #lines: Lines | undefined;
  readonly #retries = new Set<() => void>();
  /** Ends of pauses of lines, whose messages `#lines` counts. */
  readonly #rests = new Set<() => void>();
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
    return this.#waiting.length + this.#retries.size + (this.#lines?.size ?? 0);
  }

  push(delivery: Delivery): void {
    if (this.#members.length === 0 && this.#depth >= this.#settings.queueDepth) this.#dropOldest();
    this.#waiting.push(delivery);
    this.#schedule();
  }

  #dropOldest(): void {
    if (!this.#dropping) this.#context.log.warn(`nobody reads ${this.#name}: its oldest messages are dropped`);
    this.#dropping = true;
    if (!this.#lines?.drop()) this.#waiting.shift();
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

  join(handler: MessageHandler, concurrency: number, order: Order): Subscription {
    const member: Member = { handler, concurrency: Math.max(1, concurrency), order, active: 0, idle: undefined };
    this.#members.push(member);
    this.#arrange();
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

  /** The strictest order that a member asks for holds for all. */
  #arrange(): void {
    const orders = this.#members.map(({ order }) => order);
    const order = (["topic", "key"] as const).find((one) => orders.includes(one)) ?? "none";
    if (order === (this.#lines?.order ?? "none")) return;
    const waiting = [...(this.#lines?.clear() ?? [])];
    this.#lines = order === "none" ? undefined : new Lines(order);
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) waiting.push(next);
    for (const delivery of waiting) this.#waiting.push(delivery);
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
    for (const cancel of [...this.#retries, ...this.#rests]) cancel();
    this.#retries.clear();
    this.#rests.clear();
    this.#lines?.clear();
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
    if (this.#lines) this.#deliverInOrder(this.#lines);
    else this.#deliverAsItComes();
    // Not at each place that gets free: waking all publishers for one place costs more than the message.
    const { queueDepth } = this.#settings;
    if (this.#roomWaiters.length > 0 && this.#depth <= queueDepth - Math.ceil(queueDepth / 8)) this.#freeRoom();
  }

  #deliverAsItComes(): void {
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
      this.#hand(delivery, member, undefined);
    }
  }

  /** Gives each member in turn what it may have, until nobody may have anything. */
  #deliverInOrder(lines: Lines): void {
    for (let refusals = 0; refusals < this.#members.length; ) {
      if (this.#calls >= perTurn) {
        this.#schedule();
        return;
      }
      const member = this.#free();
      const delivery = member && this.#nextFor(member, lines);
      if (!delivery) {
        if (!member) return;
        refusals += 1;
        continue;
      }
      refusals = 0;
      const ordering = lines.orders(delivery) ? lines : undefined;
      if (delivery.expiresAt !== undefined && delivery.expiresAt <= this.#context.clock.now()) {
        ordering?.settle(delivery, true, undefined);
        continue;
      }
      this.#calls += 1;
      this.#hand(delivery, member, ordering);
    }
  }

  #nextFor(member: Member, lines: Lines): Delivery | undefined {
    const waited = lines.next(member);
    if (waited) return waited;
    for (let fresh = this.#waiting.shift(); fresh; fresh = this.#waiting.shift()) {
      if (lines.admit(fresh, member)) return fresh;
    }
    return undefined;
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

  /** @param lines undefined: the message has no part in any order */
  #hand(delivery: Delivery, member: Member, lines: Lines | undefined): void {
    member.active += 1;
    const settle = (settled: unknown) => {
      member.active -= 1;
      if (lines) this.#settleInOrder(lines, delivery, settled === "ack");
      else if (settled !== "ack") this.#retry(delivery);
      if (member.active === 0) member.idle?.();
      this.#deliver();
    };
    try {
      member.handler({ ...delivery.message, attempt: delivery.attempt }).then(settle, settle);
    } catch (error) {
      settle(error);
    }
  }

  #settleInOrder(lines: Lines, delivery: Delivery, isDone: boolean): void {
    if (this.#closed) return;
    const isBehind = !isDone && lines.isBehind(delivery);
    const isOver = isDone || (!isBehind && this.#isLast(delivery));
    const again = isOver ? undefined : isBehind ? delivery : { ...delivery, attempt: delivery.attempt + 1 };
    const rest = lines.settle(delivery, isDone, again);
    if (!rest) return;
    this.#after(this.#rests, this.#pauseMs(Math.max(1, rest.attempts)), () => {
      rest.end();
      if (lines !== this.#lines) for (const left of lines.clear()) this.#waiting.push(left);
    });
  }

  #retry(delivery: Delivery): void {
    if (this.#closed || this.#isLast(delivery)) return;
    const { attempt } = delivery;
    this.#after(this.#retries, this.#pauseMs(attempt), () => this.#waiting.push({ ...delivery, attempt: attempt + 1 }));
  }

  #pauseMs(attempt: number): number {
    const { redeliverInterval, maxRedeliverInterval } = this.#settings;
    return Math.min(redeliverInterval * 2 ** (attempt - 1), maxRedeliverInterval);
  }

  #isLast({ message, attempt }: Delivery): boolean {
    const { maxRetries } = this.#settings;
    if (maxRetries < 0 || attempt <= maxRetries) return false;
    this.#context.log.warn(`message ${message.id} of ${this.#name} is dropped after ${attempt} attempts`);
    return true;
  }

  /** Does it later, and delivers then. */
  #after(timers: Set<() => void>, ms: number, run: () => void): void {
    const cancel = this.#context.clock.after(ms, () => {
      timers.delete(cancel);
      run();
      this.#schedule();
    });
    timers.add(cancel);
  }

  #freeRoom(): void {
    for (const free of [...this.#roomWaiters]) free();
  }
}
