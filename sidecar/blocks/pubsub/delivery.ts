import type { Clock } from "../../../components/contract/driver.ts";
import type { IncomingMessage, MessageHandler, Settle } from "../../../components/contract/pubsub.ts";
import type { TopicEvent, Verdict } from "../../kernel/app.ts";
import type { Policy } from "../../kernel/policy.ts";
import { appTopic, type Broker } from "./brokers.ts";
import { Delivered, type IncomingEvent, type Origin, readEvent, wrapRaw } from "./incoming-event.ts";
import type { Router } from "./routes.ts";
import { Held, isHeld, RetryAsked, type Settling } from "./settling.ts";

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
  readonly settling: Settling;
  readonly clock: Clock;
  readonly ingress: Ingress | undefined;
}

/** The receiving end of one broker subscription. */
export interface Delivery {
  readonly handle: MessageHandler;
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

  constructor(course: Course, deliver: Deliver) {
    this.#course = course;
    this.#deliver = deliver;
  }

  readonly handle = async (message: IncomingMessage): Promise<Settle> => {
    if (this.#retries.stopped) return "retry";
    const { broker, settling, clock, ingress } = this.#course;
    const started = ingress ? clock.now() : 0;
    let outcome: Verdict = "retry";
    try {
      const origin = { pubsubName: broker.name, topic: appTopic(broker, message.topic) };
      const sorted = sort(this.#course, message, origin);
      if (typeof sorted === "string") {
        outcome = "drop";
        return await settling.unwanted(message, sorted);
      }
      outcome = await this.#attempts(sorted, message, origin);
      return outcome === "drop" ? await settling.dropped(message) : "ack";
    } catch (error) {
      return isHeld(error) || this.#retries.stopped ? "retry" : await settling.failed(message, error);
    } finally {
      ingress?.({ pubsubName: broker.name, topic: message.topic, outcome, ms: clock.now() - started });
    }
  };

  async #attempts({ event, path }: Sorted, message: IncomingMessage, origin: Origin): Promise<Verdict> {
    const { policy } = this.#course;
    const once = async (signal: AbortSignal | undefined, attempt: number) => {
      const verdict = await this.#deliver(new Delivered(event, message, origin, path, attempt, signal));
      if (verdict === "retry") throw new RetryAsked();
      return verdict;
    };
    return policy ? this.#retries.run(policy, once) : once(this.#retries.signal, 1);
  }

  stop(): void {
    this.#retries.stop();
  }

  abort(): void {
    this.#retries.abort();
  }
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

  async run<T>(policy: Policy, attempt: (signal: AbortSignal | undefined, count: number) => Promise<T>): Promise<T> {
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
        { signal: run.controller.signal, retriable: (error) => !this.stopped && !isHeld(error) },
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
