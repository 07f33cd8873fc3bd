import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { untilAborted } from "../aws/client.ts";
import { Queues } from "../aws/queues.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { definePubsub, type MessageHandler, type SubscribeOptions } from "../contract/pubsub.ts";
import { Group } from "./group.ts";
import { openQueue } from "./group-queue.ts";
import { Publisher } from "./publisher.ts";
import { type BrokerSettings, brokerSettings } from "./settings.ts";
import { Topics } from "./topics.ts";

export default definePubsub({
  type: "pubsub.aws.snssqs",
  aliases: ["pubsub.snssqs"],
  status: "beta",
  summary:
    "Publishes to SNS and subscribes by SQS, one queue for each consumer group. Order needs fifo. Tested against a double of AWS only.",
  metadata: Type.Object(brokerSettings),
  capabilities: ["bulkPublish", "ordering", "durable"],
  async open(settings, context) {
    const topics = await Topics.open(settings, context);
    const queues = await Queues.open(settings, context).catch(async (error: unknown) => {
      await topics.client.close();
      throw error;
    });
    const publisher = new Publisher(topics, settings, context);
    const subscriptions = new Subscriptions(topics, queues, settings, context);
    let closed: Promise<void> | undefined;
    return {
      publish: (message, call) => publisher.publish(message, call),
      publishMany: (messages, call) => publisher.publishMany(messages, call),
      subscribe: (options, handler, call) => subscriptions.open(options, handler, call),
      close: () => {
        closed ??= subscriptions.close().then(async () => {
          await Promise.all([topics.client.close(), queues.close()]);
        });
        return closed;
      },
    };
  },
});

/** The consumer groups of one component. */
class Subscriptions {
  readonly #topics: Topics;
  readonly #queues: Queues;
  readonly #settings: BrokerSettings;
  readonly #context: OpenContext;
  readonly #groups = new Map<string, Promise<Group>>();

  constructor(topics: Topics, queues: Queues, settings: BrokerSettings, context: OpenContext) {
    this.#topics = topics;
    this.#queues = queues;
    this.#settings = settings;
    this.#context = context;
  }

  async open(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, group: groupName, concurrency } = options;
    this.#checkOrder(options);
    const [topicArn, group] = await Promise.all([this.#topics.require(topic, call), this.#group(groupName, call)]);
    await this.#topics.connect(topicArn, group.queue.arn, call);
    return group.subscribe({ topic, topicArn, concurrency, handler });
  }

  #checkOrder({ order = "none", topic }: SubscribeOptions): void {
    const { fifo, fifoMessageGroupID } = this.#settings;
    const refused = (fix: string) =>
      fail("badRequest", { why: `order ${order} of topic ${topic}: component ${this.#context.name} must ${fix}` });
    if (order !== "none" && !fifo) throw refused("set fifo: true, which needs FIFO topics and queues");
    if (order === "topic" && fifoMessageGroupID === "") {
      throw refused(
        "set fifoMessageGroupID, so that all messages are in one order; order: key needs no more than fifo",
      );
    }
  }

  #group(name: string, call: Call): Promise<Group> {
    let group = this.#groups.get(name);
    if (!group) {
      group = this.#openGroup(name);
      this.#groups.set(name, group);
      group.catch(() => this.#groups.delete(name));
    }
    return untilAborted(group, call.signal);
  }

  async #openGroup(name: string): Promise<Group> {
    const queue = await openQueue(name, this.#queues, this.#settings, {});
    const group: Group = new Group(queue, this.#queues, this.#settings, this.#context, async () => {
      await openQueue(name, this.#queues, this.#settings, {});
      for (const topic of group.topics) {
        this.#topics.forget(topic);
        await this.#topics.connect(await this.#topics.require(topic, {}), queue.arn, {});
      }
    });
    return group;
  }

  async close(): Promise<void> {
    const groups = await Promise.allSettled(this.#groups.values());
    await Promise.all(groups.map((group) => (group.status === "fulfilled" ? group.value.close() : undefined)));
  }
}
