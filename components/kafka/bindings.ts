import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { type BindingHandler, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import { list, text } from "../contract/settings.ts";
import { type Client, openClient } from "./client.ts";
import { kafkaSettings } from "./settings.ts";

const operations = ["create"] as const;
/** Events of one topic that the app handles at once: one, as an input binding does not overtake itself. */
const concurrency = 1;

interface Settings {
  readonly topics: readonly string[];
  readonly publishTopic: string;
}

export default defineBinding({
  type: "bindings.kafka",
  status: "beta",
  summary: "Publishes to a topic of Kafka, and hands messages of topics to the app.",
  metadata: Type.Object({
    topics: list({ default: [], description: "Input: topics whose messages go to the app, separated by commas." }),
    publishTopic: text({ default: "", description: "Output: topic that `create` publishes to." }),
    ...kafkaSettings({ consumeRetryEnabled: false }),
  }),
  capabilities: ["input", "output"],
  async open(settings, context) {
    const client = await openClient(settings, context);
    return {
      operations,
      invoke: (request, call) => create(client, settings, request, call),
      read: (handler, call) => read(client, settings, context, handler, call),
      ping: (call) => client.ping(call),
      close: () => client.close(),
    };
  },
});

async function create(client: Client, { publishTopic }: Settings, request: BindingRequest, call: Call) {
  const { operation, data, metadata } = request;
  if (operation !== "create") {
    throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
  }
  if (publishTopic === "") {
    throw fail("malformedRequest", { why: "publishTopic: the component's metadata must name the topic to publish to" });
  }
  await client.publish({ topic: publishTopic, data, metadata }, call);
  return undefined;
}

async function read(
  client: Client,
  { topics }: Settings,
  { appId }: OpenContext,
  handler: BindingHandler,
  call: Call,
): Promise<Subscription> {
  if (topics.length === 0) throw fail("openFailed", { why: "topics: an input binding needs the topics to read" });
  const hand: MessageHandler = async ({ data, metadata }) => {
    await handler({ data, metadata });
    return "ack";
  };
  const subscriptions: Subscription[] = [];
  const close = async () => {
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
  };
  try {
    for (const topic of new Set(topics)) {
      const wanted = { topic, group: appId, metadata: {}, concurrency, order: "none" } as const;
      subscriptions.push(await client.subscribe(wanted, hand, call));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}
