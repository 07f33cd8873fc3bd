import { randomUUID } from "node:crypto";
import type { Clock, Log } from "../../../components/contract/driver.ts";
import type { StateOperation } from "../../../components/contract/state.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import type { TopicEvent, Verdict } from "../../kernel/app.ts";
import type { Component, Components } from "../../kernel/components.ts";
import { cloudEventType } from "../../kernel/content-type.ts";
import type { Request, Trace } from "../../kernel/request.ts";
import type { Store } from "./stores.ts";
import type { Item, Planned } from "./writes.ts";

/** What the outbox adds to one transaction. */
export interface Prepared {
  /** Operations to write; those that only shape a message are gone. */
  readonly writes: readonly Planned[];
  /** Marks that prove the commit to the outbox's own subscription. */
  readonly marks: readonly StateOperation[];
  /** To be called when the transaction has ended. `refused`: it is known to have changed nothing, and never will. */
  readonly settle: (refused: boolean) => void;
}

/** The outbox of one store. */
export interface StoreOutbox {
  /** Publishes the messages to the internal topic and gives the marks that release them. Rejects with `outboxPublish`. */
  prepare(operations: readonly Planned[], request: Request): Promise<Prepared>;
}

/** The transactional outbox: messages leave if and only if the transaction that carries them commits. */
export interface Outbox {
  /** Undefined: the store has no outbox configured. */
  of(store: Store): StoreOutbox | undefined;
  close(): Promise<void>;
}

/** The part of publish and subscribe that the outbox uses. */
export interface OutboxPubsub {
  publish(publication: {
    readonly pubsubName: string;
    readonly topic: string;
    readonly data: Uint8Array;
    readonly contentType?: string;
    readonly metadata?: Readonly<Record<string, string>>;
    readonly trace?: Trace;
  }): Promise<void>;
  subscribeInternal(
    subscription: { readonly pubsubName: string; readonly topic: string },
    deliver: (event: TopicEvent) => Promise<Verdict>,
  ): { close(): Promise<void> };
}

export interface OutboxParts {
  readonly components: Components;
  readonly pubsub: OutboxPubsub;
  /** The store of an opened component, as the state API uses it. */
  readonly storeOf: (component: Component<"state">) => Store;
  readonly appId: string;
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Key of a mark, behind the store's prefix. */
const markKey = (id: string): string => `outbox-${id}`;
/** A transaction that has not committed by then never will: its sidecar is gone. */
const abandonedMs = 5 * 60_000;

/** Opens the outbox of every state store that has one configured, as the stores open; one of a store that opens anew too. */
export function openOutbox(parts: OutboxParts): Outbox {
  const open = new Map<string, OpenedOutbox>();
  const closing = new Set<Promise<void>>();
  const end = (name: string) => {
    const before = open.get(name);
    if (!before) return;
    open.delete(name);
    const ended = before.close().finally(() => closing.delete(ended));
    closing.add(ended);
  };
  const ignore = parts.components.onOpen("state", (component) => {
    const { name, runtime } = component;
    end(name);
    const pubsubName = runtime["outboxPublishPubsub"];
    const topic = runtime["outboxPublishTopic"];
    if (typeof pubsubName !== "string" || typeof topic !== "string" || !pubsubName || !topic) return;
    open.set(name, new OpenedOutbox(parts, parts.storeOf(component), { pubsubName, topic }));
  });
  return {
    of: ({ name }) => open.get(name),
    async close() {
      ignore();
      for (const name of [...open.keys()]) end(name);
      await Promise.all(closing);
    },
  };
}

class OpenedOutbox implements StoreOutbox {
  readonly #parts: OutboxParts;
  readonly #store: Store;
  readonly #target: { readonly pubsubName: string; readonly topic: string };
  /** Where messages wait for their transaction. */
  readonly #internal: { readonly pubsubName: string; readonly topic: string };
  readonly #subscription: { close(): Promise<void> };
  /** Transactions of this sidecar that are under way, by the ids of their messages; resolve when they have ended. */
  readonly #open = new Map<string, Promise<void>>();
  /** Ids whose transaction was refused. */
  readonly #refused = new Set<string>();

