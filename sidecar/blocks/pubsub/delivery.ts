import type { Clock } from "../../../components/contract/driver.ts";
import type { IncomingMessage, MessageHandler, Order, Settle } from "../../../components/contract/pubsub.ts";
import type { TopicEvent, Verdict } from "../../kernel/app.ts";
import type { Policy } from "../../kernel/policy.ts";
import { appTopic, type Broker } from "./brokers.ts";
import { type Dedupe, sameIn } from "./dedupe.ts";
import { Delivered, type IncomingEvent, type Origin, readEvent, wrapRaw } from "./incoming-event.ts";
import { Lanes, partitionKeyOf } from "./lanes.ts";
import type { Places } from "./places.ts";
import type { Router } from "./routes.ts";
import { type Fate, Held, isHeld, RetryAsked, type Settling, toSettle } from "./settling.ts";

/** What takes events: the app, a stream, the outbox. Rejects when the event could not be handed over. */
export type Deliver = (event: TopicEvent) => Promise<Verdict>;

/** Hears of the fate of each message; for metrics. `outcome` is what the receiver said, `retry` also when it failed. */
export type Ingress = (fact: {
  readonly pubsubName: string;
  readonly topic: string;
  readonly outcome: Verdict;
  readonly ms: number;
  /** Messages in the call; absent: it was no bulk call. */
  readonly count?: number;
}) => void;

/** How the messages of one subscription reach their receiver. */
export interface Course {
  readonly broker: Broker;
  readonly router: Router;
  /** Whether messages are wrapped in an envelope on arrival. */
  readonly raw: boolean;
  readonly policy: Policy | undefined;
  /** Deliveries of one message, those before a restart included. */
  readonly maxAttempts: number;
  readonly order: Order;
  /** Places at the receiver; undefined: the broker hands over no more than it may have. */
  readonly places: Places | undefined;
  readonly dedupe: { readonly key: string; readonly marks: Dedupe } | undefined;
  readonly settling: Settling;
  readonly clock: Clock;
  readonly ingress: Ingress | undefined;
}

/** The receiving end of one broker subscription. */
export interface Delivery {
  readonly handle: MessageHandler;
  /** Delivers a message that does not come from the broker; it takes no part in any order. */
  redrive(message: IncomingMessage): Promise<Fate>;
  /** Takes no more messages and tries none again; what is with the receiver may finish. */
  stop(): void;
  /** Takes back what is still with the receiver. */
  abort(): void;
}

/** Delivers messages one by one. */
export class SingleDelivery implements Delivery {
  readonly #course: Course;
  readonly #deliver: Deliver;
  readonly #retries = new Retries();
  readonly handle: MessageHandler;

  constructor(course: Course, deliver: Deliver) {
    this.#course = course;
    this.#deliver = deliver;
    const handle = async (message: IncomingMessage): Promise<Settle> => toSettle(await this.redrive(message));
    this.handle =
      course.order === "none" ? handle : new Lanes(course.order === "key" ? partitionKeyOf : oneLane, handle).enter;
  }

  async redrive(message: IncomingMessage): Promise<Fate> {
    if (this.#retries.stopped) return "retry";
    const { broker, raw, settling, clock, ingress, dedupe } = this.#course;
    const started = ingress ? clock.now() : 0;
    const attempts: Attempts = { count: message.attempt, outcome: "retry" };
    try {
      const origin = { pubsubName: broker.name, topic: appTopic(broker, message.topic) };
      const sorted = sort(this.#course, message, origin);
      if (typeof sorted === "string") {
        attempts.outcome = "drop";
        return await settling.unwanted(message, sorted);
      }
      const same = dedupe && sameIn(dedupe.key, message, raw ? undefined : sorted.event);
      if (!dedupe || same === undefined) return await this.#attempts(sorted, message, origin, attempts);
      return await dedupe.marks.once(same, message, (marked) => this.#attempts(sorted, marked, origin, attempts));
    } catch (error) {
      return isHeld(error) || this.#retries.stopped ? "retry" : await settling.failed(message, attempts.count, error);
    } finally {
      const { outcome } = attempts;
      ingress?.({ pubsubName: broker.name, topic: message.topic, outcome, ms: clock.now() - started });
    }
  }

  async #attempts(sorted: Sorted, message: IncomingMessage, origin: Origin, attempts: Attempts): Promise<Fate> {
    const { event, path } = sorted;
    const { policy, maxAttempts, places, settling } = this.#course;
    const once = async (signal: AbortSignal | undefined, count: number) => {
      attempts.count = message.attempt + count - 1;
      await places?.enter();
      try {
        if (this.#retries.stopped) throw new Held("the subscription is closing");
        const numbers = { attempt: attempts.count, maxAttempts };
        const verdict = await this.#deliver(new Delivered(event, message, origin, path, numbers, signal));
        if (verdict === "retry") throw new RetryAsked();
        return verdict;
      } finally {
        places?.leave();
      }
    };
    const mayGoOn = () => attempts.count < maxAttempts;
    attempts.outcome = await (policy ? this.#retries.run(policy, once, mayGoOn) : once(this.#retries.signal, 1));
    return attempts.outcome === "drop" ? await settling.dropped(message) : "ack";
  }

  stop(): void {
    this.#retries.stop();
  }

  abort(): void {
    this.#retries.abort();
  }
}

const oneLane = () => "";

/** How far the deliveries of a message have come. */
interface Attempts {
  count: number;
  outcome: Verdict;
}

/** A message on its way to a path. */
export interface Sorted {
  readonly event: IncomingEvent;
  readonly path: string;
}

/** Where a message goes, or why it goes nowhere. Throws an Error when that cannot be said. */
export function sort(course: Course, message: IncomingMessage, origin: Origin): Sorted | string {
  const event = course.raw ? wrapRaw(message, origin) : readEvent(message, origin);
  if (event.expired(course.clock.now())) return "its expiration has passed";
  const path = course.router(() => event.view);
  return path === undefined ? "no rule of the subscription matches it" : { event, path };
}

/** Attempts under a policy that can be called off without cutting off the attempt that is under way. */
export class Retries {
  readonly #controller = new AbortController();
  readonly #running = new Set<{ busy: boolean; readonly controller: AbortController }>();
  stopped = false;

  /** Aborts when attempts are taken back. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @param mayGoOn asked before each further attempt */
  async run<T>(
    policy: Policy,
    attempt: (signal: AbortSignal | undefined, count: number) => Promise<T>,
    mayGoOn: () => boolean = () => true,
  ): Promise<T> {
    const run = { busy: false, controller: new AbortController() };
    this.#running.add(run);
    try {
      return await policy.run(
        async (signal, count) => {
          if (this.stopped) throw new Held("the subscription is closing");
          run.busy = true;
          try {
            return await attempt(signal, count);
          } finally {
            run.busy = false;
          }
        },
        { signal: run.controller.signal, retriable: (error) => !this.stopped && !isHeld(error) && mayGoOn() },
      );
    } finally {
      this.#running.delete(run);
    }
  }

  /** Ends the pauses between attempts. */
  stop(): void {
    this.stopped = true;
    for (const { busy, controller } of this.#running)
      if (!busy) controller.abort(new Held("the subscription is closing"));
  }

  /** Ends everything. */
  abort(): void {
    this.stopped = true;
    const reason = new Held("the subscription is closed");
    this.#controller.abort(reason);
    for (const { controller } of this.#running) controller.abort(reason);
  }
}
