import { Type } from "typebox";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";
import {
  definePubsub,
  type FailedMessage,
  type MessageHandler,
  type OutgoingMessage,
  type SubscribeOptions,
} from "../contract/pubsub.ts";
import { durationMs, integer } from "../contract/settings.ts";
import { type Client, clientSettings, openClient } from "./client.ts";
import { Consumer, type ConsumerSettings, topicChannel } from "./consumer.ts";
import { LineLog } from "./line-log.ts";
import { LogUpkeep, type UpkeepSettings } from "./log-upkeep.ts";
import { MessageLog, messageLogSteps, type NewMessage } from "./message-log.ts";

const day = 24 * 3_600_000;

export default definePubsub({
  type: "pubsub.sqlite",
  status: "beta",
  summary:
    "Keeps messages in a SQLite file until every consumer group has settled them; sidecars of one machine may share it.",
  metadata: Type.Object({
    ...clientSettings,
    redeliverInterval: durationMs({
      default: 1000,
      unit: "s",
      description: "Pause before a message is delivered again; doubled with each attempt.",
    }),
    maxRedeliverInterval: durationMs({
      default: 60_000,
      unit: "s",
      description: "Longest pause between two attempts.",
    }),
    maxRetries: integer({
      default: -1,
      minimum: -1,
      description: "Further attempts after the first; then the message is dropped. -1: no end.",
    }),
    processingTimeout: durationMs({
      default: 15_000,
      unit: "s",
      description: "After a crash, messages that were being handled are delivered again so much later.",
    }),
    queueDepth: integer({
      default: 256,
      minimum: 0,
      description: "Messages that a fast subscription holds in advance.",
    }),
    pollInterval: durationMs({
      default: 50,
      unit: "s",
      description: "How often a subscription looks for messages of other processes; its own come at once.",
    }),
    retention: durationMs({
      default: day,
      unit: "s",
      description:
        "How long messages of a topic are kept while it has no consumer group; the first group starts with them.",
    }),
    consumedRetention: durationMs({
      default: 0,
      unit: "s",
      description: "How long settled messages are kept for consumer groups that are yet to come.",
    }),
    groupRetention: durationMs({
      default: 7 * day,
      unit: "s",
      description:
        "A consumer group without subscriber for so long is forgotten, with the messages that wait for it; at least 10 minutes.",
    }),
  }),
  capabilities: ["bulkPublish", "ttl", "ordering", "durable"],
  async open(settings, context) {
    const client = await openClient(settings, context, (opened) => opened.migrate("mecha-pubsub", messageLogSteps));
    const broker = new Broker(client, settings, context);
    return {
      publish: (message, call) => broker.publish(message, call),
      publishMany: (messages, call) => broker.publishMany(messages, call),
      subscribe: (options, handler, call) => broker.subscribe(options, handler, call),
      close: () => broker.close(),
    };
  },
});

class Broker {
  readonly #client: Client;
  readonly #log: MessageLog;
  readonly #settings: ConsumerSettings;
  readonly #context: OpenContext;
  readonly #upkeep: LogUpkeep;
  readonly #subscriptions = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(client: Client, settings: ConsumerSettings & UpkeepSettings, context: OpenContext) {
    this.#client = client;
    this.#log = new MessageLog(client);
    this.#settings = settings;
    this.#context = context;
    this.#upkeep = new LogUpkeep(client, settings, context);
  }

  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    const entry = this.#toEntry(message);
    await this.#client.write(() => this.#log.append(entry), call, { wakes: [topicChannel(entry.topic)] });
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const failed: FailedMessage[] = [];
    const entries = messages.flatMap((message, index) => {
      try {
        return [{ index, entry: this.#toEntry(message) }];
      } catch (cause) {
        failed.push({ index, cause });
        return [];
      }
    });
    if (entries.length === 0) return failed;
    try {
      const append = () => {
        for (const { entry } of entries) this.#log.append(entry);
      };
      const wakes = [...new Set(entries.map(({ entry }) => topicChannel(entry.topic)))];
      await this.#client.write(append, call, { atomic: true, wakes });
    } catch (cause) {
      failed.push(...entries.map(({ index }) => ({ index, cause })));
    }
    return failed;
  }

  #toEntry({ topic, data, contentType, metadata }: OutgoingMessage): NewMessage {
    const publishedAt = this.#context.clock.now();
    const ttlMs = messageTtlMs(metadata);
    return {
      topic,
      data,
      contentType: contentType ?? null,
      metadata: Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata),
      publishedAt,
      expiresAt: ttlMs === undefined ? null : publishedAt + ttlMs,
    };
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, concurrency } = options;
    const { group, lineLog } = await this.#client.write(() => this.#join(options), call, { atomic: true });
    const stopKeeping = this.#upkeep.keepGroup(group);
    const onConsumed = () => this.#upkeep.noteConsumed(topic);
    // What was settled just before the last stop is still there.
    onConsumed();
    const consumerOptions = { topic, group, lineLog, concurrency, handler, onConsumed };
    const consumer = new Consumer(this.#client, this.#log, this.#settings, consumerOptions, this.#context);
    const subscription: Subscription = {
      close: async () => {
        await consumer.close();
        stopKeeping();
        this.#subscriptions.delete(subscription);
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  #join({ topic, group: name, order = "none" }: SubscribeOptions) {
    const group = this.#log.join(topic, name, this.#context.clock.now());
    if (order === "none") {
      this.#log.wakeAll(group);
      return { group, lineLog: undefined };
    }
    const lineLog = new LineLog(this.#client, order, topic, group);
    lineLog.arrange();
    return { group, lineLog };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#upkeep.stop();
    await this.#client.close();
  }
}
