import { randomUUID } from "node:crypto";
import type { Call, Clock, Log } from "../../../components/contract/driver.ts";
import type { OutgoingMessage } from "../../../components/contract/pubsub.ts";
import { causeText, MechaError } from "../../../specs/errors.ts";
import type { Broker, Brokers } from "./brokers.ts";
import { type DeliveryStore, type DeliveryStores, separator, sortableTime } from "./delivery-store.ts";
import { readKept, writeKept } from "./kept-message.ts";

/** How often messages are looked for that another sidecar of the app was to publish, and could not. */
const lookMs = 10_000;
/** So long a message belongs to the sidecar that is publishing it. */
const claimMs = 30_000;
const pageSize = 500;
/** Publishes at once. */
const parallel = 32;

export interface DelaysParts {
  readonly brokers: Brokers;
  readonly stores: DeliveryStores;
  readonly clock: Clock;
  readonly log: Log;
}

/** Messages that are published later: kept in the delivery store until they are due, by whichever sidecar of the app runs then. */
export class Delays {
  readonly #parts: DelaysParts;
  readonly #timers = new Map<string, BrokerDelays>();
  #closed = false;

  constructor(parts: DelaysParts) {
    this.#parts = parts;
  }

  /** Starts to publish what is due at this broker. */
  follow({ name }: Broker): void {
    if (this.#closed || this.#timers.has(name)) return;
    this.#timers.set(name, new BrokerDelays(name, this.#parts));
  }

  /** Resolves when the message is kept. Rejects with `deliveryStore` or with the store's own reason. */
  async keep(broker: Broker, message: OutgoingMessage, dueAt: number, call: Call): Promise<void> {
    this.follow(broker);
    const store = await this.#parts.stores.of(broker);
    const key = `${prefixOf(store, broker.name)}${sortableTime(dueAt)}-${randomUUID()}`;
    await store.opened.set(key, writeKept(message), {}, call);
    this.#timers.get(broker.name)?.wakeAt(dueAt);
  }

  /** Settles when nothing is being published any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#timers.values()].map((timer) => timer.close()));
  }
}

const prefixOf = ({ prefix }: DeliveryStore, pubsubName: string): string =>
  `${prefix}${["delayed", pubsubName, ""].join(separator)}`;

/** The delayed messages of one broker. */
class BrokerDelays {
  readonly #name: string;
  readonly #parts: DelaysParts;
  #cancel = () => {};
  #nextAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(name: string, parts: DelaysParts) {
    this.#name = name;
    this.#parts = parts;
    this.wakeAt(parts.clock.now());
  }

  wakeAt(at: number): void {
    if (this.#closed || at >= this.#nextAt) return;
    this.#cancel();
    this.#nextAt = at;
    const { clock } = this.#parts;
    this.#cancel = clock.after(Math.max(0, at - clock.now()), () => {
      this.#nextAt = Number.POSITIVE_INFINITY;
      this.#running ??= this.#look().finally(() => {
        this.#running = undefined;
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#parts;
    let next = clock.now() + lookMs;
    try {
      next = Math.min(next, await this.#publishDue());
    } catch (error) {
      log.warn("delayed messages cannot be looked for; trying again", { pubsub: this.#name, error: causeText(error) });
    }
    this.wakeAt(next);
  }

  /** Publishes what is due and gives the time of the next one. */
  async #publishDue(): Promise<number> {
    const { brokers, stores, clock } = this.#parts;
    const broker = brokers.require(this.#name);
    const store = await stores.of(broker);
    const prefix = prefixOf(store, this.#name);
    let next = Number.POSITIVE_INFINITY;
    let cursor: string | undefined;
    do {
      const page = await store.opened.list({ prefix, limit: pageSize, cursor }, {});
      const now = clock.now();
      const dueAt = (key: string) => Number(key.slice(prefix.length, prefix.length + sortableTime(0).length));
      const due = page.keys.filter((key) => dueAt(key) <= now);
      await this.#publishAll(broker, store, due);
      for (const key of page.keys) if (dueAt(key) > now) next = Math.min(next, dueAt(key));
      cursor = page.cursor;
      // Keys come in the order of their times, except from a store that cannot order.
      if (next !== Number.POSITIVE_INFINITY && isAscending(page.keys)) break;
    } while (cursor !== undefined && !this.#closed);
    return next;
  }

  async #publishAll(broker: Broker, store: DeliveryStore, keys: readonly string[]): Promise<void> {
    // All workers draw from one iterator, so that each message is taken once.
    const rest = keys.values();
    const work = async () => {
      for (const key of rest) {
        if (this.#closed) return;
        await this.#publish(broker, store, key);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, keys.length) }, work));
  }

  /** Of several sidecars one publishes it; when that one dies it comes again, once its claim has ended. */
  async #publish(broker: Broker, { opened }: DeliveryStore, key: string): Promise<void> {
    const { clock, log } = this.#parts;
    try {
      const entry = await opened.get(key, { consistency: "strong" }, {});
      if (!entry) return;
      const { claimedUntil = 0, ...message } = readKept<{ claimedUntil?: number }>(entry.data);
      if (claimedUntil > clock.now()) return;
      const claimed = writeKept(message, { claimedUntil: clock.now() + claimMs });
      await opened.set(key, claimed, { etag: entry.etag, concurrency: "first-write" }, {});
      await broker.opened.publish(message, {});
      await opened.delete(key, {}, {});
    } catch (error) {
      // Another one was faster.
      if (error instanceof MechaError && error.reason === "etagMismatch") return;
      const fields = { pubsub: this.#name, error: causeText(error) };
      log.error("a delayed message could not be published; trying again", fields);
    }
  }
}

const isAscending = (keys: readonly string[]): boolean =>
  keys.every((key, at) => at === 0 || key >= (keys[at - 1] as string));
