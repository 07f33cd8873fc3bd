import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { BulkPublishRequestEntry } from "../../../specs/gen/dapr/proto/runtime/v1/pubsub_pb.js";
import { toText } from "../byte-stream.ts";
import { fromReply } from "../refusal.ts";
import { isJsonType, isTextType } from "../values.ts";
import {
  jsonOf,
  jsonSend,
  metadataOf,
  metadataQuery,
  rawArray,
  rawMap,
  rawObject,
  type ShapeRow,
  segment,
  shape,
} from "./shape.ts";

const { method: dapr } = Dapr;

/** Publishing and output bindings over HTTP. */
export const eventShapes: readonly ShapeRow[] = [
  shape(dapr.publishEvent, {
    request: ({ pubsubName, topic, data, dataContentType, metadata }) => ({
      verb: "POST",
      path: `/v1.0/publish/${segment(pubsubName)}/${segment(topic)}`,
      query: metadataQuery(metadata),
      headers: dataContentType ? { "content-type": dataContentType } : {},
      body: data,
    }),
  }),
  shape(dapr.bulkPublishEvent, {
    request: ({ pubsubName, topic, entries, metadata }) => {
      const path = `/v1.0/publish/bulk/${segment(pubsubName)}/${segment(topic)}`;
      return jsonSend("POST", path, rawArray(entries.map(entryJson)), { query: metadataQuery(metadata) });
    },
    // The broker did not take some of the entries; over gRPC these come in the message.
    alsoReads: [500],
    answer: (reply) => {
      if (reply.status !== 500) return {};
      const { failedEntries } = (jsonOrNothing(reply) ?? {}) as {
        failedEntries?: { entryId: string; error: string }[];
      };
      if (!failedEntries) throw fromReply(reply, "BulkPublishEvent");
      return { failedEntries };
    },
  }),
  shape(dapr.invokeBinding, {
    request: ({ name, operation, data, metadata }) => {
      const payload = data.byteLength > 0 ? toText(data) : undefined;
      const body = rawObject({ operation: JSON.stringify(operation), data: payload, metadata: rawMap(metadata) });
      return jsonSend("POST", `/v1.0/bindings/${segment(name)}`, body);
    },
    answer: (reply) => ({ data: reply.body, metadata: metadataOf(reply) }),
  }),
];

function jsonOrNothing(reply: Parameters<typeof jsonOf>[0]): unknown {
  try {
    return jsonOf(reply);
  } catch {
    return undefined;
  }
}

/** The form of an event inside JSON depends on its content type. */
function entryJson({ entryId, event, contentType, metadata }: BulkPublishRequestEntry): string {
  return rawObject({
    entryId: JSON.stringify(entryId),
    event: isJsonType(contentType)
      ? toText(event)
      : JSON.stringify(isTextType(contentType) ? toText(event) : Buffer.from(event).toString("base64")),
    contentType: JSON.stringify(contentType),
    // Metadata of the request counts only for entries that have some, be it empty.
    metadata: JSON.stringify(metadata),
  });
}
