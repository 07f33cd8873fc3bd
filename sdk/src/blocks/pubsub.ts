import { randomUUID } from "node:crypto";
import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { reasons } from "../../../specs/errors.ts";
import {
  TopicEventResponse_TopicEventResponseStatus as Status,
  type TopicEventRequest,
} from "../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import { type CloudEvent, fromTopicEvent } from "../cloud-event.ts";
import { MechaClientError } from "../errors.ts";
import { type EventStream, openEventStream } from "../event-stream.ts";
import { Queue } from "../queue.ts";
import type { Transport } from "../transport.ts";
import { describe } from "../values.ts";
import { type Metadata, metadataOf } from "./state-options.ts";

const { method: dapr } = Dapr;
const subscribeRpc = dapr.subscribeTopicEventsAlpha1;

/**
 * How an event is published.
 *
 * @example
 * ```ts
 * import { createClient, type PublishOptions } from "@mecha/sdk";
 *
 * const options: PublishOptions = { cloudEvent: { type: "order.created", subject: "1" }, ttlSeconds: 60 };
 * await createClient().pubsub("bus").publish("orders", { item: "apple" }, options);
 * ```
 */
export interface PublishOptions extends CallOptions {
  /** Default: `application/json`, `text/plain` for a text, `application/octet-stream` for bytes. */
  readonly contentType?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** Seconds after which nobody wants the event any more. */
  readonly ttlSeconds?: number | undefined;
  /** Publishes the data as it is, without an envelope. */
  readonly raw?: boolean | undefined;
  /** Attributes of the envelope that are not to be filled in by the sidecar. */
  readonly cloudEvent?: Readonly<Record<string, string>> | undefined;
}

/**
 * One of several events.
 *
 * @example
 * ```ts
 * import { createClient, type PublishEntry } from "@mecha/sdk";
 *
 * const entries: PublishEntry[] = [{ data: { item: "apple" } }, { entryId: "second", data: "a text" }];
 * await createClient().pubsub("bus").publishMany("orders", entries);
 * ```
 */
export interface PublishEntry {
  readonly data: unknown;
  /** Unique among the entries; by default a random one. */
  readonly entryId?: string;
  readonly contentType?: string;
  readonly metadata?: Metadata;
}

/**
 * How to subscribe by a stream.
 *
 * @example
 * ```ts
 * import { createClient, type SubscribeOptions } from "@mecha/sdk";
 *
 * const options: SubscribeOptions = { deadLetterTopic: "failed-orders", timeoutMs: 5_000 };
 * for await (const event of await createClient().pubsub("bus").subscribe("orders", options)) event.ack();
 * ```
 */
export interface SubscribeOptions extends CallOptions {
  readonly metadata?: Metadata | undefined;
  /** Where events go that were dropped, or retried in vain. */
  readonly deadLetterTopic?: string | undefined;
}

/**
 * An event that waits for its verdict; the broker keeps it until then. The first verdict counts.
 *
 * @example
 * ```ts
 * import { createClient, type ReceivedEvent } from "@mecha/sdk";
 *
 * const work = (event: ReceivedEvent<{ item: string }>) => (event.data.item === "" ? event.drop() : event.ack());
 * for await (const event of await createClient().pubsub("bus").subscribe<{ item: string }>("orders")) work(event);
 * ```
 */
export interface ReceivedEvent<T = unknown> extends CloudEvent<T> {
  /** It is done. */
  ack(): void;
  /** It is to come again. */
  retry(): void;
  /** It will never be done; it goes to the dead letter topic, if there is one. */
  drop(): void;
}

/**
 * A message broker.
 *
 * @example
 * ```ts
 * import { createClient, type PubSub } from "@mecha/sdk";
 *
 * const bus: PubSub = createClient({ transport: "grpc" }).pubsub("bus");
 * const events = await bus.subscribe<{ item: string }>("orders");
 * await bus.publish("orders", { item: "apple" });
 * for await (const event of events) {
 *   console.log(event.data.item);
 *   event.ack();
 *   break;
 * }
 * ```
 */
export class PubSub {
  readonly #transport: Transport;
  readonly #name: string;

