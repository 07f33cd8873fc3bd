import { Type } from "typebox";
import { definePubsub } from "../contract/pubsub.ts";
import { openClient } from "./client.ts";
import { kafkaSettings } from "./settings.ts";

export default definePubsub({
  type: "pubsub.kafka",
  status: "beta",
  summary: "Publishes to Kafka; each consumer group gets all messages, those of one partitionKey in their order.",
  metadata: Type.Object(kafkaSettings({ consumeRetryEnabled: true })),
  capabilities: ["bulkPublish", "ttl", "ordering", "durable"],
  async open(settings, context) {
    const client = await openClient(settings, context);
    return {
      publish: (message, call) => client.publish(message, call),
      publishMany: (messages, call) => client.publishMany(messages, call),
      subscribe: ({ order = "none", ...options }, handler, call) =>
        client.subscribe({ ...options, order }, handler, call),
      ping: (call) => client.ping(call),
      close: () => client.close(),
    };
  },
});
