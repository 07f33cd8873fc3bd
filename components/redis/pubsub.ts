import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
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
import { type Client, openClient } from "./client.ts";
import { OrderedConsumer } from "./ordered-consumer.ts";
import { connectionSettings } from "./settings.ts";
import { Stream } from "./stream.ts";
import { StreamConsumer } from "./stream-consumer.ts";
import { turnKey } from "./turn.ts";

const streamSettings = {
  redeliverInterval: durationMs({
    default: 60_000,
    unit: "s",
    description:
      "Pause before a message that the app failed to handle is delivered again. 0: it comes at once, and messages of vanished subscribers stay where they are.",
  }),
  processingTimeout: durationMs({
    default: 15_000,
    unit: "s",
    description:
      "A message of a subscriber that has not been heard of for so long goes to another one; 0: it does not.",
  }),
  queueDepth: integer({
    default: 100,
    minimum: 0,
    description: "Messages that a fast subscription holds in advance.",
  }),
  concurrency: Type.Optional(
    integer({ minimum: 1, description: "Most messages in the handler at once; default: what the subscription says." }),
  ),
  maxLenApprox: Type.Optional(
    integer({ minimum: 1, description: "About so many messages are kept of a topic, whether handled or not." }),
  ),
  streamTTL: Type.Optional(
    durationMs({ unit: "s", description: "Messages older than this are dropped, whether handled or not." }),
  ),
};

interface Settings {
  readonly redeliverInterval: number;
  readonly processingTimeout: number;
  readonly queueDepth: number;
  readonly readTimeout: number;
  readonly concurrency?: number;
  readonly maxLenApprox?: number;
  readonly streamTTL?: number;
}

export default definePubsub({
  type: "pubsub.redis",
  status: "beta",
  summary:
    "Publishes by Redis streams, which keep messages; each consumer group gets all of them. In an ordered group one member works at a time.",
  metadata: Type.Object({
    ...connectionSettings({ redisMinRetryInterval: 8, redisMaxRetryInterval: 512 }),
    ...streamSettings,
  }),
  capabilities: ["bulkPublish", "ttl", "ordering", "durable"],
  async open(settings, context) {
    const broker = new Broker(await openClient(settings, context), settings, context);
    return {
      publish: (message, call) => broker.publish(message, call),
      publishMany: (messages, call) => broker.publishMany(messages, call),
      subscribe: (options, handler, call) => broker.subscribe(options, handler, call),
      ping: (call) => broker.ping(call),
      close: () => broker.close(),
    };
  },
});

/** How long the server waits for messages where readTimeout sets no limit. */
const waitMs = 3000;

class Broker {
  readonly #client: Client;
  readonly #settings: Settings;
  readonly #context: OpenContext;
  readonly #subscriptions = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(client: Client, settings: Settings, context: OpenContext) {
    this.#client = client;
    this.#settings = settings;
    this.#context = context;
  }

  /** Sent again after a lost connection, so that a message may come twice but is not lost. */
  async publish({ topic, data, metadata }: OutgoingMessage, call: Call): Promise<void> {
    messageTtlMs(metadata);
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const about = Object.keys(metadata).length === 0 ? [] : ["metadata", JSON.stringify(metadata)];
    await this.#client.command("XADD", [topic, ...this.#trimming(), "*", "data", bytes, ...about], call);
    const { maxLenApprox, streamTTL } = this.#settings;
    // XADD trims in one way only.
    if (maxLenApprox !== undefined && streamTTL !== undefined) {
      await this.#client.command("XTRIM", [topic, "MINID", "~", this.#oldest(streamTTL)], call);
    }
  }

  #trimming(): readonly (string | number)[] {
    const { maxLenApprox, streamTTL } = this.#settings;
    if (maxLenApprox !== undefined) return ["MAXLEN", "~", maxLenApprox];
    return streamTTL === undefined ? [] : ["MINID", "~", this.#oldest(streamTTL)];
  }

  #oldest(ttlMs: number): string {
    return `${Math.max(0, Math.floor(this.#context.clock.now() - ttlMs))}-0`;
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const results = await Promise.allSettled(messages.map((message) => this.publish(message, call)));
    return results.flatMap((result, index) =>
      result.status === "rejected" ? [{ index, cause: result.reason as unknown }] : [],
    );
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, group, order = "none" } = options;
    const { processingTimeout, readTimeout } = this.#settings;
    if (order !== "none" && processingTimeout === 0) {
      const why = `order ${order} needs a processingTimeout, after which another subscriber may go on; set it, or leave order out`;
      throw fail("malformedRequest", { why });
    }
    const key = order === "none" ? "" : turnKey(topic, group, this.#client.isCluster);
    const concurrency = Math.max(
      1,
      Math.min(options.concurrency, this.#settings.concurrency ?? Number.POSITIVE_INFINITY),
    );
    await new Stream(this.#client, topic, group, group).ensureGroup(call);
    const blockMs = Math.round(readTimeout) || waitMs;
    const purpose = { readTimeoutMs: readTimeout === 0 ? 0 : blockMs + readTimeout };
    const link = await this.#client.dedicate(purpose, call.signal ?? this.#context.signal);
    const settings = { ...this.#settings, blockMs };
    const own = { topic, group, concurrency, handler };
    const consumer =
      order === "none"
        ? new StreamConsumer(this.#client, link, settings, own, this.#context)
        : new OrderedConsumer(this.#client, link, settings, { ...own, order, turnKey: key }, this.#context);
    const subscription: Subscription = {
      close: () => consumer.close().finally(() => this.#subscriptions.delete(subscription)),
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  ping(call: Call): Promise<void> {
    return this.#client.ping(call);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#client.close();
  }
}
