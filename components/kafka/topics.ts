import { fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";
import type { Order } from "../contract/pubsub.ts";
import type { Cluster } from "./cluster.ts";
import { BrokerError, brokerCode } from "./failures.ts";

const createMs = 10_000;

/**
 * Makes sure that a topic is there, and that it can be read in the order that is wanted. Where the whole topic is one
 * order it must have one partition, and is made so unless it exists. Rejects with the library's error, or `openFailed`.
 */
export async function prepareTopic(cluster: Cluster, topic: string, order: Order, call: Call): Promise<void> {
  if (order !== "topic") {
    await cluster.topic(topic, { create: true }, call);
    return;
  }
  const found = await cluster.topic(topic, { fresh: true }, call).catch((error: unknown) => {
    if (brokerCode(error) === "UNKNOWN_TOPIC_OR_PARTITION") return undefined;
    throw error;
  });
  const { length } = found ?? (await createTopic(cluster, topic, call));
  if (length === 1) return;
  const why = `order topic: topic ${topic} has ${length} partitions, among which Kafka keeps no order; use order key, or a topic with one partition`;
  throw fail("openFailed", { why });
}

async function createTopic(cluster: Cluster, name: string, call: Call) {
  // The brokers' own number.
  const replicationFactor = -1;
  const topic = { name, numPartitions: 1, replicationFactor, assignments: [], configs: [] };
  const answer = await cluster.askAny("CreateTopics", [[topic], createMs, false], call, true);
  const [created] = answer.topics;
  const code = cluster.library.protocolErrorsCodesById[created?.errorCode ?? -1] ?? "UNKNOWN_SERVER_ERROR";
  if (code !== "NONE" && code !== "TOPIC_ALREADY_EXISTS") throw new BrokerError(code, created?.errorMessage);
  return cluster.topic(name, { create: true, fresh: true }, call);
}
