import { setTimeout as pause } from "node:timers/promises";
import { MechaClientError } from "@mecha/sdk";
import type { Order } from "./order.ts";
import type { Outcomes } from "./outcomes.ts";

export interface FeedParts {
  readonly orders: readonly Order[];
  readonly place: (order: Order) => Promise<void>;
  readonly outcomes: Outcomes;
  /** Resolves when the order at this place in the list may be sent. */
  readonly mayGo: (at: number) => Promise<void>;
  readonly onPlaced: () => void;
  readonly signal: AbortSignal;
}

/** Buyers who send at the same time. */
const buyers = 8;
/** Orders without an outcome, at most: a shop that takes more than it can handle only makes its buyers wait. */
const mostInFlight = 24;
const retryMs = 50;
const patienceMs = 60_000;

/** Sends all orders, in their order, and each until it is taken. */
export async function feed({ orders, place, outcomes, mayGo, onPlaced, signal }: FeedParts): Promise<void> {
  const queue = orders.entries();
  const seen = new Set<string>();
  const buyer = async () => {
    for (const [at, order] of queue) {
      await mayGo(at);
      await outcomes.untilFewerThan(mostInFlight, signal);
      if (!seen.has(order.id)) outcomes.expect(order.id);
      seen.add(order.id);
      await untilTaken(() => place(order), signal);
      onPlaced();
    }
  };
  await Promise.all(Array.from({ length: buyers }, buyer));
}

/** An order may be sent again without harm, so it is, until there is an answer. */
async function untilTaken(place: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await place();
    } catch (error) {
      if (!(error instanceof MechaClientError) || Date.now() > deadline) throw error;
      await pause(retryMs);
    }
  }
}
