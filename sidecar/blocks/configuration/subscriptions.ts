import type { ConfigurationItems } from "../../../components/contract/configuration.ts";
import type { Subscription } from "../../../components/contract/driver.ts";

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

interface Open {
  readonly subscription: Subscription;
  /** Of a subscription that a stream reads. */
  readonly changes: Changes | undefined;
}

/** The open subscriptions of all configuration stores, by id. */
export class Subscriptions {
  readonly #open = new Map<string, Open>();
  #closed = false;

  /** Keeps a subscription until it is ended. After `close` it is closed at once. */
  async add(id: string, subscription: Subscription, changes?: Changes): Promise<void> {
    this.#open.set(id, { subscription, changes });
    if (this.#closed) await this.end(id);
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
