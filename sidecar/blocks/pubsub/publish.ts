import type { Call, Clock } from "../../../components/contract/driver.ts";
import type { OutgoingMessage } from "../../../components/contract/pubsub.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { cloudEventType } from "../../kernel/content-type.ts";
import type { Trace } from "../../kernel/request.ts";
import type { Broker } from "./brokers.ts";
import type { EventWriter } from "./cloud-event.ts";
import type { Delays } from "./delays.ts";
import { type PublishOptions, readMaxBatchBytes, readPublishOptions, withoutDue } from "./publish-options.ts";

/** Something to publish, as an app gave it. */
export interface Publication {
  readonly topic: string;
  readonly data: Uint8Array;
  /** Empty: text/plain. */
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One of several things to publish to one topic. */
export interface Entry extends Omit<Publication, "topic"> {
  /** Not empty, unique among the entries. */
  readonly entryId: string;
}

export interface FailedEntry {
  readonly entryId: string;
  readonly cause: unknown;
}

/** Who publishes: its trace goes into the events, its signal ends the call. */
export interface Caller extends Call {
  readonly trace: Trace;
}

const defaultType = "text/plain";
/** Publishes at once where the broker takes one message at a time. */
const parallel = 100;

/** Turns what apps publish into messages and hands them to a broker. */
export class Publisher {
  readonly #writer: EventWriter;
  readonly #clock: Clock;
  readonly #appId: string;
  readonly #delays: Pick<Delays, "keep">;

  constructor(writer: EventWriter, delays: Pick<Delays, "keep">, appId: string, clock: Clock) {
    this.#writer = writer;
    this.#delays = delays;
    this.#clock = clock;
    this.#appId = appId;
  }

