import { randomUUID } from "node:crypto";
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
import { text } from "../contract/settings.ts";
import { type DurableSettings, ensureDurable, type Group } from "./durables.ts";
import { GroupConsumer } from "./group-consumer.ts";
import { GroupPlace, placesStream, placesSubjects } from "./group-place.ts";
import type { Link } from "./link.ts";
import { openLink } from "./open-link.ts";
import { OrderedConsumer } from "./ordered-consumer.ts";
import { Publisher } from "./publisher.ts";
import { retryPause } from "./retry-pause.ts";
import { connectionSettings, groupSettings, streamSettings } from "./settings.ts";
import { Streams } from "./streams.ts";
import { subjectProblem, toName } from "./subjects.ts";

export default definePubsub({
  type: "pubsub.jetstream",
  status: "beta",
  summary:
    "Keeps messages in streams of NATS JetStream; each consumer group gets all of them. In an ordered group one member works at a time.",
  metadata: Type.Object({
    ...connectionSettings,
    name: text({
      default: "dapr.io - pubsub.jetstream",
      description: "Name under which the server knows the connection.",
    }),
    ...streamSettings,
    ...groupSettings,
  }),
  capabilities: ["bulkPublish", "ttl", "wildcards", "ordering", "durable"],
  async open(settings, context) {
    checkStart(settings);
    const pauseAfter = retryPause(settings);
    const broker = new Broker(await openLink(settings, context), settings, pauseAfter, context);
    return {
      publish: (message, call) => broker.publish(message, call),
      publishMany: (messages, call) => broker.publishMany(messages, call),
      subscribe: (options, handler, call) => broker.subscribe(options, handler, call),
      ping: (call) => broker.ping(call),
      close: () => broker.close(),
    };
  },
});

function checkStart({ deliverPolicy, startSequence, startTime }: DurableSettings): void {
  const wrong = (why: string) => fail("openFailed", { why });
  if (deliverPolicy === "sequence" && startSequence === undefined) {
    throw wrong("startSequence: deliverPolicy sequence needs it; give the number of the first message");
  }
  if (deliverPolicy === "time" && startTime === 0) {
    throw wrong("startTime: deliverPolicy time needs it; give seconds since 1970");
  }
}

class Broker {
  readonly #link: Link;
  readonly #settings: DurableSettings;
  readonly #pauseAfter: (attempt: number) => number;
  readonly #context: OpenContext;
  readonly #streams: Streams;
  readonly #publisher: Publisher;
  readonly #subscriptions = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(link: Link, settings: DurableSettings, pauseAfter: (attempt: number) => number, context: OpenContext) {
    this.#link = link;
    this.#settings = settings;
    this.#pauseAfter = pauseAfter;
    this.#context = context;
    this.#streams = new Streams(link, settings, context.log);
    this.#publisher = new Publisher(link, this.#streams, randomUUID);
  }

  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    try {
      await this.#publisher.publish(message, call);
    } catch (error) {
      throw this.#link.translate(error);
    }
  }

  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    // All are on their way before the first answer is back.
    const settled = await Promise.allSettled(messages.map((message) => this.publish(message, call)));
    return settled.flatMap((one, index) =>
      one.status === "rejected" ? [{ index, cause: one.reason as unknown }] : [],
    );
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    try {
      const consumer = await this.#open(options, handler, call);
      const subscription: Subscription = {
        close: () => consumer.close().finally(() => this.#subscriptions.delete(subscription)),
      };
      this.#subscriptions.add(subscription);
      return subscription;
    } catch (error) {
      throw this.#link.translate(error);
    }
  }

  async #open(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, order = "none" } = options;
    const problem = subjectProblem(topic, { wildcards: true });
    if (problem !== undefined) throw fail("malformedRequest", { why: `topic ${JSON.stringify(topic)} ${problem}` });
    const stream = await this.#streams.find(topic, call);
    const groupName = this.#settings.queueGroupName || options.group;
    const streamName = stream.config.name;
    const name = this.#settings.durableName || toName(groupName, topic);
    const group: Group = { stream: streamName, name, topic };
    const place = new GroupPlace(this.#link, streamName, groupName, topic);
    const consuming = { group, handler, concurrency: this.#concurrency(options), pauseAfter: this.#pauseAfter };
    if (order === "none") {
      const startAt = () => this.#startAt(place, stream.created, call);
      await ensureDurable(this.#link, group, this.#settings, call, startAt);
      return new GroupConsumer(this.#link, this.#settings, consuming, this.#context);
    }
    const makePlaces = (making: Call) => this.#streams.ensurePlaces(placesStream, placesSubjects, making);
    return OrderedConsumer.open(
      this.#link,
      this.#settings,
      { ...consuming, order, place, makePlaces },
      stream,
      this.#context,
      call,
    );
  }

  /** Number of the first message that a group which was ordered before has not settled. */
  async #startAt(place: GroupPlace, born: string, call: Call): Promise<number | undefined> {
    const kept = await place.find(call);
    if (kept?.place.born !== born) return undefined;
    const { read, open } = kept.place;
    return Math.min(read + 1, ...open.map(([seq]) => seq));
  }

  #concurrency({ concurrency, metadata }: SubscribeOptions): number {
    const isNamed = Object.keys(metadata).some((key) => key.toLowerCase() === "concurrency");
    const usual = isNamed ? "parallel" : "single";
    return (this.#settings.concurrency ?? usual) === "single" ? 1 : Math.max(1, concurrency);
  }

  async ping(call: Call): Promise<void> {
    try {
      await this.#link.ping(call);
    } catch (error) {
      throw this.#link.translate(error);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#link.close();
  }
}
