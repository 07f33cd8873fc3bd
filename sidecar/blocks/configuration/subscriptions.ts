import type { ConfigurationItems } from "../../../components/contract/configuration.ts";
import type { Subscription } from "../../../components/contract/driver.ts";
import type { Component } from "../../kernel/components.ts";

interface Message {
  readonly id: string;
  readonly items?: Record<string, { value: string; version: string; metadata: Record<string, string> }>;
}

/** Changes on their way to one stream: the id first, then what changed, until the stream or the subscription ends. */
export class Changes {
  readonly #queue: ConfigurationItems[] = [];
  #wake = () => {};
  #ended = false;

  push(items: ConfigurationItems): void {
    this.#queue.push(items);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *messages(id: string): AsyncGenerator<Message> {
    yield { id };
    for (;;) {
      const items = this.#queue.shift();
      if (items) {
        const copies = Object.entries(items).map(
          ([key, item]) => [key, { ...item, metadata: { ...item.metadata } }] as const,
        );
        yield { id, items: Object.fromEntries(copies) };
      } else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

export type Store = Component<"configuration">;

/** A subscription as it was asked for. */
export interface Asked {
  /** The component that it was opened at. */
  readonly store: Store;
  readonly subscription: Subscription;
  /** Opens the same at another component of that name. */
  readonly openAt: (store: Store) => Promise<Subscription>;
  /** Of a subscription that a stream reads. */
  readonly changes?: Changes | undefined;
}

/** The open subscriptions of all configuration stores, by id. */
export class Subscriptions {
  readonly #open = new Map<string, Asked>();
  #closed = false;

  /** Keeps a subscription until it is ended. After `close` it is closed at once. */
  async add(id: string, asked: Asked): Promise<void> {
    this.#open.set(id, asked);
    if (this.#closed) await this.end(id);
  }

  /** A store that was opened anew gets the subscriptions of the one before. Those that it does not take end. */
  async follow(store: Store): Promise<void> {
    const left = [...this.#open].filter(([, asked]) => asked.store.name === store.name && asked.store !== store);
    await Promise.all(left.map(([id, asked]) => this.#move(id, asked, store)));
  }

  async #move(id: string, asked: Asked, store: Store): Promise<void> {
    try {
      const subscription = await asked.openAt(store);
      // It was ended, or has moved on, meanwhile.
      if (this.#open.get(id) !== asked) return await subscription.close();
      this.#open.set(id, { ...asked, store, subscription });
      await asked.subscription.close();
    } catch (error) {
      if (this.#open.get(id) === asked) await this.end(id);
      throw error;
    }
  }

  /** False: no such subscription. */
  async end(id: string): Promise<boolean> {
    const open = this.#open.get(id);
    if (!open) return false;
    this.#open.delete(id);
    open.changes?.end();
    await open.subscription.close();
    return true;
  }

  /** Ends all; streams end with them. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open.keys()].map((id) => this.end(id)));
  }
}
