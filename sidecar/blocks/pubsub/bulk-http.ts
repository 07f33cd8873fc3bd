import type { MessageInitShape } from "@bufbuild/protobuf";
import { causeText, fail, MechaError, reasons } from "../../../specs/errors.ts";
import type { BulkPublishRequestSchema } from "../../../specs/gen/dapr/proto/runtime/v1/pubsub_pb.js";
import { payloadOf } from "../../kernel/content-type.ts";
import { isRecord } from "../../kernel/json.ts";
import type { HttpInput, HttpOutput } from "../../kernel/method.ts";
import { itemsOf, membersOf, textOf } from "./json-text.ts";
import type { FailedEntry } from "./publish.ts";

/** HTTP codec of bulk publish: a JSON array of `{entryId, event, contentType, metadata?}`; field names in any case. */

type EntryInit = Exclude<NonNullable<MessageInitShape<typeof BulkPublishRequestSchema>["entries"]>[number], string>;

/** The message of a request. Throws `pubsubBulkJson`, `pubsubBulkEntries` or `pubsubEnvelope`. */
export function readBulk(http: HttpInput): MessageInitShape<typeof BulkPublishRequestSchema> {
  const name = http.params["pubsubname"] ?? "";
  const { metadata } = http;
  const text = textOf(http.body);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail("pubsubBulkJson", { name, why: causeText(error) }, { cause: error });
  }
  if (!Array.isArray(json)) throw fail("pubsubBulkJson", { name, why: "it must start with [" });
  const items = itemsOf(text);
  const entries = json.map((entry: unknown, index) => readEntry(name, entry, items[index] as string, index, metadata));
  return { pubsubName: name, topic: http.params["*"] ?? "", entries, metadata };
}

function readEntry(
  name: string,
  entry: unknown,
  text: string,
  index: number,
  shared: Readonly<Record<string, string>>,
): EntryInit {
  if (!isRecord(entry))
    throw fail("pubsubBulkJson", { name, why: `entry ${index} must be an object with entryId, event and contentType` });
  const fields = Object.fromEntries(Object.entries(entry).map(([key, value]) => [key.toLowerCase(), value]));
  const { entryid: entryId, contenttype: contentType = "", metadata, event } = fields;
  if (typeof entryId !== "string" || entryId === "") {
    throw fail("pubsubBulkEntries", { name, why: `entry ${index} needs an entryId, a text that is not empty` });
  }
  if (typeof contentType !== "string") {
    throw fail("pubsubBulkEntries", { name, why: `contentType of entry ${JSON.stringify(entryId)} must be a text` });
  }
  // Shared metadata counts only for entries that have some of their own, be it empty.
  const own =
    metadata === undefined || metadata === null ? {} : { ...shared, ...readMetadata(name, entryId, metadata) };
  return { entryId, contentType, metadata: own, event: readEvent(name, entryId, event, contentType, text) };
}

/** The bytes of an event; JSON stays as it stands in the body. */
function readEvent(name: string, entryId: string, event: unknown, contentType: string, text: string): Uint8Array {
  const wrong = (why: string) => fail("pubsubEnvelope", { name, why: `entry ${JSON.stringify(entryId)}: ${why}` });
  if (event === undefined) throw wrong("event is missing");
  switch (payloadOf(contentType)) {
    case "json":
    case "cloudevent": {
      const raw = membersOf(text).findLast(({ key }) => key.toLowerCase() === "event")?.value ?? "null";
      return Buffer.from(raw);
    }
    case "text":
      if (typeof event !== "string") throw wrong(`content type ${contentType} needs event to be a text`);
      return Buffer.from(event);
    case "binary": {
      if (typeof event !== "string" || !isBase64(event)) {
        throw wrong(`content type ${contentType} needs event to be a text in base64`);
      }
      return Buffer.from(event, "base64");
    }
    default: {
      const known = "application/json, application/cloudevents+json, text/plain or application/octet-stream";
      throw wrong(
        contentType ? `content type ${contentType} is not one of ${known}` : `contentType is missing: use ${known}`,
      );
    }
  }
}

const isBase64 = (text: string) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);

function readMetadata(name: string, entryId: string, metadata: unknown): Record<string, string> {
  const why = `metadata of entry ${JSON.stringify(entryId)} must be an object of texts`;
  if (!isRecord(metadata)) throw fail("pubsubBulkEntries", { name, why });
  const given = Object.entries(metadata).filter(([, value]) => value !== null);
  return Object.fromEntries(
    given.map(([key, value]) => {
      if (typeof value === "object") throw fail("pubsubBulkEntries", { name, why });
      return [key, String(value)];
    }),
  );
}

/** Why a bulk publish failed, entry by entry; stands behind a `pubsubPublish`. */
export class BulkFailure extends Error {
  override readonly name = "BulkFailure";
  readonly entries: readonly FailedEntry[];

  constructor(entries: readonly FailedEntry[]) {
    super(`${entries.length} entries were not taken; the first: ${causeText(entries[0]?.cause)}`);
    this.entries = entries;
  }
}

/** The answer to a bulk publish of which the broker did not take every entry. */
export function bulkFailureOutput(error: unknown): HttpOutput | undefined {
  if (!(error instanceof MechaError && error.cause instanceof BulkFailure)) return undefined;
  const failedEntries = error.cause.entries.map(({ entryId, cause }) => ({ entryId, error: causeText(cause) }));
  const body = JSON.stringify({ failedEntries, errorCode: reasons.pubsubPublish.tag });
  return {
    status: 500,
    headers: { "metadata.responseData": headerText(body), "metadata.error": headerText(error.message) },
    body,
  };
}

/** A header holds one line of ASCII. */
const headerText = (text: string) =>
  text.replace(/[\r\n]+/g, " ").replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
