import type { TopicEventRequest } from "../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { decode } from "./values.ts";

/**
 * An event as it was published, in the parts of a CloudEvent.
 *
 * @example
 * ```ts
 * import type { CloudEvent } from "@mecha/sdk";
 *
 * function count(event: CloudEvent<{ items: string[] }>): number {
 *   console.log(event.id, event.source, event.extensions["traceparent"]);
 *   return event.data.items.length;
 * }
 * ```
 */
export interface CloudEvent<T = unknown> {
  readonly id: string;
  /** Who published it: an app id, unless the publisher said otherwise. */
  readonly source: string;
  readonly type: string;
  readonly specVersion: string;
  readonly dataContentType: string;
  /** A JSON value, a text, or bytes, by the content type. Nobody has checked that it is a T. */
  readonly data: T;
  readonly pubsubName: string;
  readonly topic: string;
  readonly subject: string | undefined;
  /** RFC 3339. */
  readonly time: string | undefined;
  /** Every other attribute. */
  readonly extensions: Readonly<Record<string, unknown>>;
}

const own: ReadonlySet<string> = new Set([
  "id",
  "source",
  "type",
  "specversion",
  "datacontenttype",
  "data",
  "data_base64",
  "pubsubname",
  "topic",
  "subject",
  "time",
]);

type Attributes = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** An event in its JSON form, as HTTP delivers it. @internal */
export function fromEnvelope<T>(envelope: Attributes): CloudEvent<T> {
  const dataContentType = textOf(envelope["datacontenttype"]);
  const base64 = envelope["data_base64"];
  // What the event holds is the publisher's word.
  const data = (typeof base64 === "string" ? Buffer.from(base64, "base64") : envelope["data"]) as T;
  return { ...described(envelope), dataContentType, data };
}

/** An event as a stream delivers it. @internal */
export function fromTopicEvent<T>(event: TopicEventRequest): CloudEvent<T> {
  const { id, source, type, specVersion, dataContentType, data, pubsubName, topic, extensions } = event;
  const attributes = {
    ...extensions,
    ...{ id, source, type, specversion: specVersion, pubsubname: pubsubName, topic },
  };
  return { ...described(attributes), dataContentType, data: decode(data, dataContentType) as T };
}

function described(attributes: Attributes): Omit<CloudEvent, "data" | "dataContentType"> {
  return {
    id: textOf(attributes["id"]),
    source: textOf(attributes["source"]),
    type: textOf(attributes["type"]),
    specVersion: textOf(attributes["specversion"]),
    pubsubName: textOf(attributes["pubsubname"]),
    topic: textOf(attributes["topic"]),
    subject: textOf(attributes["subject"]) || undefined,
    time: textOf(attributes["time"]) || undefined,
    extensions: Object.fromEntries(Object.entries(attributes).filter(([name]) => !own.has(name))),
  };
}