  /** @internal */
  constructor(transport: Transport, name: string) {
    this.#transport = transport;
    this.#name = name;
  }

  /** Publishes one event. */
  async publish(topic: string, data: unknown, options: PublishOptions = {}): Promise<void> {
    const { bytes, contentType } = describe(data, options.contentType, `the event for ${topic}`);
    const input = {
      pubsubName: this.#name,
      topic,
      data: bytes,
      dataContentType: contentType,
      metadata: publishMetadata(options),
    };
    await this.#transport.unary(dapr.publishEvent, input, callOf(options));
  }

  /**
   * Publishes several events. When the broker did not take all of them, the error has a detail with `failedEntries`, as
   * far as they are known.
   */
  async publishMany(
    topic: string,
    entries: readonly PublishEntry[],
    options: Omit<PublishOptions, "contentType"> = {},
  ): Promise<void> {
    const input = {
      pubsubName: this.#name,
      topic,
      metadata: publishMetadata(options),
      entries: entries.map(({ data, entryId = randomUUID(), contentType: given, metadata = {} }) => {
        const { bytes: event, contentType } = describe(data, given, `event ${JSON.stringify(entryId)} for ${topic}`);
        return { entryId, event, contentType, metadata: { ...metadata } };
      }),
    };
    const { failedEntries } = await this.#transport.unary(dapr.bulkPublishEvent, input, callOf(options));
    if (failedEntries.length > 0) throw notAllTaken(this.#name, topic, failedEntries);
  }

  /**
   * Subscribes to a topic until the loop over the events is left; resolves when the subscription is in place. Over gRPC
   * only. `timeoutMs` limits the wait for that. Events that got no verdict come again.
   */
  subscribe<T = unknown>(topic: string, options: SubscribeOptions = {}): Promise<EventStream<ReceivedEvent<T>>> {
    const { metadata = {}, deadLetterTopic } = options;
    const replies = new Queue<MessageInitShape<(typeof subscribeRpc)["input"]>>();
    const initial = {
      pubsubName: this.#name,
      topic,
      metadata: { ...metadata },
      ...(deadLetterTopic === undefined ? {} : { deadLetterTopic }),
    };
    replies.push({ subscribeTopicEventsRequestType: { case: "initialRequest", value: initial } });
    return openEventStream<MessageShape<(typeof subscribeRpc)["output"]>, ReceivedEvent<T>>({
      what: `subscribing to ${topic} of ${this.#name}`,
      call: callOf(options),
      open: (call) => this.#transport.stream(subscribeRpc, replies, call),
      confirm: () => "",
      toEvent: ({ subscribeTopicEventsResponseType: message }) => {
        if (message.case !== "eventMessage") return undefined;
        return received<T>(message.value, (status) => {
          const value = { id: message.value.id, status: { status } };
          replies.push({ subscribeTopicEventsRequestType: { case: "eventProcessed", value } });
        });
      },
    });
  }
}

function received<T>(event: TopicEventRequest, reply: (status: Status) => void): ReceivedEvent<T> {
  let open = true;
  const once = (status: Status) => () => {
    if (open) reply(status);
    open = false;
  };
  return {
    ...fromTopicEvent<T>(event),
    ack: once(Status.SUCCESS),
    retry: once(Status.RETRY),
    drop: once(Status.DROP),
  };
}

function publishMetadata(options: PublishOptions): Record<string, string> {
  const { raw, cloudEvent = {} } = options;
  const attributes = Object.entries(cloudEvent).map(([name, value]) => [`cloudevent.${name}`, value]);
  return { ...metadataOf(options), ...(raw ? { rawPayload: "true" } : {}), ...Object.fromEntries(attributes) };
}

function notAllTaken(name: string, topic: string, failed: readonly { entryId: string; error: string }[]) {
  const { code, info, text } = reasons.pubsubPublish;
  const cause = `${failed.length} events were not taken; the first, ${failed[0]?.entryId}: ${failed[0]?.error}`;
  const failedEntries = failed.map(({ entryId, error }) => ({ entryId, error }));
  const details = [{ "@type": "mecha.v1.FailedEntries", failedEntries }];
  return new MechaClientError(text({ name, topic, cause }), { code, reason: info, details });
}
