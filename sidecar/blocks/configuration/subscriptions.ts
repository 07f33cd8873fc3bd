import type { ConfigurationItems } from "../../../components/contract/configuration.ts";
import type { Subscription } from "../../../components/contract/driver.ts";

interface Message {
  readonly id: string;
  readonly items?: Record<string, { value: string; version: string; metadata: Record<string, string> }>;
}

/** Changes on their way to one stream: the id first, then what changed, until the stream or the subscription ends. */
class Changes {
  id = "";
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

  async *messages(): AsyncGenerator<Message> {
    yield { id: this.id };
    for (;;) {
      const items = this.#queue.shift();
      if (items) {
        const copies = Object.entries(items).map(
          ([key, item]) => [key, { ...item, metadata: { ...item.metadata } }] as const,
        );
        yield { id: this.id, items: Object.fromEntries(copies) };
      } else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** The open subscriptions of all configuration stores, by id. */
export class Subscriptions {
  readonly #open = new Map<string, Subscription>();
  readonly #streams = new Set<Changes>();

  add(id: string, subscription: Subscription): void {
    this.#open.set(id, subscription);
  }

  /** A stream of changes that ends with its caller; its subscription is then ended too. */
  stream(signal: AbortSignal): Changes {
    const changes = new Changes();
    this.#streams.add(changes);
    signal.addEventListener("abort", () => void this.end(changes.id), { once: true });
    return changes;
  }

  /** False: no such subscription. */
  async end(id: string): Promise<boolean> {
    const subscription = this.#open.get(id);
    if (!subscription) return false;
    this.#open.delete(id);
    for (const changes of this.#streams) {
      if (changes.id !== id) continue;
      this.#streams.delete(changes);
      changes.end();
    }
    await subscription.close();
    return true;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.end(id)));
  }
}
