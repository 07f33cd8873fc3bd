import type { MessageInitShape } from "@bufbuild/protobuf";
import { fail } from "../../../specs/errors.ts";
import {
  StateOptions_StateConcurrency as Concurrency,
  StateOptions_StateConsistency as Consistency,
  type StateItemSchema,
} from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { decodeText, isRecord, parseJson } from "../../kernel/json.ts";

/** HTTP codecs of the state API: pure functions from JSON to messages and back. */

export type ItemInit = MessageInitShape<typeof StateItemSchema>;
const encoder = new TextEncoder();
const bad = (why: string) => fail("malformedRequest", { why });

/** `eventual` or `strong`; empty and absent: unspecified. */
export function parseConsistency(text: unknown): Consistency {
  if (text === undefined || text === null || text === "") return Consistency.CONSISTENCY_UNSPECIFIED;
  if (text === "eventual") return Consistency.CONSISTENCY_EVENTUAL;
  if (text === "strong") return Consistency.CONSISTENCY_STRONG;
  throw bad(`consistency must be eventual or strong, got ${JSON.stringify(text)}`);
}

/** `first-write` or `last-write`; empty and absent: unspecified. */
export function parseConcurrency(text: unknown): Concurrency {
  if (text === undefined || text === null || text === "") return Concurrency.CONCURRENCY_UNSPECIFIED;
  if (text === "first-write") return Concurrency.CONCURRENCY_FIRST_WRITE;
  if (text === "last-write") return Concurrency.CONCURRENCY_LAST_WRITE;
  throw bad(`concurrency must be first-write or last-write, got ${JSON.stringify(text)}`);
}

/** A value as the store keeps it: JSON text in UTF-8. */
export const jsonBytes = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value ?? null));

/** The body of a save. `metadata` of the query goes over that of each item. */
export function parseItems(body: Uint8Array, metadata: Readonly<Record<string, string>>): ItemInit[] {
  const json = parseJson(decodeText(body, "the body"), "the body");
  if (!Array.isArray(json)) throw bad("the body must be an array of {key, value}");
  return json.map((item, i) => parseItem(item, `[${i}]`, metadata));
}

/** One `{key, value, etag, metadata, options}`; field names in any case. */
export function parseItem(value: unknown, at: string, metadata: Readonly<Record<string, string>>): ItemInit {
  if (!isRecord(value)) throw bad(`${at} must be an object with key and value`);
  const fields = anyCase(value);
  const key = fields["key"];
  if (typeof key !== "string" || key === "") throw bad(`${at}.key must be a text that is not empty`);
  const etag = fields["etag"] ?? undefined;
  if (etag !== undefined && typeof etag !== "string") throw bad(`${at}.etag must be a text`);
  const given = fields["options"] ?? {};
  if (!isRecord(given)) throw bad(`${at}.options must be an object`);
  const options = anyCase(given);
  return {
    key,
    value: jsonBytes(fields["value"]),
    ...(etag === undefined ? {} : { etag: { value: etag } }),
    metadata: { ...parseMetadata(fields["metadata"], at), ...metadata },
    options: {
      concurrency: parseConcurrency(options["concurrency"]),
      consistency: parseConsistency(options["consistency"]),
    },
  };
}

/** The fields of an object by their names in lower case. */
const anyCase = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).map(([key, v]) => [key.toLowerCase(), v]));

/** A map of texts; numbers and booleans are written as texts, and null is as if it were not there. */
export function parseMetadata(value: unknown, at: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw bad(`${at}.metadata must be an object of texts`);
  const given = Object.entries(value).filter(([, v]) => v !== null);
  return Object.fromEntries(
    given.map(([key, v]) => {
      if (typeof v === "object") throw bad(`${at}.metadata.${key} must be a text`);
      return [key, String(v)];
    }),
  );
}

/** The body of a transaction; field names in any case. */
export function parseTransaction(body: Uint8Array): {
  operations: { operationType: string; request: ItemInit }[];
  metadata: Record<string, string>;
} {
  const json = parseJson(decodeText(body, "the body"), "the body");
  if (!isRecord(json)) throw bad("the body must be an object with operations");
  const fields = anyCase(json);
  const operations = fields["operations"] ?? [];
  if (!Array.isArray(operations)) throw bad("operations must be an array");
  return {
    operations: operations.map((operation: unknown, i) => {
      if (!isRecord(operation)) throw bad(`operations[${i}] must be an object with operation and request`);
      const { operation: type, request } = anyCase(operation);
      if (typeof type !== "string") throw bad(`operations[${i}].operation must be upsert or delete`);
      return { operationType: type, request: parseItem(request, `operations[${i}].request`, {}) };
    }),
    metadata: parseMetadata(fields["metadata"], "the body"),
  };
}

/** Stored bytes inside a JSON answer: as they are when they are JSON, else as a JSON text of their base64. */
export function embedded(data: Uint8Array): string {
  try {
    const text = decodeText(data, "the value");
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(Buffer.from(data).toString("base64"));
  }
}

/** An object from fields that are already JSON texts; undefined ones are left out. */
export function jsonObject(fields: Readonly<Record<string, string | undefined>>): string {
  const parts = Object.entries(fields).flatMap(([key, json]) =>
    json === undefined ? [] : [`${JSON.stringify(key)}:${json}`],
  );
  return `{${parts.join(",")}}`;
}
