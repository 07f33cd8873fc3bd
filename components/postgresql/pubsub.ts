import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";
import {
  definePubsub,
  type FailedMessage,
  type MessageHandler,
  type OutgoingMessage,
  type SubscribeOptions,
} from "../contract/pubsub.ts";
import { durationMs, integer, text } from "../contract/settings.ts";
import type { Client } from "./client.ts";
import { Consumer, type ConsumerSettings } from "./consumer.ts";
import { type LogTables, logSteps, logTables, topicMark } from "./log-tables.ts";
import { LogUpkeep, type UpkeepSettings } from "./log-upkeep.ts";
import { MessageLog, type NewMessage } from "./message-log.ts";
import { migrate } from "./migrations.ts";
import { openClient } from "./open-client.ts";
import { Publisher } from "./publisher.ts";
import { clientSettings } from "./settings.ts";

const day = 24 * 3_600_000;

export default definePubsub({
  type: "pubsub.postgresql",
  aliases: ["pubsub.postgres"],
  status: "beta",
  summary:
    "Keeps messages in PostgreSQL until every consumer group has settled them; with order: key those of one partitionKey are handled in their order.",
  metadata: Type.Object({
    ...clientSettings,
    tablePrefix: text({ default: "mecha_", description: "Put before the tables' names; may name a schema, `app.`." }),
    metadataTableName: text({ default: "mecha_metadata", description: "Table that records the layout." }),
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
      default: 1000,
      unit: "s",
      description: "How often a subscription looks for messages where no notification tells of them.",
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
    const tables = logTables(settings.tablePrefix);
    const { metadataTableName: metadataTable, tablePrefix } = settings;
    const client = await openClient(settings, context, (opened) =>
      migrate(opened, { metadataTable, key: `pubsub-${tablePrefix}`, steps: logSteps(tables) }),
    );
    const broker = new Broker(client, tables, settings, context);
    return {
      publish: (message, call) => broker.publish(message, call),
      publishMany: (messages, call) => broker.publishMany(messages, call),
      subscribe: (options, handler, call) => broker.subscribe(options, handler, call),
      ping: async (call) => void (await client.read("SELECT 1", [], call)),
      close: () => broker.close(),
    };
  },
});

class Broker {
  readonly #client: Client;
  readonly #tables: LogTables;
  readonly #log: MessageLog;
  readonly #settings: ConsumerSettings;
  readonly #context: OpenContext;
  readonly #upkeep: LogUpkeep;
  readonly #publishers = new Map<string, Publisher>();
  readonly #subscriptions = new Set<Subscription>();
  /** By topic, as notifications call it. */
  readonly #consumers = new Map<string, Set<Consumer>>();
  #watching: Promise<() => void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(client: Client, tables: LogTables, settings: ConsumerSettings & UpkeepSettings, context: OpenContext) {
    this.#client = client;
    this.#tables = tables;
    this.#log = new MessageLog(client, tables);
    this.#settings = settings;
    this.#context = context;
    this.#upkeep = new LogUpkeep(client, tables, settings, context);
  }

  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    call.signal?.throwIfAborted();
    const entry = toEntry(message);
    await this.#publisher(message.topic).add(entry, call);
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const settled = await Promise.allSettled(messages.map((message) => this.publish(message, call)));
    return settled.flatMap((one, index) => (one.status === "rejected" ? [{ index, cause: one.reason }] : []));
  }

  #publisher(topic: string): Publisher {
    let publisher = this.#publishers.get(topic);
    if (!publisher) {
      // Topics come and go; those without work need not be remembered.
      for (const [name, one] of this.#publishers) if (one.isIdle) this.#publishers.delete(name);
      publisher = new Publisher(topic, this.#log, () => this.#tell(topicMark(topic)));
      this.#publishers.set(topic, publisher);
    }
    return publisher;
  }

  /** Tells the members in this process, of other components too, without waiting for the server's notification. */
  #tell(mark: string): void {
    if (this.#watching === undefined) this.#wake(mark);
    else this.#client.tell(this.#tables.channel, mark);
  }

  #wake(mark: string): void {
    for (const consumer of this.#consumers.get(mark) ?? []) consumer.wake();
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, concurrency, order = "none" } = options;
    this.#watching ??= this.#watch();
    await this.#watching;
    const group = await this.#log.join(topic, options.group, call);
    await this.#log.arrange(topic, group, order, call);
    const stopKeeping = this.#upkeep.keepGroup(group);
    const onConsumed = () => this.#upkeep.noteConsumed(topic);
    // What was settled just before the last stop is still there.
    onConsumed();
    const consumerOptions = { topic, group, order, concurrency, handler, onConsumed };
    const consumer = new Consumer(this.#log, this.#settings, consumerOptions, this.#context);
    const mark = topicMark(topic);
    const consumers = this.#consumers.get(mark) ?? new Set();
    this.#consumers.set(mark, consumers.add(consumer));
    const subscription: Subscription = {
      close: async () => {
        consumers.delete(consumer);
        if (consumers.size === 0 && this.#consumers.get(mark) === consumers) this.#consumers.delete(mark);
        await consumer.close();
        stopKeeping();
        this.#subscriptions.delete(subscription);
        // Another member of the group in this process takes what the closed one held.
        this.#tell(mark);
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Without notifications, as behind some poolers, subscriptions only look by their clock. */
  async #watch(): Promise<() => void> {
    try {
      return await this.#client.watch(this.#tables.channel, {
        onNotification: (mark, processId) => {
          if (!this.#client.isEcho(processId)) this.#wake(mark);
        },
        onResume: () => {
          for (const consumers of this.#consumers.values()) for (const consumer of consumers) consumer.resume();
        },
      });
    } catch (error) {
      this.#watching = undefined;
      this.#context.log.warn(`notifications of messages are not heard, so they come later: ${causeText(error)}`);
      return () => {};
    }
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

function toEntry({ topic, data, contentType, metadata }: OutgoingMessage): NewMessage {
  const ttlMs = messageTtlMs(metadata);
  const key = metadata["partitionKey"];
  for (const [what, value] of [
    ["topic", topic],
    ["content type", contentType],
    ["metadata partitionKey", key],
  ] as const) {
    if (value?.includes("\0")) {
      throw fail("malformedRequest", { why: `the ${what} holds a NUL, which PostgreSQL cannot store` });
    }
  }
  return {
    key: key ? key : null,
    data,
    contentType: contentType ?? null,
    metadata: Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata),
    ttlMs: ttlMs ?? null,
  };
}
