import { randomUUID } from "node:crypto";
import type { IncomingMessage, Settle } from "../../../components/contract/pubsub.ts";
import type { BulkEntry, BulkTopicEvent, Verdict } from "../../kernel/app.ts";
import { bytesType, cloudEventType } from "../../kernel/content-type.ts";
import { appTopic } from "./brokers.ts";
import { sameIn } from "./dedupe.ts";
import { type Course, type Delivery, Retries, sort } from "./delivery.ts";
import type { IncomingEvent } from "./incoming-event.ts";
import { textOf } from "./json-text.ts";
import { type Fate, isHeld, RetryAsked, toSettle } from "./settling.ts";

/** Takes several events at once; verdicts by entry id, a missing one is `retry`. */
export type DeliverMany = (events: BulkTopicEvent) => Promise<ReadonlyMap<string, Verdict>>;

/** When a batch is complete. */
export interface BatchLimits {
  readonly maxMessagesCount: number;
  readonly maxAwaitDurationMs: number;
}

/** A message that waits for its batch, or in it. */
interface Waiting {
  readonly message: IncomingMessage;
  readonly entry: BulkEntry;
  readonly settle: (fate: Fate | Promise<Fate>) => void;
}

interface SortedEntry {
  readonly entry: BulkEntry;
  readonly path: string;
  /** Undefined: the payload is raw. */
  readonly event: IncomingEvent | undefined;
}

interface Batch {
  readonly waiting: Waiting[];
  readonly cancelTimer: () => void;
}

/** Collects messages per path and delivers them in batches, above any broker; each is settled by its own verdict. */
export class BulkDelivery implements Delivery {
  readonly #course: Course;
  readonly #deliver: DeliverMany;
  readonly #topic: string;
  readonly #limits: BatchLimits;
  readonly #retries = new Retries();
  readonly #batches = new Map<string, Batch>();

  constructor(course: Course, topic: string, limits: BatchLimits, deliver: DeliverMany) {
    this.#course = course;
    this.#topic = topic;
    this.#limits = limits;
    this.#deliver = deliver;
  }

  readonly handle = async (message: IncomingMessage): Promise<Settle> => toSettle(await this.redrive(message));

  async redrive(message: IncomingMessage): Promise<Fate> {
    if (this.#retries.stopped) return "retry";
    const { settling, dedupe } = this.#course;
    let sorted: SortedEntry | string;
    try {
      sorted = this.#sort(message);
    } catch (error) {
      return settling.failed(message, message.attempt, error);
    }
    if (typeof sorted === "string") return settling.unwanted(message, sorted);
    const { entry, path, event } = sorted;
    const collect = () => new Promise<Fate>((settle) => this.#collect(path, { message, entry, settle }));
    const same = dedupe && sameIn(dedupe.key, message, event);
    if (!dedupe || same === undefined) return collect();
    return dedupe.marks.once(same, message, collect).catch(() => "retry");
  }

  #sort(message: IncomingMessage): SortedEntry | string {
    const { broker, raw, router } = this.#course;
    const { metadata } = message;
    const entryId = randomUUID();
    if (raw) {
      const path = router(() => textOf(message.data));
      if (path === undefined) return "no rule of the subscription matches it";
      const contentType = message.contentType ?? bytesType;
      return { entry: { entryId, event: { raw: message.data }, contentType, metadata }, path, event: undefined };
    }
    const sorted = sort(this.#course, message, { pubsubName: broker.name, topic: appTopic(broker, message.topic) });
    if (typeof sorted === "string") return sorted;
    const { event, path } = sorted;
    return { entry: { entryId, event, contentType: cloudEventType, metadata }, path, event };
  }

  #collect(path: string, waiting: Waiting): void {
    const { maxMessagesCount, maxAwaitDurationMs } = this.#limits;
    let batch = this.#batches.get(path);
    if (!batch) {
      const cancelTimer = this.#course.clock.after(maxAwaitDurationMs, () => this.#flush(path));
      batch = { waiting: [], cancelTimer };
      this.#batches.set(path, batch);
    }
    batch.waiting.push(waiting);
    if (batch.waiting.length >= maxMessagesCount) this.#flush(path);
  }

  #flush(path: string): void {
    const batch = this.#batches.get(path);
    if (!batch) return;
    this.#batches.delete(path);
    batch.cancelTimer();
    void this.#send(path, batch.waiting);
  }

  /** Never rejects: every message is settled. */
  async #send(path: string, waiting: readonly Waiting[]): Promise<void> {
    const { policy, settling, maxAttempts } = this.#course;
    let rest = waiting;
    let made = 1;
    const attempts = ({ message }: Waiting) => message.attempt + made - 1;
    const attempt = async (signal: AbortSignal | undefined, count: number) => {
      made = count;
      rest = await this.#attempt(path, rest, signal);
      // Each message has come here with attempts of its own behind it.
      const isOver = (one: Waiting) => attempts(one) >= maxAttempts;
      for (const one of rest.filter(isOver)) one.settle(settling.failed(one.message, attempts(one), new RetryAsked()));
      rest = rest.filter((one) => !isOver(one));
      if (rest.length > 0) throw new RetryAsked();
    };
    const mayGoOn = () => rest.some((one) => attempts(one) < maxAttempts);
    try {
      await (policy ? this.#retries.run(policy, attempt, mayGoOn) : attempt(this.#retries.signal, 1));
    } catch (error) {
      const hold = isHeld(error) || this.#retries.stopped;
      for (const one of rest) one.settle(hold ? "retry" : settling.failed(one.message, attempts(one), error));
    }
  }

  /** One call of the app; settles what it judged and gives the rest. */
  async #attempt(
    path: string,
    waiting: readonly Waiting[],
    signal: AbortSignal | undefined,
  ): Promise<readonly Waiting[]> {
    const { broker, settling, clock, ingress } = this.#course;
    const started = clock.now();
    let outcome: Verdict = "retry";
    try {
      const verdicts = await this.#deliver({
        id: randomUUID(),
        pubsubName: broker.name,
        topic: this.#topic,
        path,
        entries: waiting.map(({ entry }) => entry),
        metadata: { pubsubName: broker.name },
        signal,
      });
      const rest: Waiting[] = [];
      for (const one of waiting) {
        const verdict = verdicts.get(one.entry.entryId) ?? "retry";
        if (verdict === "success") one.settle("ack");
        else if (verdict === "drop") one.settle(settling.dropped(one.message));
        else rest.push(one);
      }
      if (rest.length === 0) outcome = "success";
      return rest;
    } finally {
      const ms = clock.now() - started;
      ingress?.({ pubsubName: broker.name, topic: this.#topic, outcome, ms, count: waiting.length });
    }
  }

  stop(): void {
    this.#retries.stop();
    // What was never shown to the app goes back at once.
    for (const { waiting, cancelTimer } of this.#batches.values()) {
      cancelTimer();
      for (const { settle } of waiting) settle("retry");
    }
    this.#batches.clear();
  }

  abort(): void {
    this.stop();
    this.#retries.abort();
  }
}
