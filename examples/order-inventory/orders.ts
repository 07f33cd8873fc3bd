// Orders: takes orders, and keeps what becomes of them.
import {
  type AppRequest,
  type CloudEvent,
  createApp,
  createClient,
  type Handled,
  MechaClientError,
  reply,
} from "@mecha/sdk";

interface Order {
  readonly id: string;
  readonly buyer: string;
  readonly city: string;
  readonly sku: string;
  readonly quantity: number;
}

interface OrderRecord extends Order {
  readonly kind: "order";
  readonly status: "placed" | "confirmed" | "rejected";
}

const client = createClient();
const orders = client.state<OrderRecord>("statestore");
const bus = client.pubsub("pubsub");
const counters = { events: 0, placed: 0, repeated: 0 };

/** False: somebody was faster, or this was done before. */
async function isFirst(write: Promise<void>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof MechaClientError && error.code === "aborted") return false;
    throw error;
  }
}

async function placeOrder(request: AppRequest) {
  const { id, buyer, city, sku, quantity } = await request.json<Order>();
  if (!id || !sku || !Number.isInteger(quantity) || quantity < 1) {
    return reply(400, { message: "an order needs an id, a sku and a quantity of 1 or more" });
  }
  const order = { id, buyer, city, sku, quantity };
  // first-write without an etag: only if there is no such order yet
  const isNew = await isFirst(
    orders.set(`order-${id}`, { ...order, kind: "order", status: "placed" }, { concurrency: "first-write" }),
  );
  if (isNew) counters.placed++;
  // Published again for an order that comes twice: the first time may have ended between the two steps.
  await bus.publish("order-created", order, { cloudEvent: { type: "OrderCreated" } });
  return reply(isNew ? 201 : 200, { id, isNew });
}

async function onStockDecided(event: CloudEvent<Order & { readonly reserved: boolean }>): Promise<Handled> {
  const { id, reserved } = event.data;
  const found = await orders.get(`order-${id}`);
  // An order is on record before anybody hears of it, so this one came from elsewhere.
  if (!found) return "drop";
  const status = reserved ? "confirmed" : "rejected";
  const decided: OrderRecord = { ...found.value, status };
  // with an etag: only if the order is still as it was read
  const isNew =
    found.value.status === "placed" && (await isFirst(orders.set(`order-${id}`, decided, { etag: found.etag })));
  counters.events++;
  if (!isNew) counters.repeated++;
  const type = reserved ? "OrderConfirmed" : "OrderRejected";
  await bus.publish("order-decided", decided, { cloudEvent: { type } });
}

const app = createApp({
  // The other two services are subscribed by components/subscriptions.yaml; this one says it in its code.
  subscriptions: [{ pubsub: "pubsub", topic: "stock-decided", handle: onStockDecided }],
  invoke: { "POST orders": placeOrder, "GET stats": () => counters },
});
await app.listen();
