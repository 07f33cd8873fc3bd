import { setTimeout as pause } from "node:timers/promises";
import { MechaClientError, type StateStore } from "@mecha/sdk";

/** What the notifications service keeps of each order. */
export interface Notification {
  readonly order: string;
  readonly outcome: "confirmed" | "rejected";
  /** Milliseconds since 1970. */
  readonly sentAt: number;
}

const pollMs = 20;
const mostAtOnce = 200;

/** Watches what becomes of orders, by reading the notifications about them. */
export class Outcomes {
  readonly #notifications: StateStore<Notification>;
  /** Order → when it was sent, milliseconds since 1970. */
  readonly #waiting = new Map<string, number>();
  #changed = Promise.withResolvers<void>();
  #failure: unknown;
  confirmed = 0;
  rejected = 0;
  /** From sending an order to the notification, milliseconds, of each order of this run. */
  readonly flowsMs: number[] = [];

  constructor(notifications: StateStore<Notification>) {
    this.#notifications = notifications;
  }

  get inFlight(): number {
    return this.#waiting.size;
  }

  expect(order: string): void {
    this.#waiting.set(order, Date.now());
  }

  /** Resolves when fewer than `most` orders are without an outcome. */
  async untilFewerThan(most: number, signal: AbortSignal): Promise<void> {
    while (this.#waiting.size >= most) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      await this.#changed.promise;
    }
  }

  /** Looks again and again until the signal is aborted. Who waits is told of a failure. */
  async follow(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        if (this.#waiting.size > 0) await this.#look();
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
        await pause(pollMs);
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#changed.resolve();
  }

  async #look(): Promise<void> {
    const orders = [...this.#waiting.keys()].slice(0, mostAtOnce);
    try {
      const found = await this.#notifications.getMany(orders.map((order) => `notification-${order}`));
      for (const { entry } of found) if (entry) this.#settle(entry.value);
    } catch (error) {
      // The sidecar is being restarted, maybe; it is asked again.
      if (!(error instanceof MechaClientError)) throw error;
    }
  }

  #settle({ order, outcome, sentAt }: Notification): void {
    const since = this.#waiting.get(order);
    if (since === undefined) return;
    this.#waiting.delete(order);
    this[outcome] += 1;
    // One that was there before is of an earlier run.
    if (sentAt >= since) this.flowsMs.push(sentAt - since);
  }
}