  constructor(parts: OutboxParts, store: Store, target: { readonly pubsubName: string; readonly topic: string }) {
    this.#parts = parts;
    this.#store = store;
    this.#target = target;
    const { namespace, appId } = parts;
    const via = store.runtime["outboxPubsub"];
    this.#internal = {
      pubsubName: typeof via === "string" && via !== "" ? via : target.pubsubName,
      topic: `${namespace}${appId}${target.topic}outbox`,
    };
    this.#subscription = parts.pubsub.subscribeInternal(this.#internal, (event) => this.#release(event));
  }

  async prepare(operations: readonly Planned[], request: Request): Promise<Prepared> {
    const isProjection = ({ item }: Planned) => item.metadata["outbox.projection"] === "true";
    const projections = new Map(operations.filter(isProjection).map((one) => [one.item.key, one.item]));
    const writes = operations.filter((one) => !isProjection(one));
    const messages = writes
      .filter(({ type }) => type === "upsert")
      .map(({ item }) => ({ id: randomUUID(), item: projections.get(item.key) ?? item }));
    const settle = this.#begin(messages.map(({ id }) => id));
    try {
      await Promise.all(messages.map(({ id, item }) => this.#park(id, item, request)));
    } catch (error) {
      settle(true);
      throw error;
    }
    return {
      writes,
      marks: messages.map(({ id }) => ({
        kind: "set",
        key: this.#store.prefix + markKey(id),
        data: Buffer.from("0"),
        options: {},
      })),
      settle,
    };
  }

  /** Notes a transaction before its first message can come back, which is mostly sooner than it commits. */
  #begin(ids: readonly string[]): Prepared["settle"] {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const id of ids) this.#open.set(id, promise);
    return (refused) => {
      for (const id of ids) {
        this.#open.delete(id);
        if (refused) this.#refused.add(id);
      }
      resolve();
    };
  }

  close(): Promise<void> {
    return this.#subscription.close();
  }

  async #park(id: string, { value, metadata }: Item, { trace }: Request): Promise<void> {
    const overrides = Object.entries(metadata).filter(
      ([key]) => key.startsWith("cloudevent.") && key !== "cloudevent.data" && key !== "cloudevent.id",
    );
    try {
      await this.#parts.pubsub.publish({
        ...this.#internal,
        data: value,
        contentType: metadata["datacontenttype"] ?? metadata["contentType"] ?? "application/json",
        metadata: { ...Object.fromEntries(overrides), "cloudevent.id": id },
        trace,
      });
    } catch (error) {
      throw fail("outboxPublish", { name: this.#store.name, cause: causeText(error) }, { cause: error });
    }
  }

  /** A message has come back from the internal topic: it leaves when its mark is there. */
  async #release(event: TopicEvent): Promise<Verdict> {
    const { id, json } = event;
    await unlessAborted(this.#open.get(id), event.signal);
    const { opened, prefix, name, runtime } = this.#store;
    const key = prefix + markKey(id);
    const mark = await opened.get(key, { consistency: "strong" }, {});
    // The mark has the last word: an attempt whose answer was lost may have committed before another was refused.
    const refused = this.#refused.delete(id);
    if (!mark) return refused ? "success" : this.#unmarked(event, runtime["outboxDiscardWhenMissingState"] === true);
    await this.#parts.pubsub.publish({
      ...this.#target,
      data: json,
      contentType: cloudEventType,
      ...(event.trace ? { trace: event.trace } : {}),
    });
    try {
      await opened.delete(key, {}, {});
    } catch (error) {
      // Published already: a mark that stays is a few bytes, a message that goes twice is worse.
      this.#parts.log.warn("a mark of the outbox could not be deleted", { store: name, id, error: causeText(error) });
    }
    return "success";
  }

  #unmarked(event: TopicEvent, discard: boolean): Verdict {
    const time = Date.parse(String(event.envelope["time"] ?? ""));
    const abandoned = this.#parts.clock.now() - time > abandonedMs;
    if (!discard && !abandoned) return "retry";
    this.#parts.log.warn("an outbox message is discarded: its transaction has not committed", {
      store: this.#store.name,
      id: event.id,
    });
    return "success";
  }
}

/** What `promise` gives; rejects with the signal's reason when that comes first. */
function unlessAborted(promise: Promise<void> | undefined, signal: AbortSignal | undefined): Promise<void> | undefined {
  if (!promise || !signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
