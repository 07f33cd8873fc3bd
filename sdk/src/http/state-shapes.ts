import type { MessageShape } from "@bufbuild/protobuf";
import {
  StateOptions_StateConcurrency as Concurrency,
  StateOptions_StateConsistency as Consistency,
  type StateItem,
  type StateItemSchema,
} from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { toText } from "../byte-stream.ts";
import type { HttpSend } from "./connection.ts";
import {
  headerOf,
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
const consistencies = { [Consistency.CONSISTENCY_EVENTUAL]: "eventual", [Consistency.CONSISTENCY_STRONG]: "strong" };
const concurrencies = {
  [Concurrency.CONCURRENCY_FIRST_WRITE]: "first-write",
  [Concurrency.CONCURRENCY_LAST_WRITE]: "last-write",
};

const nameOf = (names: Readonly<Record<number, string>>, value: number | undefined): string | undefined =>
  names[value ?? 0];

const encoder = new TextEncoder();
const at = (store: string, suffix = "") => `/v1.0/state/${segment(store)}${suffix}`;

function query(fields: Readonly<Record<string, string | undefined>>): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]): [string, string][] => (value ? [[name, value]] : []));
}

/** The state API over HTTP. */
export const stateShapes: readonly ShapeRow[] = [
  shape(dapr.getState, {
    request: ({ storeName, key, consistency, metadata }) => ({
      verb: "GET",
      path: at(storeName, `/${segment(key)}`),
      query: [...query({ consistency: nameOf(consistencies, consistency) }), ...metadataQuery(metadata)],
    }),
    answer: (reply) => ({ data: reply.body, etag: headerOf(reply, "etag") ?? "", metadata: metadataOf(reply) }),
  }),
  shape(dapr.getBulkState, {
    request: ({ storeName, keys, parallelism, metadata }) =>
      jsonSend("POST", at(storeName, "/bulk"), JSON.stringify({ keys, parallelism, metadata })),
    answer: (reply) => ({ items: (jsonOf(reply) as Found[] | undefined)?.map(toFound) ?? [] }),
  }),
  shape(dapr.saveState, {
    request: ({ storeName, states }) => jsonSend("POST", at(storeName), rawArray(states.map(itemJson))),
  }),
  shape(dapr.deleteState, { request: (message) => deletion(message.storeName, message) }),
  // HTTP has no form for several keys.
  shape(dapr.deleteBulkState, { request: ({ storeName, states }) => states.map((item) => deletion(storeName, item)) }),
  shape(dapr.executeStateTransaction, {
    request: ({ storeName, operations, metadata }) => {
      const list = operations.map(({ operationType, request }) =>
        rawObject({
          operation: JSON.stringify(operationType),
          request: request && (operationType === "delete" ? keyJson(request) : itemJson(request)),
        }),
      );
      const body = rawObject({ operations: rawArray(list), metadata: rawMap(metadata) });
      return jsonSend("POST", at(storeName, "/transaction"), body);
    },
  }),
  shape(dapr.queryStateAlpha1, {
    request: (message) => {
      const path = `/v1.0-alpha1/state/${segment(message.storeName)}/query`;
      return jsonSend("POST", path, message.query, { query: metadataQuery(message.metadata) });
    },
    answer: (reply) => {
      const { results = [], token = "", metadata = {} } = (jsonOf(reply) ?? {}) as FoundPage;
      return { results: results.map(toFound), token, metadata };
    },
  }),
  shape(Mecha.method.listState, {
    request: ({ storeName, prefix, cursor, limit }) => ({
      verb: "GET",
      path: at(storeName),
      query: query({ prefix, cursor, limit: limit === 0 ? undefined : String(limit) }),
    }),
  }),
];

interface Found {
  readonly key: string;
  readonly data?: unknown;
  readonly etag?: string;
  readonly error?: string;
  readonly metadata?: Record<string, string>;
}

interface FoundPage {
  readonly results?: Found[];
  readonly token?: string;
  readonly metadata?: Record<string, string>;
}

function toFound({ key, data, etag = "", error = "", metadata = {} }: Found) {
  const bytes = data === undefined ? new Uint8Array() : encoder.encode(JSON.stringify(data));
  return { key, data: bytes, etag, error, metadata };
}

const itemJson = (item: MessageShape<typeof StateItemSchema>): string =>
  rawObject({ ...fieldsOf(item), value: toText(item.value) });

const keyJson = (item: MessageShape<typeof StateItemSchema>): string => rawObject(fieldsOf(item));

function fieldsOf({ key, etag, metadata, options }: StateItem): Record<string, string | undefined> {
  const concurrency = nameOf(concurrencies, options?.concurrency);
  const consistency = nameOf(consistencies, options?.consistency);
  return {
    key: JSON.stringify(key),
    etag: etag && JSON.stringify(etag.value),
    metadata: rawMap(metadata),
    options: concurrency || consistency ? JSON.stringify({ concurrency, consistency }) : undefined,
  };
}

function deletion(store: string, { key, etag, options, metadata }: Omit<StateItem, "$typeName" | "value">): HttpSend {
  return {
    verb: "DELETE",
    path: at(store, `/${segment(key)}`),
    query: [
      ...query({
        concurrency: nameOf(concurrencies, options?.concurrency),
        consistency: nameOf(consistencies, options?.consistency),
      }),
      ...metadataQuery(metadata),
    ],
    ...(etag ? { headers: { "if-match": etag.value } } : {}),
  };
}
