import type { Log } from "../../../components/contract/driver.ts";
import type { IncomingMessage } from "../../../components/contract/pubsub.ts";
import { causeText } from "../../../specs/errors.ts";
import { markName, writeMark } from "../../kernel/dedupe-mark.ts";
import type { Broker } from "./brokers.ts";
import { type DeliveryStores, separator } from "./delivery-store.ts";
import type { IncomingEvent } from "./incoming-event.ts";
import { type Fate, Held } from "./settling.ts";

export interface DedupeParts {
  readonly stores: DeliveryStores;
  readonly broker: Broker;
  readonly topic: string;
  /** Milliseconds for which a handled message is remembered. */
  readonly ttlMs: number;
  readonly log: Log;
}

/** What is the same in duplicates of a message; undefined: it has nothing of that name. `event`: undefined, it is raw. */
export function sameIn(key: string, { id, metadata }: IncomingMessage, event: IncomingEvent | undefined) {
  return event ? (event.attribute(key) ?? metadata[key]) : (metadata[key] ?? (key === "id" ? id : undefined));
}

type Handle = (message: IncomingMessage) => Promise<Fate>;

/** Hands each message of one subscription over until it has been handled, and never again. */
export class Dedupe {
  readonly #parts: DedupeParts;
  /** What is being handled in this process; settles when it has been. */
  readonly #open = new Map<string, Promise<void>>();

  constructor(parts: DedupeParts) {
    this.#parts = parts;
  }

  /**
   * @param value what is the same in duplicates
   * @param handle is given the message with its mark, which a transaction of the app may write together with its effect
   */
  async once(value: string, message: IncomingMessage, handle: Handle): Promise<Fate> {
    for (let open = this.#open.get(value); open; open = this.#open.get(value)) await open;
    let done = () => {};
    this.#open.set(value, new Promise((resolve) => (done = resolve)));
    try {
      return await this.#once(value, message, handle);
    } finally {
      this.#open.delete(value);
      done();
    }
  }

  async #once(value: string, message: IncomingMessage, handle: Handle): Promise<Fate> {
    const { broker, topic, ttlMs, log } = this.#parts;
    const fields = { pubsub: broker.name, topic, messageId: message.id };
    const { store, key, isHandled } = await this.#look(value).catch((error: unknown) => {
      log.warn("whether an event was handled before cannot be said now; it is kept", {
        ...fields,
        error: causeText(error),
      });
      throw new Held("the delivery store does not answer");
    });
    if (isHandled) {
      log.debug("the event is a duplicate of one that was handled; it is not delivered", {
        ...fields,
        duplicate: value,
      });
      return "ack";
    }
    const ttlSeconds = Math.max(1, Math.ceil(ttlMs / 1000));
    const mark = store.name === undefined ? undefined : writeMark({ store: store.name, key, ttlSeconds });
    const fate = await handle(mark ? { ...message, metadata: { ...message.metadata, [markName]: mark } } : message);
    if (fate !== "ack") return fate;
    try {
      await store.opened.set(key, Buffer.from("1"), { ttlSeconds }, {});
    } catch (error) {
      // Its effect has been done: handing it back would do it again for certain.
      log.warn("a handled event could not be marked; a duplicate of it may be delivered", {
        ...fields,
        error: causeText(error),
      });
    }
    return fate;
  }

  async #look(value: string) {
    const { stores, broker, topic } = this.#parts;
    const store = await stores.of(broker);
    const key = `${store.prefix}${["handled", broker.name, topic, broker.group, value].join(separator)}`;
    return { store, key, isHandled: (await store.opened.get(key, { consistency: "strong" }, {})) !== undefined };
  }
}
