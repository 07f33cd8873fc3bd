import { randomUUID } from "node:crypto";
import type { ChannelModel, ConsumeMessage } from "amqplib";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { Attempts } from "../contract/attempts.ts";
import { type BindingHandler, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { Settle } from "../contract/pubsub.ts";
import { durationMs, flag, integer, requiredText, secret, text } from "../contract/settings.ts";
import { parseAddress } from "./address.ts";
import { linkMaker } from "./connect.ts";
import { Consumer } from "./consumer.ts";
import { translate } from "./failures.ts";
import type { Link } from "./link.ts";
import { amqpKeys, headerTexts, toProperties } from "./properties.ts";
import { Publisher } from "./publisher.ts";
import { externalSetting, redeliverInterval, tlsSettings } from "./settings.ts";
import { ensureQueue, type Queue } from "./topology.ts";

const operations = ["create"] as const;
const usualConcurrency = 100;

interface Settings {
  readonly queueName: string;
  readonly durable: boolean;
  readonly deleteWhenUnused: boolean;
  readonly ttl?: number;
  readonly prefetchCount: number;
  readonly exclusive: boolean;
  readonly maxPriority?: number;
  readonly contentType: string;
  readonly redeliverInterval: number;
}

export default defineBinding({
  type: "bindings.rabbitmq",
  status: "beta",
  summary: "Puts messages into a queue of RabbitMQ, and hands those of a queue to the app.",
  metadata: Type.Object({
    host: secret({
      description: "Address of the server, `amqp://user:password@host:5672/vhost`, with TLS `amqps`.",
      example: "amqp://guest:guest@localhost:5672",
    }),
    queueName: requiredText({ description: "The queue; it is made where it is absent.", example: "orders" }),
    durable: flag({
      default: false,
      description: "The queue outlives a restart of the server, and so do its messages.",
    }),
    deleteWhenUnused: flag({ default: false, description: "The queue goes with its last consumer." }),
    ttl: Type.Optional(
      durationMs({
        unit: "s",
        description: "Time to live of messages in the queue; that of a request, ttlInSeconds, may be shorter.",
        aliases: ["ttlInSeconds"],
      }),
    ),
    prefetchCount: integer({
      default: 0,
      minimum: 0,
      maximum: 65_535,
      description: `Most messages with the app at once; 0: ${usualConcurrency}.`,
    }),
    exclusive: flag({ default: false, description: "The queue is for this connection alone, and goes with it." }),
    maxPriority: Type.Optional(
      integer({
        minimum: 1,
        maximum: 255,
        description: "The queue has so many priorities, which requests give as priority. Default: it has none.",
      }),
    ),
    contentType: text({ default: "text/plain", description: "Content type of messages whose request gives none." }),
    redeliverInterval,
    reconnectWaitInSeconds: durationMs({
      default: 5000,
      unit: "s",
      description: "Pause between attempts to connect again; the first follows at once.",
    }),
    ...tlsSettings,
    externalSasl: externalSetting,
  }),
  capabilities: ["input", "output"],
  async open(settings, context) {
    const make = await linkMaker(
      {
        ...settings,
        address: parseAddress("host", settings.host),
        keys: { address: "host", external: "externalSasl" },
        isExternal: settings.externalSasl,
        clientName: "",
        heartbeatMs: 10_000,
        reconnectMs: settings.reconnectWaitInSeconds,
      },
      context,
    );
    const link = make();
    await link.open(context.signal);
    const binding = new QueueBinding(link, settings, context);
    try {
      await binding.declare({ signal: context.signal });
    } catch (error) {
      await binding.close();
      throw error;
    }
    return {
      operations,
      invoke: async (request, call) => {
        await binding.create(request, call);
        return undefined;
      },
      read: (handler, call) => binding.read(handler, call),
      ping: (call) => binding.ping(call),
      close: () => binding.close(),
    };
  },
});

/** Settings behind what a queue is declared with. */
const keys: Readonly<Record<string, string>> = {
  durable: "durable",
  auto_delete: "deleteWhenUnused",
  exclusive: "exclusive",
  "x-message-ttl": "ttl",
  "x-max-priority": "maxPriority",
};

class QueueBinding {
  readonly #link: Link;
  readonly #settings: Settings;
  readonly #context: OpenContext;
  readonly #publisher: Publisher;
  readonly #queue: Queue;
  readonly #attempts = new Attempts();
  readonly #subscriptions = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(link: Link, settings: Settings, context: OpenContext) {
    const { queueName: name, durable, deleteWhenUnused, exclusive, ttl, maxPriority } = settings;
    this.#link = link;
    this.#settings = settings;
    this.#context = context;
    this.#queue = {
      name,
      durable,
      autoDelete: deleteWhenUnused,
      exclusive,
      arguments: {
        ...(ttl === undefined ? {} : { "x-message-ttl": Math.round(ttl) }),
        ...(maxPriority === undefined ? {} : { "x-max-priority": maxPriority }),
      },
    };
    this.#publisher = new Publisher(link, (connection) => this.#declareOn(connection));
  }

  /** Makes the queue where it is absent. */
  async declare(call: Call): Promise<void> {
    await this.#translated(async () => this.#declareOn(await this.#link.connected(call)));
  }

  #declareOn(connection: ChannelModel): Promise<void> {
    return ensureQueue(connection, this.#queue, (argument) => keys[argument]);
  }

  /** Sent again after a lost connection, so that a message may come twice but is not lost. */
  async create({ operation, data, metadata }: BindingRequest, call: Call): Promise<void> {
    if (!operations.some((known) => known === operation)) {
      throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
    }
    const { appId, clock } = this.#context;
    const properties = toProperties({
      metadata,
      headers: unknownToAmqp(metadata),
      contentType: this.#settings.contentType,
      messageId: randomUUID(),
      appId,
      deliveryMode: this.#settings.durable ? 2 : 1,
      ttlMs: undefined,
      now: clock.now(),
    });
    const content = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    // A queue that somebody has deleted is made anew.
    const publication = {
      exchange: "",
      routingKey: this.#queue.name,
      content,
      properties: { ...properties, mandatory: true },
    };
    await this.#translated(() => this.#publisher.publish(publication, call));
  }

  async read(handler: BindingHandler, call: Call): Promise<Subscription> {
    const { prefetchCount, redeliverInterval: pauseMs } = this.#settings;
    const handle = async (message: ConsumeMessage): Promise<Settle> => {
      await handler({ data: message.content, metadata: escaped(headerTexts(message)) });
      return "ack";
    };
    const consumer = new Consumer(
      this.#link,
      {
        queue: this.#queue.name,
        declare: (connection) => this.#declareOn(connection),
        concurrency: prefetchCount || usualConcurrency,
        order: "none",
        keyOf: () => undefined,
        handle,
        autoAck: false,
        refuses: false,
        pauseMs,
        exclusive: false,
        isAlone: false,
        attempts: this.#attempts,
      },
      this.#context,
    );
    await this.#translated(() => consumer.open(call));
    const subscription: Subscription = {
      close: () => consumer.close().finally(() => this.#subscriptions.delete(subscription)),
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ping(call: Call): Promise<void> {
    await this.#translated(() => this.#link.connected(call));
  }

  async #translated<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw translate(error, this.#context.name);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#publisher.close(this.#context.clock);
    await this.#link.close();
  }
}

type Texts = Readonly<Record<string, string>>;

const unknownToAmqp = (metadata: Texts): Texts =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => !amqpKeys.has(key)));

/** As the values of a query, in which form the app gets them as headers. */
const escaped = (metadata: Texts): Texts =>
  Object.fromEntries(
    new URLSearchParams({ ...metadata })
      .toString()
      .split("&")
      .filter(Boolean)
      .map((pair) => pair.split("=") as [string, string]),
  );
