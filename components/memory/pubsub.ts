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
import { Group, type GroupSettings } from "./group.ts";

export default definePubsub({
  type: "pubsub.in-memory",
  aliases: ["pubsub.memory"],
  status: "stable",
  summary: "Hands messages over inside the sidecar; they are gone when it stops.",
  metadata: Type.Object({
    queueDepth: integer({
      default: 10_000,
      minimum: 1,
      description:
        "Messages that may wait for a consumer group; then publishers wait, or the oldest make room when nobody reads.",
    }),
    publishTimeout: durationMs({ default: 5000, unit: "s", description: "How long a publisher waits for room." }),
    redeliverInterval: durationMs({
      default: 100,
      unit: "s",
      description: "Pause before a message is delivered again; doubled with each attempt.",
    }),
    maxRedeliverInterval: durationMs({
      default: 10_000,
      unit: "s",
      description: "Longest pause between two attempts.",
    }),
    maxRetries: integer({
      default: 100,
      minimum: -1,
      description: "Further attempts after the first; then the message is dropped. -1: no end.",
    }),
  }),
  capabilities: ["bulkPublish", "ttl", "wildcards", "ordering"],
  async open(settings, context) {
    const bus = new Bus(settings, context);
    return {
      publish: (message, call) => bus.publish(message, call),
      publishMany: (messages, call) => bus.publishMany(messages, call),
      subscribe: async (options, handler) => bus.subscribe(options, handler),
      close: () => bus.close(),
    };
  },
});

interface Consumer {
  readonly matches: (topic: string) => boolean;
  readonly group: Group;
}

/** So many topics have their consumers remembered. */
const mostRoutes = 10_000;

class Bus {
  readonly #settings: GroupSettings;
  readonly #context: OpenContext;
  readonly #consumers = new Map<string, Consumer>();
  readonly #routes = new Map<string, readonly Group[]>();
  readonly #subscriptions = new Set<Subscription>();
  #count = 0;
  #closed = false;

  constructor(settings: GroupSettings, context: OpenContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    const { topic, data, contentType, metadata } = message;
    const ttlMs = messageTtlMs(metadata);
    if (this.#closed) throw fail("backendUnavailable", { name: this.#context.name, cause: "the component is closed" });
    const groups = this.#route(topic);
    if (groups.length === 0) return;
    for (let full = groups.find((group) => group.isFull); full; full = groups.find((group) => group.isFull)) {
      await full.room(call);
    }
    this.#count += 1;
    const delivery = {
      message: { id: String(this.#count), topic, data, contentType, metadata },
      expiresAt: ttlMs === undefined ? undefined : this.#context.clock.now() + ttlMs,
      attempt: 1,
    };
    for (const group of groups) group.push(delivery);
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const failed: FailedMessage[] = [];
    for (const [index, message] of messages.entries()) {
      try {
        await this.publish(message, call);
      } catch (cause) {
        failed.push({ index, cause });
      }
    }
    return failed;
  }

  subscribe({ topic, group, concurrency, order = "none" }: SubscribeOptions, handler: MessageHandler): Subscription {
    const key = JSON.stringify([topic, group]);
    let consumer = this.#consumers.get(key);
    if (!consumer) {
      const name = `topic ${topic} in group ${group}`;
      consumer = { matches: matcher(topic), group: new Group(name, this.#settings, this.#context) };
      this.#consumers.set(key, consumer);
      this.#routes.clear();
    }
    const joined = consumer.group.join(handler, concurrency, order);
    const subscription: Subscription = {
      close: async () => {
        await joined.close();
        this.#subscriptions.delete(subscription);
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  #route(topic: string): readonly Group[] {
    let groups = this.#routes.get(topic);
    if (!groups) {
      groups = [...this.#consumers.values()].filter(({ matches }) => matches(topic)).map(({ group }) => group);
      if (this.#routes.size >= mostRoutes) this.#routes.clear();
      this.#routes.set(topic, groups);
    }
    return groups;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { group } of this.#consumers.values()) group.close();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
  }
}

/** `*` in a subscribed topic stands for any text, also for none. */
function matcher(pattern: string): (topic: string) => boolean {
  if (!pattern.includes("*")) return (topic) => topic === pattern;
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join(".*")}$`, "su");
  return (topic) => expression.test(topic);
}
