// The twin of inventory.py, for machines without Python. See there for why each step is what it is.
import { setTimeout as pause } from "node:timers/promises";
import {
  type AppRequest,
  type CloudEvent,
  createApp,
  createClient,
  MechaClientError,
  type StateOperation,
} from "@mecha/sdk";

interface Order {
  readonly id: string;
  readonly sku: string;
  readonly quantity: number;
}

interface Item {
  readonly sku: string;
  readonly stock: number;
}

interface Decision extends Order {
  readonly kind: "decision";
  readonly reserved: boolean;
}

const attempts = 50;
const client = createClient();
const store = client.state("statestore");
const bus = client.pubsub("pubsub");
const counters = { events: 0, reserved: 0, refused: 0, repeated: 0, raced: 0 };
const concurrency = "first-write";

/** Decides on an order once and for all, or finds the decision. */
async function decide(order: Order): Promise<{ decision: Decision; isNew: boolean }> {
  const [itemKey, decisionKey] = [`item-${order.sku}`, `decision-${order.id}`];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const found = new Map((await store.getMany([itemKey, decisionKey])).map(({ key, entry }) => [key, entry]));
    const known = found.get(decisionKey)?.value as Decision | undefined;
    if (known) return { decision: known, isNew: false };
    const entry = found.get(itemKey);
    const item = entry?.value as Item | undefined;
    const reserved = item !== undefined && item.stock >= order.quantity;
    const decision: Decision = { ...order, kind: "decision", reserved };
    const changes: StateOperation<unknown>[] = [
      { operation: "upsert", key: decisionKey, value: decision, concurrency },
    ];
    if (reserved) {
      const value = { ...item, stock: item.stock - order.quantity };
      changes.push({ operation: "upsert", key: itemKey, value, etag: entry?.etag, concurrency });
    }
    try {
      await store.transact(changes);
      return { decision, isNew: true };
    } catch (error) {
      if (!(error instanceof MechaClientError)) throw error;
      counters.raced++;
      await pause(Math.random() * 10);
    }
  }
  throw new Error(`order ${order.id}: no decision after ${attempts} attempts`);
}

async function onOrderCreated(event: CloudEvent<Order>) {
  const { decision, isNew } = await decide(event.data);
  counters.events++;
  counters[isNew ? (decision.reserved ? "reserved" : "refused") : "repeated"]++;
  const type = decision.reserved ? "StockReserved" : "StockRefused";
  await bus.publish("stock-decided", decision, { cloudEvent: { type } });
}

async function putOnShelf(request: AppRequest) {
  for (const item of await request.json<Item[]>()) {
    await store.set(`item-${item.sku}`, { ...item, kind: "item" }, { concurrency }).catch((error) => {
      // it is there, from an earlier run
      if (error.code !== "aborted") throw error;
    });
  }
}

const app = createApp({
  subscriptions: [
    { pubsub: "pubsub", topic: "order-created", path: "/order-created", declared: true, handle: onOrderCreated },
  ],
  invoke: { "POST stock": putOnShelf, "GET stats": () => counters },
});
await app.listen();
