import { fail } from "../../specs/errors.ts";
import { Attempts } from "../contract/attempts.ts";
import type { Clock } from "../contract/driver.ts";
import { HandOver, type Member } from "../contract/hand-over.ts";
import type { Order, Settle } from "../contract/pubsub.ts";
import type { Arrival, Connection } from "./connection.ts";
import { hasEnded, idOf, markOf, metadataOf } from "./message.ts";
import type { Filter } from "./topics.ts";

/** A message of the broker, which may be for several feeds; it is acknowledged when all of them have settled it. */
export class Delivery {
  readonly message: Arrival;
  readonly since: number;
  /** Undefined: it is gone, and the message comes again. */
  connection: Connection | undefined;
  readonly #open: Set<Feed>;
  readonly #done = new Set<Feed>();
  readonly #onSettled: (delivery: Delivery) => void;

  constructor(
    message: Arrival,
    connection: Connection,
    since: number,
    feeds: readonly Feed[],
    onSettled: (delivery: Delivery) => void,
  ) {
    this.#onSettled = onSettled;
    this.message = message;
    this.connection = connection;
    this.since = since;
    this.#open = new Set(feeds);
  }

  get isKept(): boolean {
    return this.message.qos > 0;
  }

  settle(feed: Feed): void {
    this.#open.delete(feed);
    this.#done.add(feed);
    if (this.#open.size > 0) return;
    this.connection?.acknowledge(this.message);
    this.#onSettled(this);
  }

  /** The connection is gone, and the message comes again; those that have settled it need not handle it again. */
  lose(): void {
    this.connection = undefined;
    for (const feed of this.#done) feed.rememberHandled(this.message);
  }
}

/** A delivery on its way through one feed; redelivered while it is being handled, it is what came last. */
export interface Entry {
  readonly id: string;
  readonly mark: string;
  delivery: Delivery;
}

export interface FeedOptions {
  readonly pauseMs: number;
  readonly clock: Clock;
}

/** Settled, and only the broker does not know. */
const handled = Number.POSITIVE_INFINITY;
/** Messages of QoS 0, which no broker holds back, that wait here at most. */
const mostUnkept = 10_000;

/** The messages of one subscribed filter on their way to its members. Without members they wait. */
export class Feed {
  readonly filter: Filter;
  /** Under which MQTT 5 says that a message came by this subscription. */
  readonly identifier: number;
  isSubscribed = false;
  members = 0;
  readonly #handOver: HandOver<Entry>;
  readonly #clock: Clock;
  readonly #active = new Set<Entry>();
  /** Being handled, from a connection that is gone, by mark. */
  readonly #orphans = new Map<string, Entry[]>();
  #attempts = new Attempts();
  #unkept = 0;

  constructor(filter: Filter, identifier: number, { pauseMs, clock }: FeedOptions) {
    this.filter = filter;
    this.identifier = identifier;
    this.#clock = clock;
    this.#handOver = new HandOver<Entry>({
      pauseMs,
      clock,
      keyOf: ({ delivery }) => metadataOf(delivery.message)["partitionKey"],
      admit: (entry) => this.#admit(entry),
      settled: (entry, settle, made) => this.#settled(entry, settle, made),
    });
  }

  /**
   * Throws `requestMetadataInvalid` when members have another order.
   * @returns ends the membership; settles when what is being handled is settled
   */
  join({ concurrency, handle }: Member<Entry>, order: Order): () => Promise<void> {
    if (this.members === 0) this.#handOver.order = order;
    else if (this.#handOver.order !== order) {
      const why = `another subscription of ${this.filter.text} has order ${this.#handOver.order}; give both the same`;
      throw fail("requestMetadataInvalid", { key: "order", why });
    }
    this.members += 1;
    const leave = this.#handOver.join({
      concurrency,
      handle: (entry, attempt) => {
        this.#active.add(entry);
        return handle(entry, attempt);
      },
    });
    return async () => {
      await leave();
      this.members -= 1;
    };
  }

  add(delivery: Delivery): void {
    const { message } = delivery;
    if (!delivery.isKept) {
      if (this.#unkept >= mostUnkept) return;
      this.#unkept += 1;
    }
    const mark = markOf(message);
    if (message.dup && delivery.isKept) {
      const orphan = this.#orphans.get(mark)?.shift();
      if (orphan) {
        orphan.delivery = delivery;
        return;
      }
      const known = this.#attempts.take(mark);
      if (known === handled) {
        delivery.settle(this);
        return;
      }
      this.#handOver.add({ id: idOf(message, mark), mark, delivery }, known ?? 1);
      return;
    }
    this.#handOver.add({ id: idOf(message, mark), mark, delivery });
  }

  #admit({ delivery }: Entry): boolean {
    if (!delivery.isKept) this.#unkept -= 1;
    if (!hasEnded(delivery.message, delivery.since, this.#clock.now())) return true;
    delivery.settle(this);
    return false;
  }

  #settled(entry: Entry, settle: Settle, made: number): boolean {
    this.#active.delete(entry);
    const { delivery, mark } = entry;
    if (delivery.connection) {
      if (settle === "ack") delivery.settle(this);
      else if (!delivery.isKept) this.#unkept += 1;
      return settle === "retry";
    }
    // Too late: it comes again.
    const orphans = this.#orphans.get(mark);
    if (orphans?.includes(entry)) orphans.splice(orphans.indexOf(entry), 1);
    this.#attempts.remember(mark, settle === "ack" ? handled : made);
    return false;
  }

  /** What came through the connection comes again by another one, less what the broker did not keep. */
  lose(connection: Connection): void {
    for (const entry of this.#active) {
      if (entry.delivery.connection !== connection || !entry.delivery.isKept) continue;
      this.#orphans.set(entry.mark, [...(this.#orphans.get(entry.mark) ?? []), entry]);
    }
    const unkept: [Entry, number][] = [];
    this.#handOver.clear((entry, attempts) => {
      if (entry.delivery.isKept) this.#attempts.remember(entry.mark, attempts);
      else unkept.push([entry, attempts]);
    });
    for (const [entry, attempts] of unkept) this.#handOver.add(entry, attempts);
  }

  /** Need not be handed over when it comes again. */
  rememberHandled(message: Arrival): void {
    this.#attempts.remember(markOf(message), handled);
  }

  /** Nothing comes again: the broker has forgotten the session. */
  forget(): void {
    this.#orphans.clear();
    this.#attempts = new Attempts();
  }
}
