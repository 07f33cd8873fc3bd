// Publishes orders and receives them: each by the route that fits it, and what nobody can use in a topic of its own.
import assert from "node:assert/strict";
import { type CloudEvent, createApp, createClient, type Handled } from "@mecha/sdk";

interface Order {
  readonly id: number;
  readonly count: number;
}

const client = createClient();
const bus = client.pubsub("pubsub");
const seen: string[] = [];
const done = Promise.withResolvers<void>();
/** Notes what came, and ends the program when all has. */
function note(what: string): void {
  console.log(what);
  seen.push(what);
  if (seen.length === 6) done.resolve();
}

let tries = 0;
const app = await createApp({
  subscriptions: [
    {
      pubsub: "pubsub",
      topic: "orders",
      deadLetterTopic: "unusable",
      // CEL over the whole event; the first rule that holds takes it
      rules: [
        { match: "event.data.count > 100", handle: (event: CloudEvent<Order>) => note(`large: ${event.data.id}`) },
        { match: 'event.type == "order.rush"', handle: (event: CloudEvent<Order>) => note(`rush: ${event.data.id}`) },
      ],
      handle(event: CloudEvent<Order>): Handled {
        if (event.data.count < 1) return "drop";
        note(`order: ${event.data.id}`);
      },
    },
    {
      pubsub: "pubsub",
      topic: "unusable",
      handle: (event: CloudEvent<Order>) => note(`unusable: ${event.data.id}, from ${event.source}`),
    },
    {
      pubsub: "pubsub",
      topic: "payments",
      handle(event: CloudEvent<string>) {
        // What throws is delivered again.
        if (++tries === 1) throw new Error("not today");
        note(`paid: ${event.data}`);
      },
    },
  ],
  onError: (error) => console.log("comes again:", (error as Error).message),
}).listen();
await client.sidecar.waitUntilReady();

await bus.publish("orders", { id: 1, count: 2 });
await bus.publish("orders", { id: 2, count: 500 });
await bus.publish("orders", { id: 3, count: 2 }, { cloudEvent: { type: "order.rush" } });
await bus.publishMany("orders", [{ data: { id: 4, count: 7 } }, { data: { id: 5, count: 0 } }]);
await bus.publish("payments", "order 1");

await done.promise;
assert.deepEqual(seen.sort(), [
  "large: 2",
  "order: 1",
  "order: 4",
  "paid: order 1",
  "rush: 3",
  "unusable: 5, from pubsub",
]);
assert.equal(tries, 2);
await app.close();
await client.close();
