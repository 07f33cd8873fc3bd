import { describe, expect, test } from "vitest";
import { planSubscription, type QueueSettings } from "../../../../components/rabbitmq/subscription.ts";

const settings: QueueSettings = {
  durable: true,
  deletedWhenUnused: false,
  enableDeadLetter: false,
  exchangeKind: "fanout",
};
const options = { topic: "orders", group: "shop", metadata: {}, concurrency: 1 };

describe("a subscription's queue", () => {
  test("is named after group and topic, and bound by the empty key", () => {
    expect(planSubscription(options, settings)).toEqual({
      exchange: "orders",
      routingKeys: [""],
      deadLetters: undefined,
      isAlone: false,
      queue: { name: "shop-orders", durable: true, autoDelete: false, arguments: {} },
    });
  });

  test("is as the metadata says, whose names match in any case", () => {
    const metadata = {
      QueueName: "own",
      routingkey: "a, b,",
      maxLen: "5",
      queueType: "Quorum",
      singleActiveConsumer: "true",
    };
    expect(planSubscription({ ...options, metadata }, { ...settings, maxLen: 9, maxLenBytes: 7 })).toMatchObject({
      routingKeys: ["a", "b", ""],
      isAlone: true,
      queue: {
        name: "own",
        arguments: {
          "x-max-length": 5,
          "x-max-length-bytes": 7,
          "x-queue-type": "quorum",
          "x-single-active-consumer": true,
        },
      },
    });
  });

  test("has dead letters and an order where they are asked for", () => {
    const plan = planSubscription({ ...options, order: "key" }, { ...settings, enableDeadLetter: true });
    expect(plan).toMatchObject({ deadLetters: "shop-orders", isAlone: true });
    expect(plan.queue.arguments).toEqual({
      "x-single-active-consumer": true,
      "x-dead-letter-exchange": "dlx-shop-orders",
    });
  });

  test.each([
    [
      { queueType: "quorum" },
      { deletedWhenUnused: true },
      {},
      /queueType: .* set deletedWhenUnused of the component to false/,
    ],
    [{ queueType: "quorum", maxPriority: "3" }, {}, {}, /maxPriority: a quorum queue has no priorities/],
    [{ maxPriority: "3" }, {}, { order: "topic" as const }, /maxPriority: .* which order topic forbids/],
    [{}, {}, { topic: "t".repeat(255) }, /queueName: .* longer than 255 bytes/],
  ])("of %j is refused with the fix", (metadata, more, other, message) => {
    expect(() => planSubscription({ ...options, ...other, metadata }, { ...settings, ...more })).toThrow(message);
  });
});
