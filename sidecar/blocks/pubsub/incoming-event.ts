import type { IncomingMessage } from "../../../components/contract/pubsub.ts";
import type { TopicEvent } from "../../kernel/app.ts";
import { payloadOf } from "../../kernel/content-type.ts";
import { isRecord, parseJson } from "../../kernel/json.ts";
import { isTraceparent, type Trace } from "../../kernel/request.ts";
import { dataMember, rawEvent } from "./cloud-event.ts";
import { textOf, tryJson } from "./json-text.ts";
import { celView } from "./routes.ts";

type Metadata = Readonly<Record<string, string>>;

/** Where a message came from, as the app knows it. */
export interface Origin {
  readonly pubsubName: string;
  readonly topic: string;
}

/** The CloudEvent of a message that has arrived. */
export class IncomingEvent {
  /** Exactly as it came, when it came as JSON. */
  readonly json: Uint8Array;
  readonly #text: string;
  readonly #parsed: Metadata | Readonly<Record<string, unknown>>;
  #exact: Readonly<Record<string, unknown>> | undefined;

  constructor(json: Uint8Array, text: string, parsed: Readonly<Record<string, unknown>>) {
    this.json = json;
    this.#text = text;
    this.#parsed = parsed;
  }

  /** Undefined when the event lacks the attribute or it is no text. */
  attribute(name: string): string | undefined {
    const value = this.#parsed[name];
    return typeof value === "string" ? value : undefined;
  }

  /** The whole event; writing it again gives the same numbers. */
  get envelope(): Readonly<Record<string, unknown>> {
    this.#exact ??= parseJson(this.#text, "the event") as Record<string, unknown>;
    return this.#exact;
  }

  /** The event as routing rules see it. */
  get view(): unknown {
    return celView(this.#text, this.#parsed);
  }

  /** Undefined when the event has none; publishers of other houses may write anything into the attributes. */
  get trace(): Trace | undefined {
    const traceparent = [this.attribute("traceparent"), this.attribute("traceid")].find(isTraceparent);
    return traceparent ? { traceparent, tracestate: this.attribute("tracestate") || undefined } : undefined;
  }

  /** Whether its time has passed. */
  expired(now: number): boolean {
    const expiration = this.attribute("expiration");
    return expiration !== undefined && Date.parse(expiration) <= now;
  }
}

/** The event of a message that was published without an envelope. */
export function wrapRaw(message: IncomingMessage, origin: Origin): IncomingEvent {
  return fromBytes(rawEvent(message.data, origin, message.metadata));
}

/**
 * The event of a message: JSON in structured mode, or data whose attributes stand in the metadata (`ce_id`, `ce-id`).
 * Throws an Error when the message is neither.
 */
export function readEvent(message: IncomingMessage, origin: Origin): IncomingEvent {
  const contentType = message.metadata["content-type"] ?? message.contentType ?? "";
  const payload = payloadOf(contentType);
  if (payload !== "cloudevent" && attributesOf(message.metadata)["specversion"] !== undefined) {
    return fromBinaryMode(message, origin, contentType);
  }
  const text = textOf(message.data);
  const json = tryJson(text);
  if (json && isRecord(json.value)) return new IncomingEvent(message.data, text, json.value);
  if (payload === "binary") return fromBinaryMode(message, origin, contentType);
  throw new Error(
    'the message is not a CloudEvent in JSON; if its publisher sends none, set rawPayload: "true" in the metadata of the subscription',
  );
}

function fromBytes(json: Uint8Array): IncomingEvent {
  const text = textOf(json);
  return new IncomingEvent(json, text, JSON.parse(text) as Record<string, unknown>);
}

const attributeKey = /^ce[_-](?<name>[a-z0-9]+)$/i;

/** CloudEvents attributes among the metadata, by attribute name. */
function attributesOf(metadata: Metadata): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const key in metadata) {
    // The cheap test first: most messages have no such key.
    if (key.length < 4 || (key[2] !== "_" && key[2] !== "-")) continue;
    const name = attributeKey.exec(key)?.groups?.["name"];
    if (name) attributes[name.toLowerCase()] = metadata[key] as string;
  }
  return attributes;
}

function fromBinaryMode(message: IncomingMessage, origin: Origin, contentType: string): IncomingEvent {
  const attributes: Record<string, string> = {
    // The broker's id stays the same when the message is delivered again.
    id: message.id,
    source: "Dapr",
    type: "com.dapr.event.sent",
    specversion: "1.0",
    ...(contentType ? { datacontenttype: contentType } : {}),
    ...attributesOf(message.metadata),
    topic: origin.topic,
    pubsubname: origin.pubsubName,
  };
  const payload = payloadOf(attributes["datacontenttype"] ?? "");
  const data = dataMember(message.data, payload === "json", payload === "binary" || payload === "other");
  return fromBytes(Buffer.from(`${JSON.stringify(attributes).slice(0, -1)},${data}}`));
}

/** An event on its way to the app, in one attempt. */
export class Delivered implements TopicEvent {
  readonly id: string;
  readonly pubsubName: string;
  readonly topic: string;
  readonly path: string;
  readonly metadata: Metadata;
  readonly signal: AbortSignal | undefined;
  readonly #event: IncomingEvent;

  constructor(
    event: IncomingEvent,
    message: IncomingMessage,
    origin: Origin,
    path: string,
    { attempt, maxAttempts }: { readonly attempt: number; readonly maxAttempts: number },
    signal: AbortSignal | undefined,
  ) {
    this.#event = event;
    this.id = event.attribute("id") ?? message.id;
    this.pubsubName = origin.pubsubName;
    this.topic = origin.topic;
    this.path = path;
    this.metadata = {
      ...message.metadata,
      pubsubName: origin.pubsubName,
      [attemptKey]: String(attempt),
      ...(maxAttempts === Number.POSITIVE_INFINITY ? {} : { [maximumKey]: String(maxAttempts) }),
    };
    this.signal = signal;
  }

  get json(): Uint8Array {
    return this.#event.json;
  }

  get envelope(): Readonly<Record<string, unknown>> {
    return this.#event.envelope;
  }

  get trace(): Trace | undefined {
    return this.#event.trace;
  }
}

/** Header, or gRPC metadata, that counts deliveries of one message: 1, 2, ... */
const attemptKey = "mecha-delivery-attempt";
/** After so many deliveries the message goes to the dead letters, or is parked; absent: there is no end. */
const maximumKey = "mecha-delivery-maximum";
