// The twin of notifications.go, for machines without Go.
import { type CloudEvent, createApp, createClient, MechaClientError, type TopicSubscription } from "@mecha/sdk";

interface Order {
  readonly id: string;
  readonly buyer: string;
  readonly sku: string;
  readonly quantity: number;
}

const notifications = createClient().state("statestore");
const counters = { events: 0, confirmed: 0, rejected: 0, repeated: 0 };

/** Events of one outcome, as components/subscriptions.yaml routes them. */
function on(outcome: "confirmed" | "rejected", words: string): TopicSubscription<Order> {
  return {
    ...{ pubsub: "pubsub", topic: "order-decided", path: `/order-${outcome}`, declared: true },
    async handle({ data: { id, buyer, sku, quantity } }: CloudEvent<Order>) {
      const text = `Dear ${buyer}, ${quantity} x ${sku}: ${words}`;
      const value = { kind: "notification", order: id, outcome, text, sentAt: Date.now() };
      const isNew = await notifications.set(`notification-${id}`, value, { concurrency: "first-write" }).then(
        () => true,
        (error) => {
          if (error instanceof MechaClientError && error.code === "aborted") return false;
          throw error;
        },
      );
      counters.events++;
      counters[isNew ? outcome : "repeated"]++;
      if (isNew) console.log(text);
    },
  };
}

const app = createApp({
  subscriptions: [on("confirmed", "on the way to you."), on("rejected", "sold out, sorry.")],
  invoke: { "GET stats": () => counters },
});
await app.listen();