  /** Throws `topicEmpty` or `pubsubForbidden`. */
  check(broker: Broker, topic: string): void {
    if (topic === "") throw fail("topicEmpty", { name: broker.name });
    if (!broker.scopes.mayPublish(topic)) {
      throw fail("pubsubForbidden", { name: broker.name, topic, appId: this.#appId });
    }
  }

  /** Resolves when the broker has taken the message. Rejects with the reasons of the publish API. */
  async publish(broker: Broker, publication: Publication, caller: Caller): Promise<void> {
    const options = readPublishOptions(broker.name, publication.metadata);
    const { message, dueAt } = this.#message(broker, publication, options, caller);
    try {
      if (dueAt === undefined) await broker.opened.publish(message, caller);
      else await this.#delays.keep(broker, message, dueAt, caller);
    } catch (error) {
      throw publishFailure(broker.name, publication.topic, error);
    }
  }

  /**
   * Publishes all entries and gives those that the broker did not take. `metadata` is that of the whole request:
   * `rawPayload` and `maxBulkPubBytes` count for all entries, the rest for entries that have metadata of their own.
   */
  async publishMany(
    broker: Broker,
    topic: string,
    entries: readonly Entry[],
    metadata: Readonly<Record<string, string>>,
    caller: Caller,
  ): Promise<readonly FailedEntry[]> {
    const { name } = broker;
    checkIds(name, entries);
    const shared = readPublishOptions(name, metadata);
    const maxBytes = readMaxBatchBytes(name, metadata);
    const messages = entries.map((entry) => {
      const own = isEmpty(entry.metadata) ? entry.metadata : { ...metadata, ...entry.metadata };
      const options = readPublishOptions(name, own);
      const publication = { ...entry, topic, metadata: own };
      return this.#message(broker, publication, shared.raw ? { ...options, raw: true } : options, caller);
    });
    const failed = messages.some(({ dueAt }) => dueAt !== undefined)
      ? await this.#publishOrKeep(broker, messages, caller)
      : await publishNow(
          broker,
          messages.map(({ message }) => message),
          maxBytes,
          caller,
        );
    return [...failed]
      .sort(([left], [right]) => left - right)
      .map(([index, cause]) => ({ entryId: (entries[index] as Entry).entryId, cause }));
  }

  /** Some of them are to be kept for later. */
  #publishOrKeep(broker: Broker, messages: readonly Prepared[], call: Call): Promise<FailedByIndex> {
    return each(messages, ({ message, dueAt }) =>
      dueAt === undefined ? broker.opened.publish(message, call) : this.#delays.keep(broker, message, dueAt, call),
    );
  }

  #message(broker: Broker, publication: Publication, options: PublishOptions, caller: Caller): Prepared {
    const { due } = options;
    if (due === undefined)
      return { message: this.#envelope(broker, publication, options, caller, 0), dueAt: undefined };
    const now = this.#clock.now();
    const delayMs = Math.max(0, "at" in due ? due.at - now : due.afterMs);
    const later = { ...publication, metadata: withoutDue(publication.metadata) };
    const message = this.#envelope(broker, later, options, caller, delayMs);
    return { message, dueAt: delayMs === 0 ? undefined : now + delayMs };
  }

  /** `delayMs`: so long after now the message begins to live. */
  #envelope(
    broker: Broker,
    publication: Publication,
    options: PublishOptions,
    caller: Caller,
    delayMs: number,
  ): OutgoingMessage {
    const { data, metadata } = publication;
    const contentType = publication.contentType || defaultType;
    const topic = broker.topicPrefix + publication.topic;
    if (options.raw) return { topic, data, contentType, metadata: withTrace(metadata, caller.trace) };
    const { ttlSeconds, chosen } = options;
    const expiration =
      ttlSeconds === undefined || broker.has("ttl")
        ? undefined
        : new Date(this.#clock.now() + delayMs + ttlSeconds * 1000).toISOString();
    const about = { pubsubName: broker.name, topic: publication.topic, trace: caller.trace, chosen, expiration };
    try {
      return { topic, data: this.#writer.write(data, contentType, about), contentType: cloudEventType, metadata };
    } catch (error) {
      throw fail("pubsubCloudEvent", { name: broker.name, why: causeText(error) }, { cause: error });
    }
  }
}

/** A message on its way; `dueAt`: milliseconds since 1970 until which it is kept, undefined: it goes at once. */
interface Prepared {
  readonly message: OutgoingMessage;
  readonly dueAt: number | undefined;
}

/** A message without envelope carries its trace beside the data. */
function withTrace(metadata: Readonly<Record<string, string>>, trace: Trace): Readonly<Record<string, string>> {
  return {
    traceid: trace.traceparent,
    ...(trace.tracestate === undefined ? {} : { tracestate: trace.tracestate }),
    ...metadata,
  };
}

function isEmpty(metadata: Readonly<Record<string, string>>): boolean {
  for (const _ in metadata) return false;
  return true;
}

function checkIds(name: string, entries: readonly Entry[]): void {
  const seen = new Set<string>();
  for (const [index, { entryId }] of entries.entries()) {
    if (entryId === "") throw fail("pubsubBulkEntries", { name, why: `entry ${index} has no entryId` });
    if (seen.has(entryId)) {
      throw fail("pubsubBulkEntries", {
        name,
        why: `entryId ${JSON.stringify(entryId)} is given twice; make it unique`,
      });
    }
    seen.add(entryId);
  }
}

/** What the caller is told: its own metadata was wrong, or the broker did not take the message. */
function publishFailure(name: string, topic: string, error: unknown): MechaError {
  if (error instanceof MechaError && error.reason === "deliveryStore") return error;
  if (error instanceof MechaError && error.row.code === "invalid_argument") {
    return fail("pubsubMetadata", { name, why: error.message }, { cause: error });
  }
  return fail("pubsubPublish", { name, topic, cause: causeText(error) }, { cause: error });
}

type FailedByIndex = ReadonlyMap<number, unknown>;

/** One round trip per batch; a batch that is refused as a whole has failed with all its messages. */
async function publishBatches(
  broker: Broker,
  messages: readonly OutgoingMessage[],
  maxBytes: number | undefined,
  call: Call,
): Promise<FailedByIndex> {
  const failed = new Map<number, unknown>();
  for (const { start, batch } of batchesOf(messages, maxBytes ?? Number.POSITIVE_INFINITY)) {
    try {
      const refused = await broker.opened.publishMany?.(batch, call);
      for (const { index, cause } of refused ?? []) failed.set(start + index, cause);
    } catch (error) {
      for (const index of batch.keys()) failed.set(start + index, error);
    }
  }
  return failed;
}

/** Neighbours together, at most `maxBytes` of data each; a message that is larger goes alone. */
function* batchesOf(messages: readonly OutgoingMessage[], maxBytes: number) {
  let start = 0;
  let bytes = 0;
  for (const [index, { data }] of messages.entries()) {
    if (index > start && bytes + data.length > maxBytes) {
      yield { start, batch: messages.slice(start, index) };
      start = index;
      bytes = 0;
    }
    bytes += data.length;
  }
  if (start < messages.length) yield { start, batch: messages.slice(start) };
}

function publishNow(
  broker: Broker,
  messages: readonly OutgoingMessage[],
  maxBytes: number | undefined,
  call: Call,
): Promise<FailedByIndex> {
  if (broker.opened.publishMany) return publishBatches(broker, messages, maxBytes, call);
  return each(messages, (message) => broker.opened.publish(message, call));
}

/** One by one, several at once. */
async function each<T>(items: readonly T[], take: (item: T) => Promise<void>): Promise<FailedByIndex> {
  const failed = new Map<number, unknown>();
  // All workers draw from one iterator, so that each item is taken once.
  const rest = items.entries();
  const work = async () => {
    for (const [index, item] of rest) await take(item).catch((error: unknown) => failed.set(index, error));
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, work));
  return failed;
}
