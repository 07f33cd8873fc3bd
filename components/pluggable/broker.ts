import { causeText } from "../../specs/errors.ts";
import { type PullMessagesResponse, PubSub as Service } from "../../specs/gen/dapr/proto/components/v1/pubsub_pb.js";
import type { OpenedByKind } from "../contract/any-driver.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";
import type { FailedMessage, MessageHandler, OutgoingMessage, SubscribeOptions } from "../contract/pubsub.ts";
import { Attempts } from "./attempts.ts";
import type { Link } from "./link.ts";
import { featuresOf, openProcess, type Pairs, ping } from "./process.ts";
import { Pull } from "./pull.ts";

/** Opens a message broker in a process of its own. */
export async function openBroker(
  type: string,
  path: string,
  pairs: Pairs,
  context: OpenContext,
): Promise<OpenedByKind["pubsub"]> {
  const wanted = [{ service: Service, init: Service.method.init }];
  const { link } = await openProcess({ type, path, pairs: withConsumer(pairs, context.appId), wanted, context });
  try {
    const features = await featuresOf(link, Service.method.features, context);
    const hasTtl = features.has("MESSAGE_TTL");
    const hasBulk = features.has("BULK_PUBLISH");
    const broker = new Broker(link, hasTtl, context);
    return {
      capabilities: [
        ...(hasBulk ? ["bulkPublish"] : []),
        ...(hasTtl ? ["ttl"] : []),
        ...(features.has("SUBSCRIBE_WILDCARDS") ? ["wildcards"] : []),
      ],
      publish: (message, call) => broker.publish(message, call),
      ...(hasBulk ? { publishMany: (messages, call) => broker.publishMany(messages, call) } : {}),
      subscribe: (options, handler, call) => broker.subscribe(options, handler, call),
      ping: (call) => ping(link, Service.method.ping, call),
      close: () => broker.close(),
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** The consumer group, which the sidecar adds where it is not set. */
function withConsumer(pairs: Pairs, appId: string): Pairs {
  const isSet = Object.keys(pairs).some((name) => name.toLowerCase() === "consumerid");
  return isSet ? pairs : { ...pairs, consumerID: appId };
}

class Broker {
  readonly #link: Link;
  readonly #hasTtl: boolean;
  readonly #context: OpenContext;
  readonly #attempts = new Attempts();
  readonly #subscriptions = new Set<Subscription>();

  constructor(link: Link, hasTtl: boolean, context: OpenContext) {
    this.#link = link;
    this.#hasTtl = hasTtl;
    this.#context = context;
  }

  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    this.#check(message);
    const { topic, data, contentType = "", metadata } = message;
    const request = { pubsubName: this.#link.name, topic, data, contentType, metadata: { ...metadata } };
    await this.#link.call(Service.method.publish, request, call);
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const failed: FailedMessage[] = [];
    const byTopic = new Map<string, number[]>();
    for (const [index, message] of messages.entries()) {
      try {
        this.#check(message);
        byTopic.set(message.topic, [...(byTopic.get(message.topic) ?? []), index]);
      } catch (cause) {
        failed.push({ index, cause });
      }
    }
    for (const [topic, indexes] of byTopic) failed.push(...(await this.#publishTopic(topic, indexes, messages, call)));
    return failed;
  }

  async #publishTopic(
    topic: string,
    indexes: readonly number[],
    messages: readonly OutgoingMessage[],
    call: Call,
  ): Promise<readonly FailedMessage[]> {
    const entries = indexes.flatMap((index) => {
      const message = messages[index];
      if (!message) return [];
      const { data: event, contentType = "", metadata } = message;
      return [{ entryId: String(index), event, contentType, metadata: { ...metadata } }];
    });
    try {
      const request = { pubsubName: this.#link.name, topic, entries, metadata: {} };
      const { failedEntries } = await this.#link.call(Service.method.bulkPublish, request, call);
      return failedEntries.map(({ entryId, error }) => ({ index: Number(entryId), cause: new Error(error) }));
    } catch (cause) {
      return indexes.map((index) => ({ index, cause }));
    }
  }

  #check({ metadata }: OutgoingMessage): void {
    if (this.#hasTtl) messageTtlMs(metadata);
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, group, metadata, concurrency } = options;
    const pull = new Pull(this.#link, {
      method: Service.method.pullMessages,
      what: `topic ${topic}`,
      // The wire has no place for the group but metadata.
      first: { topic: { name: topic, metadata: { consumerID: group, ...metadata } } },
      concurrency: Math.max(1, concurrency),
      handle: (message) => this.#handle(message, options, handler),
      ping: (signal) => ping(this.#link, Service.method.ping, { signal }),
      context: this.#context,
    });
    await pull.start(call);
    const subscription: Subscription = {
      close: () => pull.close().finally(() => this.#subscriptions.delete(subscription)),
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async #handle(message: PullMessagesResponse, { topic, group }: SubscribeOptions, handler: MessageHandler) {
    const { id, data, contentType, metadata } = message;
    const key = JSON.stringify([topic, group, id]);
    const attempt = this.#attempts.next(key);
    try {
      const settled = await handler({
        id,
        topic: message.topicName || topic,
        data,
        metadata,
        attempt,
        ...(contentType === "" ? {} : { contentType }),
      });
      if (settled === "ack") {
        this.#attempts.forget(key);
        return { ackMessageId: id };
      }
      return { ackMessageId: id, ackError: { message: "the app asks for it again" } };
    } catch (error) {
      return { ackMessageId: id, ackError: { message: causeText(error) } };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#link.close();
  }
}
