import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { type BindingHandler, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { Settle } from "../contract/pubsub.ts";
import { flag, integer, requiredText, text } from "../contract/settings.ts";
import { parseUrl } from "./address.ts";
import { linkMaker, type Purpose } from "./connect.ts";
import { translate } from "./failures.ts";
import type { Entry } from "./feed.ts";
import type { Link } from "./link.ts";
import { dataOf, metadataOf, toOptions } from "./message.ts";
import { Publisher } from "./publisher.ts";
import { Session } from "./session.ts";
import { brokerSettings, redeliverInterval, urlSetting } from "./settings.ts";
import { checkTopic, parseFilter } from "./topics.ts";

const operations = ["create"] as const;
const qos = 1;
/** Messages with the app at once; a broker of 3.1.1 mostly sends fewer ahead. */
const concurrency = 100;
const closingMs = 5000;

interface Settings {
  readonly topic: string;
  readonly consumerID?: string;
  readonly protocolVersion: "3.1.1" | "5";
  readonly retain: boolean;
  readonly cleanSession: boolean;
  readonly backOffMaxRetries: number;
  readonly redeliverInterval: number;
}

export default defineBinding({
  type: "bindings.mqtt3",
  aliases: ["bindings.mqtt"],
  status: "beta",
  summary: "Publishes to a topic of an MQTT broker, 3.1.1 or 5, and hands messages of a topic to the app.",
  metadata: Type.Object({
    url: urlSetting,
    topic: requiredText({
      description:
        "What is listened to, which may hold wildcards, and published to, unless a request names another topic.",
      example: "orders",
    }),
    consumerID: Type.Optional(
      text({ description: "Client ids begin with it: `-consumer` or `-producer` follows. Default: the app id." }),
    ),
    ...brokerSettings,
    cleanSession: flag({
      default: true,
      description: "The broker forgets the listener, and what it has not settled, when its connection ends.",
    }),
    backOffMaxRetries: integer({
      default: 3,
      minimum: -1,
      description: "Further attempts for a message that the app fails to handle; then it is given up. -1: no end.",
    }),
    redeliverInterval,
  }),
  capabilities: ["input", "output"],
  async open(settings, context) {
    const isFive = settings.protocolVersion === "5";
    parseFilter(settings.topic);
    const make = await linkMaker({ ...settings, address: parseUrl(settings.url), isFive }, context);
    const link = make({ clientId: `${settings.consumerID || context.appId}-producer`, isClean: true });
    await link.open(context.signal);
    const binding = new TopicBinding(link, make, settings, context);
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

class TopicBinding {
  readonly #link: Link;
  readonly #settings: Settings;
  readonly #context: OpenContext;
  readonly #publisher: Publisher;
  readonly #session: Session;
  readonly #subscriptions = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(link: Link, makeLink: (purpose: Purpose) => Link, settings: Settings, context: OpenContext) {
    this.#link = link;
    this.#settings = settings;
    this.#context = context;
    this.#publisher = new Publisher(link);
    const { cleanSession: isClean, redeliverInterval: pauseMs, consumerID } = settings;
    const clientId = `${consumerID || context.appId}-consumer`;
    this.#session = new Session({ clientId, isClean, isFive: this.#isFive, qos, pauseMs }, makeLink, context);
  }

  get #isFive(): boolean {
    return this.#settings.protocolVersion === "5";
  }

  /** Sent again after a lost connection, so that a message may come twice but is not lost. */
  async create({ operation, data, metadata: given }: BindingRequest, call: Call): Promise<void> {
    if (!operations.some((known) => known === operation)) {
      throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
    }
    const { topic: named, ...metadata } = given;
    const topic = named || this.#settings.topic;
    checkTopic(topic);
    const about = {
      qos,
      isFive: this.#isFive,
      retain: this.#settings.retain,
      contentType: metadata["contentType"],
    } as const;
    const options = toOptions({ ...about, metadata, messageId: randomUUID() });
    const payload = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    await this.#translated(() => this.#publisher.publish({ topic, payload, options }, call));
  }

  async read(handler: BindingHandler, call: Call): Promise<Subscription> {
    const handle = (entry: Entry, attempt: number) => this.#handle(handler, entry, attempt);
    const filter = parseFilter(this.#settings.topic);
    const leave = await this.#translated(() => this.#session.join(filter, "none", { concurrency, handle }, call));
    let left: Promise<void> | undefined;
    const subscription: Subscription = {
      close: () => {
        left ??= leave().finally(() => this.#subscriptions.delete(subscription));
        return left;
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async #handle(handler: BindingHandler, { delivery: { message } }: Entry, attempt: number): Promise<Settle> {
    const { backOffMaxRetries } = this.#settings;
    try {
      await handler({ data: dataOf(message), metadata: { ...metadataOf(message), topic: message.topic } });
      return "ack";
    } catch (error) {
      if (backOffMaxRetries < 0 || attempt <= backOffMaxRetries) return "retry";
      this.#context.log.error(
        `a message of topic ${message.topic} is given up after ${attempt} attempts: ${causeText(error)}`,
      );
      return "ack";
    }
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
    await this.#publisher.close(closingMs);
    await this.#link.close();
  }
}
