import { randomBytes, randomUUID } from "node:crypto";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import {
  definePubsub,
  type FailedMessage,
  type MessageHandler,
  type OutgoingMessage,
  type SubscribeOptions,
} from "../contract/pubsub.ts";
import { choice, flag } from "../contract/settings.ts";
import { parseUrl } from "./address.ts";
import { linkMaker, type Purpose } from "./connect.ts";
import { ClosedError, translate } from "./failures.ts";
import type { Entry } from "./feed.ts";
import type { Link } from "./link.ts";
import { dataOf, metadataOf, toOptions } from "./message.ts";
import { Publisher } from "./publisher.ts";
import { Session } from "./session.ts";
import { brokerSettings, redeliverInterval, urlSetting } from "./settings.ts";
import { checkTopic, parseFilter } from "./topics.ts";

const qualities = ["0", "1", "2"] as const;

interface Settings {
  readonly protocolVersion: "3.1.1" | "5";
  readonly retain: boolean;
  readonly cleanSession: boolean;
  readonly qos: (typeof qualities)[number];
  readonly redeliverInterval: number;
}

export default definePubsub({
  type: "pubsub.mqtt3",
  aliases: ["pubsub.mqtt"],
  status: "beta",
  summary:
    "Publishes to an MQTT broker, 3.1.1 or 5: one type for both, for one client library speaks them. A consumer group is one client; topics `$share/group/topic` are shared by several.",
  metadata: Type.Object({
    url: urlSetting,
    ...brokerSettings,
    cleanSession: flag({
      default: false,
      description: "The broker forgets the client, and what it has not settled, when its connection ends.",
    }),
    qos: choice(qualities, {
      default: "1",
      description:
        "Quality of service, for publishing and for subscriptions. 0: messages may be lost. 1: they may come twice. 2: the broker takes them once.",
    }),
    redeliverInterval,
  }),
  capabilities: ["bulkPublish", "wildcards", "ordering", "durable"],
  async open(settings, context) {
    const make = await linkMaker(
      { ...settings, address: parseUrl(settings.url), isFive: settings.protocolVersion === "5" },
      context,
    );
    const link = make({ clientId: `${context.appId}-producer-${randomBytes(4).toString("hex")}`, isClean: true });
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

const closingMs = 5000;

class Broker {
  readonly #link: Link;
  readonly #makeLink: (purpose: Purpose) => Link;
  readonly #settings: Settings;
  readonly #context: OpenContext;
  readonly #publisher: Publisher;
  /** By group. */
  readonly #sessions = new Map<string, Session>();
  readonly #subscriptions = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(link: Link, makeLink: (purpose: Purpose) => Link, settings: Settings, context: OpenContext) {
    this.#link = link;
    this.#makeLink = makeLink;
    this.#settings = settings;
    this.#context = context;
    // A broker that crashed takes messages that nobody gets until its subscribers are back: our own come first.
    const prepare = async () =>
      void (await Promise.all([...this.#sessions.values()].map((session) => session.ready())));
    this.#publisher = new Publisher(link, prepare);
  }

  get #isFive(): boolean {
    return this.#settings.protocolVersion === "5";
  }

  get #qos(): 0 | 1 | 2 {
    return Number(this.#settings.qos) as 0 | 1 | 2;
  }

  /** Sent again after a lost connection, so that a message may come twice but is not lost. */
  async publish({ topic, data, contentType, metadata }: OutgoingMessage, call: Call): Promise<void> {
    checkTopic(topic);
    const { retain } = this.#settings;
    const about = { metadata, contentType, retain, qos: this.#qos, isFive: this.#isFive };
    const options = toOptions({ ...about, messageId: randomUUID() });
    const payload = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    await this.#translated(() => this.#publisher.publish({ topic, payload, options }, call));
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const results = await Promise.allSettled(messages.map((message) => this.publish(message, call)));
    return results.flatMap((result, index) =>
      result.status === "rejected" ? [{ index, cause: result.reason as unknown }] : [],
    );
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    if (this.#closed !== undefined) throw translate(new ClosedError(), this.#context.name);
    const { group, concurrency, order = "none" } = options;
    const filter = parseFilter(options.topic);
    this.#checkOrder(options, filter.isShared);
    const handle = ({ id, delivery: { message } }: Entry, attempt: number) => {
      const contentType = message.properties?.contentType;
      const about = contentType === undefined ? {} : { contentType };
      return handler({
        id,
        topic: message.topic,
        data: dataOf(message),
        metadata: metadataOf(message),
        attempt,
        ...about,
      });
    };
    const member = { concurrency: Math.max(1, concurrency), handle };
    const leave = await this.#translated(() => this.#sessionOf(group).join(filter, order, member, call));
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

  #checkOrder({ topic, order = "none" }: SubscribeOptions, isShared: boolean): void {
    if (order === "none") return;
    const wrong = (why: string) => fail("requestMetadataInvalid", { key: "order", why });
    if (isShared)
      throw wrong(`the broker deals the messages of ${topic} out to several clients; take $share or order out`);
    if (order === "key" && !this.#isFive) {
      throw wrong("MQTT 3.1.1 does not carry keys; set protocolVersion of the component to 5, or use order: topic");
    }
  }

  #sessionOf(group: string): Session {
    let session = this.#sessions.get(group);
    if (!session) {
      const { cleanSession: isClean, redeliverInterval: pauseMs } = this.#settings;
      const settings = { clientId: group, isClean, isFive: this.#isFive, qos: this.#qos, pauseMs };
      session = new Session(settings, this.#makeLink, this.#context);
      this.#sessions.set(group, session);
    }
    return session;
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
