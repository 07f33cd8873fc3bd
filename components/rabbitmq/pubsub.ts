import { randomUUID } from "node:crypto";
import type { ChannelModel, ConsumeMessage } from "amqplib";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { Attempts } from "../contract/attempts.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import {
  definePubsub,
  type FailedMessage,
  type MessageHandler,
  type OutgoingMessage,
  type SubscribeOptions,
} from "../contract/pubsub.ts";
import { addressOf } from "./address.ts";
import { linkMaker } from "./connect.ts";
import { Consumer } from "./consumer.ts";
import { ClosedError, isLost, translate } from "./failures.ts";
import { type Link, unlessAborted } from "./link.ts";
import { headerTexts, propertyTexts, toProperties } from "./properties.ts";
import { Publisher } from "./publisher.ts";
import { type PubsubSettings, pubsubSettings } from "./pubsub-settings.ts";
import { ensureSubscription, planSubscription, type SubscriptionPlan } from "./subscription.ts";
import { ensureExchange } from "./topology.ts";

export default definePubsub({
  type: "pubsub.rabbitmq",
  status: "beta",
  summary:
    "Publishes by an exchange for each topic; each consumer group has a queue there, of which durable and deletedWhenUnused say what it outlives.",
  metadata: Type.Object(pubsubSettings),
  capabilities: ["bulkPublish", "ttl", "ordering", "durable"],
  async open(settings, context) {
    const make = await linkMaker(
      {
        address: addressOf(settings),
        keys: { address: settings.hostname ? "hostname" : "connectionString", external: "saslExternal" },
        caCert: settings.caCert,
        clientCert: settings.clientCert,
        clientKey: settings.clientKey,
        isExternal: settings.saslExternal,
        clientName: settings.clientName,
        heartbeatMs: settings.heartBeat,
        reconnectMs: settings.reconnectWaitSeconds,
      },
      context,
    );
    const link = make();
    await link.open(context.signal);
    const broker = new Broker(link, make, settings, context);
    return {
      publish: (message, call) => broker.publish(message, call),
      publishMany: (messages, call) => broker.publishMany(messages, call),
      subscribe: (options, handler, call) => broker.subscribe(options, handler, call),
      ping: (call) => broker.ping(call),
      close: () => broker.close(),
    };
  },
});

const longestName = 255;

