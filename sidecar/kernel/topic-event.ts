import type { JsonObject, JsonValue, MessageInitShape } from "@bufbuild/protobuf";
import type { TopicEventRequestSchema } from "../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import type { TopicEvent } from "./app.ts";
import { payloadOf } from "./content-type.ts";

type Envelope = Readonly<Record<string, unknown>>;

/** Attributes that have a field of their own in the message; all others travel as extensions. */
const ownFields = new Set(["id", "source", "type", "specversion", "datacontenttype", "data", "data_base64"]);

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** What every message about an event says of its envelope. */
export function eventFields(envelope: Envelope) {
  return {
    id: text(envelope["id"]),
    source: text(envelope["source"]),
    type: text(envelope["type"]),
    specVersion: text(envelope["specversion"]),
    dataContentType: text(envelope["datacontenttype"]),
    data: eventData(envelope),
    extensions: extensionsOf(envelope),
  };
}

/** The message that a gRPC app, or a streaming subscription, gets for an event. */
export function topicEventRequest(event: TopicEvent): MessageInitShape<typeof TopicEventRequestSchema> {
  const { pubsubName, topic, path } = event;
  return { ...eventFields(event.envelope), id: event.id, pubsubName, topic, path };
}

/** The data as bytes: decoded base64, the text itself, or JSON. */
function eventData(envelope: Envelope): Uint8Array {
  const base64 = envelope["data_base64"];
  if (typeof base64 === "string") return Buffer.from(base64, "base64");
  const data = envelope["data"];
  if (data === undefined) return new Uint8Array(0);
  const payload = payloadOf(text(envelope["datacontenttype"]));
  const isText = typeof data === "string" && payload !== "json" && payload !== "cloudevent";
  return Buffer.from(isText ? data : JSON.stringify(data));
}

function extensionsOf(envelope: Envelope): JsonObject {
  const extensions: JsonObject = {};
  for (const key of Object.keys(envelope)) {
    if (ownFields.has(key)) continue;
    const value = envelope[key] as JsonValue;
    // A struct holds doubles; numbers that are kept as their text are objects and become doubles here.
    extensions[key] =
      typeof value === "object" && value !== null ? (JSON.parse(JSON.stringify(value)) as JsonValue) : value;
  }
  return extensions;
}
