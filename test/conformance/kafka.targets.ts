import { Admin, Producer, stringSerializers } from "@platformatic/kafka";
import kafkaBindings from "../../components/kafka/bindings.ts";
import kafkaPubsub from "../../components/kafka/pubsub.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import { fresh } from "./target.ts";

const isMissing = !(await requireService("kafka"));

const singleBroker = async () => (await startServer("kafka", { variant: "single" })).settings;

export const kafkaPubsubTarget: PubsubTarget = {
  driver: kafkaPubsub,
  isMissing,
  refusesStars: true,
  // Real time passes in these tests.
  time: "backend",
  settings: async () => ({
    ...(await singleBroker()),
    initialOffset: "oldest",
    maxMessageBytes: "2Mi",
    heartbeatInterval: "100ms",
    sessionTimeout: "3s",
  }),
};

let topic = "";

/** A client that the driver does not use. */
const outsider = async () => ({
  clientId: "outsider",
  bootstrapBrokers: [String((await singleBroker())["brokers"])],
  autocreateTopics: true,
});

/** Has the broker make the topic, and be ready for groups and producers: the clock of these tests stands still. */
async function prepareBroker(): Promise<void> {
  const options = { ...(await outsider()), retries: 20, retryDelay: 100 };
  const [admin, producer] = [new Admin(options), new Producer({ ...options, idempotent: true })];
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  await producer.initIdempotentProducer({});
  await admin.listConsumerGroupOffsets({ groups: [topic] });
  await Promise.all([admin.close(), producer.close()]);
}

/** How many messages of the topic the group has settled. */
async function settledCount(): Promise<number> {
  const admin = new Admin(await outsider());
  const [group] = await admin.listConsumerGroupOffsets({ groups: [topic] }).finally(() => admin.close());
  const partitions = group?.topics.flatMap((one) => one.partitions) ?? [];
  return partitions.reduce((sum, { committedOffset }) => sum + Number(committedOffset), 0);
}

export const kafkaBindingTarget: BindingTarget = {
  driver: kafkaBindings,
  isMissing,
  prepare: async () => {
    topic = fresh("t");
    await prepareBroker();
    const { brokers = "" } = await singleBroker();
    return { brokers, authType: "none", topics: [topic], consumerGroup: topic, publishTopic: topic };
  },
  output: {
    request: { operation: "create", data: Buffer.from("hello"), metadata: { partitionKey: "blue" } },
    answer: "",
  },
  input: {
    happen: async (clock) => {
      const before = await settledCount();
      const producer = new Producer({ ...(await outsider()), serializers: stringSerializers });
      await producer.send({ messages: [{ topic, value: "hello" }] });
      await producer.close();
      // Settled, unless the handler still has it or nobody listens: then it is on its way after so long.
      const end = performance.now() + 700;
      while ((await settledCount()) === before && performance.now() < end) await clock.advance(20);
    },
  },
};