class Broker {
  readonly #link: Link;
  readonly #makeLink: () => Link;
  readonly #settings: PubsubSettings;
  readonly #context: OpenContext;
  readonly #publisher: Publisher;
  readonly #subscriptions = new Set<Subscription>();
  /** Of open subscriptions. */
  readonly #plans = new Set<SubscriptionPlan>();
  /** By queue. */
  readonly #attempts = new Map<string, Attempts>();
  /** A server short of memory stops reading from those that publish, who must still be able to acknowledge. */
  #consuming: Promise<Link> | undefined;
  readonly #stop = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(link: Link, makeLink: () => Link, settings: PubsubSettings, context: OpenContext) {
    this.#link = link;
    this.#makeLink = makeLink;
    this.#settings = settings;
    this.#context = context;
    this.#publisher = new Publisher(link, (connection, exchange) => this.#declare(connection, exchange));
  }

  /**
   * Makes what a publication needs. A server that crashed may have forgotten what it was told right before, and takes
   * messages that nobody gets: what is subscribed here is there before anything is published.
   */
  async #declare(connection: ChannelModel, exchange: string): Promise<void> {
    const { exchangeKind: kind, durable } = this.#settings;
    await ensureExchange(connection, { name: exchange, kind, durable });
    for (const plan of this.#plans) {
      if (plan.exchange !== exchange) continue;
      await ensureSubscription(connection, plan, this.#settings).catch((error: unknown) => {
        // What else is wrong with it is not the publisher's matter.
        if (isLost(error)) throw error;
      });
    }
  }

  /** Sent again after a lost connection, so that a message may come twice but is not lost. */
  async publish({ topic, data, contentType, metadata }: OutgoingMessage, call: Call): Promise<void> {
    const { deliveryMode = 2, ttlInSeconds } = this.#settings;
    const { appId, clock, name } = this.#context;
    const routingKey = metadata["routingKey"] ?? "";
    checkLength("topic", topic);
    checkLength("routingKey", routingKey);
    const about = {
      metadata,
      headers: metadata,
      contentType,
      messageId: randomUUID(),
      appId,
      deliveryMode,
      ttlMs: ttlInSeconds,
    };
    const properties = toProperties({ ...about, now: clock.now() });
    const content = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    try {
      await this.#publisher.publish({ exchange: topic, routingKey, content, properties }, call);
    } catch (error) {
      throw translate(error, name);
    }
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const results = await Promise.allSettled(messages.map((message) => this.publish(message, call)));
    return results.flatMap((result, index) =>
      result.status === "rejected" ? [{ index, cause: result.reason as unknown }] : [],
    );
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { autoAck, requeueInFailure, enableDeadLetter, redeliverInterval: pauseMs } = this.#settings;
    const { topic, order = "none" } = options;
    const plan = planSubscription(options, this.#settings);
    const consumer = new Consumer(
      await this.#consumingLink(call),
      {
        queue: plan.queue.name,
        declare: (connection) => ensureSubscription(connection, plan, this.#settings),
        concurrency: this.#concurrency(options),
        order,
        keyOf: (message) => headerTexts(message)["partitionKey"],
        handle: (message, id, attempt) => handler({ ...this.#toIncoming(message), topic, id, attempt }),
        autoAck,
        refuses: !(requeueInFailure ?? !enableDeadLetter),
        pauseMs,
        exclusive: false,
        isAlone: plan.isAlone,
        attempts: this.#attemptsOf(plan.queue.name),
      },
      this.#context,
    );
    try {
      await consumer.open(call);
    } catch (error) {
      throw translate(error, this.#context.name);
    }
    const subscription: Subscription = {
      close: () => {
        this.#plans.delete(plan);
        return consumer.close().finally(() => this.#subscriptions.delete(subscription));
      },
    };
    this.#plans.add(plan);
    this.#subscriptions.add(subscription);
    return subscription;
  }

  #concurrency({ concurrency }: SubscribeOptions): number {
    const { prefetchCount, concurrency: mode } = this.#settings;
    if (mode === "single") return 1;
    return Math.max(1, Math.min(concurrency, prefetchCount || Number.POSITIVE_INFINITY, 65_535));
  }

  #toIncoming(message: ConsumeMessage) {
    const { contentType } = message.properties;
    const more = this.#settings.publishMessagePropertiesToMetadata ? propertyTexts(message) : {};
    return {
      data: message.content,
      ...(typeof contentType === "string" ? { contentType } : {}),
      metadata: { ...more, ...headerTexts(message) },
    };
  }

  #attemptsOf(queue: string): Attempts {
    let attempts = this.#attempts.get(queue);
    if (!attempts) {
      attempts = new Attempts();
      this.#attempts.set(queue, attempts);
    }
    return attempts;
  }

  async #consumingLink({ signal }: Call): Promise<Link> {
    this.#consuming ??= this.#openLink();
    return signal ? unlessAborted(this.#consuming, signal) : this.#consuming;
  }

  async #openLink(): Promise<Link> {
    const link = this.#makeLink();
    try {
      await link.open(this.#stop.signal);
    } catch (error) {
      this.#consuming = undefined;
      throw error;
    }
    return link;
  }

  async ping(call: Call): Promise<void> {
    try {
      await this.#link.connected(call);
    } catch (error) {
      throw translate(error, this.#context.name);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort(new ClosedError());
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#publisher.close(this.#context.clock);
    const consuming = await this.#consuming?.catch(() => undefined);
    await Promise.all([this.#link.close(), consuming?.close()]);
  }
}

function checkLength(key: string, text: string): void {
  if (Buffer.byteLength(text) > longestName) {
    throw fail("requestMetadataInvalid", {
      key,
      why: `must have at most ${longestName} bytes, got ${Buffer.byteLength(text)}`,
    });
  }
}
