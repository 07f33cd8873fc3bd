import { randomUUID } from "node:crypto";
import type { Call, Clock } from "../../../components/contract/driver.ts";
import type { IncomingMessage } from "../../../components/contract/pubsub.ts";
import { fail } from "../../../specs/errors.ts";
import type { Broker } from "./brokers.ts";
import { type DeliveryStore, type DeliveryStores, separator, sortableTime } from "./delivery-store.ts";
import { readKept, writeKept } from "./kept-message.ts";

/** A message that was tried as often as its subscription allows, and waits for somebody to decide. */
export interface ParkedMessage {
  /** Sorts by the time of parking. */
  readonly id: string;
  readonly message: Omit<IncomingMessage, "attempt">;
  /** Deliveries so far. */
  readonly attempts: number;
  /** What the last one failed with. */
  readonly error: string;
  /** Milliseconds since 1970. */
  readonly parkedAt: number;
}

interface About {
  readonly id: string;
  readonly attempts: number;
  readonly error: string;
  readonly parkedAt: number;
}

/** The parked messages of one subscription. */
export class Parking {
  readonly #stores: DeliveryStores;
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #clock: Clock;
  #count = 0;

  constructor(stores: DeliveryStores, broker: Broker, topic: string, clock: Clock) {
    this.#stores = stores;
    this.#broker = broker;
    this.#topic = topic;
    this.#clock = clock;
  }

  #prefix({ prefix }: DeliveryStore): string {
    return `${prefix}${["parked", this.#broker.name, this.#topic, this.#broker.group, ""].join(separator)}`;
  }

  /** Resolves when the message is safe. */
  async park(message: IncomingMessage, attempts: number, error: string, call: Call): Promise<void> {
    const store = await this.#stores.of(this.#broker);
    const parkedAt = this.#clock.now();
    const about: About = { id: message.id, attempts, error, parkedAt };
    // Several of one millisecond keep their order.
    this.#count = (this.#count + 1) % 1_000_000;
    const key = `${this.#prefix(store)}${sortableTime(parkedAt)}-${String(this.#count).padStart(6, "0")}-${randomUUID()}`;
    await store.opened.set(key, writeKept(message, about), {}, call);
  }

  /** Ids of a page of them, the oldest first. */
  async ids(limit: number, cursor: string | undefined, call: Call) {
    const store = await this.#stores.of(this.#broker);
    const prefix = this.#prefix(store);
    const page = await store.opened.list({ prefix, limit, cursor }, call);
    return { ids: page.keys.map((key) => key.slice(prefix.length)), cursor: page.cursor };
  }

  /** A page of them, the oldest first. */
  async list(limit: number, cursor: string | undefined, call: Call) {
    const store = await this.#stores.of(this.#broker);
    const page = await this.ids(limit, cursor, call);
    const found = await Promise.all(
      page.ids.map(async (id) => ({ id, parked: await this.#read(store, this.#prefix(store) + id, call) })),
    );
    const messages = found.flatMap(({ id, parked }) => (parked ? [{ id, ...parked }] : []));
    return { messages, cursor: page.cursor };
  }

  /** Rejects with `parkedNotFound`. */
  async get(id: string, call: Call): Promise<ParkedMessage> {
    const store = await this.#stores.of(this.#broker);
    const message = await this.#read(store, this.#prefix(store) + id, call);
    if (!message) throw fail("parkedNotFound", { name: this.#broker.name, topic: this.#topic, id });
    return { ...message, id };
  }

  async #read({ opened }: DeliveryStore, key: string, call: Call): Promise<Omit<ParkedMessage, "id"> | undefined> {
    const entry = await opened.get(key, { consistency: "strong" }, call);
    if (!entry) return undefined;
    const { attempts, error, parkedAt, ...message } = readKept<About>(entry.data);
    return { message, attempts, error, parkedAt };
  }

  async remove(id: string, call: Call): Promise<void> {
    const store = await this.#stores.of(this.#broker);
    await store.opened.delete(this.#prefix(store) + id, {}, call);
  }
}
