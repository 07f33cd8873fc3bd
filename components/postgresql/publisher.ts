import type { Call } from "../contract/driver.ts";
import type { MessageLog, NewMessage } from "./message-log.ts";

interface Waiting {
  readonly message: NewMessage;
  readonly signal: AbortSignal | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

const mostMessages = 1000;
const mostBytes = 8 * 2 ** 20;

/**
 * Publishes to one topic. What is published while a batch is on its way makes the next batch, so that many publications
 * cost the commits of few, and come in the order in which they were asked for.
 */
export class Publisher {
  readonly #topic: string;
  readonly #log: MessageLog;
  readonly #onPublished: () => void;
  readonly #waiting: Waiting[] = [];
  #isSending = false;

  constructor(topic: string, log: MessageLog, onPublished: () => void) {
    this.#topic = topic;
    this.#log = log;
    this.#onPublished = onPublished;
  }

  /** Nothing waits or is on its way. */
  get isIdle(): boolean {
    return !this.#isSending;
  }

  /** Resolves when the message is committed. One whose caller leaves before it is on its way is not published. */
  add(message: NewMessage, { signal }: Call): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ message, signal, resolve, reject });
      if (!this.#isSending) void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // What is published in the same turn of the event loop belongs to the same batch.
    await Promise.resolve();
    for (let batch = this.#batch(); batch.length > 0; batch = this.#batch()) {
      try {
        await this.#log.append(
          this.#topic,
          batch.map(({ message }) => message),
          batch.length === 1 ? { signal: batch[0]?.signal } : {},
        );
        this.#onPublished();
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isSending = false;
  }

  #batch(): readonly Waiting[] {
    const batch: Waiting[] = [];
    let size = 0;
    while (batch.length < mostMessages) {
      const [next] = this.#waiting;
      if (!next || (batch.length > 0 && size + next.message.data.length > mostBytes)) break;
      this.#waiting.shift();
      if (next.signal?.aborted) {
        next.reject(next.signal.reason);
        continue;
      }
      batch.push(next);
      size += next.message.data.length;
    }
    return batch;
  }
}
