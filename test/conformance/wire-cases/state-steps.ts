import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ask, base64, call, nothing, type WireStep } from "../wire.suite.ts";

const { getState, getBulkState, saveState, deleteState, executeStateTransaction, queryStateAlpha1 } = Dapr.method;
export const at = "/v1.0/state/store";
export const known = "sealed, shared, store";
export const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
export const some = expect.stringMatching(/./);

interface Item {
  readonly key: string;
  readonly value?: unknown;
  readonly etag?: string;
  readonly metadata?: Record<string, string>;
  readonly options?: {
    readonly concurrency?: "first-write" | "last-write";
    readonly consistency?: "eventual" | "strong";
  };
}
const concurrencies = { "first-write": 1, "last-write": 2 } as const;
export const consistencies = { eventual: 1, strong: 2 } as const;
export const toMessage = ({ key, value, etag, metadata = {}, options = {} }: Item) => ({
  key,
  value: bytes(value ?? null),
  metadata,
  ...(etag === undefined ? {} : { etag: { value: etag } }),
  options: {
    concurrency: options.concurrency ? concurrencies[options.concurrency] : 0,
    consistency: options.consistency ? consistencies[options.consistency] : 0,
  },
});

export const save = (items: readonly Item[], outcome = nothing, store = "store"): WireStep => ({
  http: ask("POST", `/v1.0/state/${store}`, items),
  grpc: call(saveState, { storeName: store, states: items.map(toMessage) }),
  expect: outcome,
});
export const get = (key: string, outcome: object, store = "store"): WireStep => ({
  http: ask("GET", `/v1.0/state/${store}/${encodeURIComponent(key)}`),
  grpc: call(getState, { storeName: store, key }),
  expect: outcome,
});
/** The stored JSON text, and an etag. */
export const found = (value: unknown, more: { metadata?: object; headers?: object } = {}) => ({
  message: { data: base64(JSON.stringify(value)), etag: some, ...(more.metadata ? { metadata: more.metadata } : {}) },
  text: JSON.stringify(value),
  headers: { etag: some, "content-type": "application/json", ...more.headers },
});
export const absent = nothing;
export const remove = (key: string, etag: string | undefined, outcome = nothing): WireStep => ({
  http: ask("DELETE", `${at}/${key}`, undefined, etag === undefined ? {} : { "if-match": etag }),
  grpc: call(deleteState, { storeName: "store", key, ...(etag === undefined ? {} : { etag: { value: etag } }) }),
  expect: outcome,
});
type Operation = readonly ["upsert" | "delete" | "increment", Item];
export const transact = (
  operations: readonly Operation[],
  outcome = nothing,
  metadata: Record<string, string> = {},
): WireStep => ({
  http: ask("POST", `${at}/transaction`, {
    operations: operations.map(([operation, request]) => ({ operation, request })),
    metadata,
  }),
  grpc: call(executeStateTransaction, {
    storeName: "store",
    operations: operations.map(([operationType, request]) => ({ operationType, request: toMessage(request) })),
    metadata,
  }),
  expect: outcome,
});
export const query = (text: string, outcome: object): WireStep => ({
  http: { verb: "POST", path: "/v1.0-alpha1/state/shared/query?metadata.contentType=application/json", body: text },
  grpc: call(queryStateAlpha1, { storeName: "shared", query: text, metadata: { contentType: "application/json" } }),
  expect: outcome,
});
export const people: WireStep = save(
  [
    { key: "p1", value: { name: "Ada", city: "London", age: 36 } },
    { key: "p2", value: { name: "Bob", city: "Berlin", age: 50 } },
    { key: "p3", value: { name: "Cyd", city: "London", age: 20 } },
  ],
  nothing,
  "shared",
);
export const person = (key: string, value: unknown) => ({ key, data: value, etag: some });
export const results = (...list: ReturnType<typeof person>[]) =>
  list.map(({ key, data, etag }) => ({ key, data: base64(JSON.stringify(data)), etag }));
export const [ada, bob, cyd] = [
  person("p1", { name: "Ada", city: "London", age: 36 }),
  person("p2", { name: "Bob", city: "Berlin", age: 50 }),
  person("p3", { name: "Cyd", city: "London", age: 20 }),
];
export const items = (...list: readonly { key: string; value?: unknown; metadata?: object }[]) => ({
  message: {
    items: list.map(({ key, value, metadata }) => ({
      key,
      ...(value === undefined ? {} : { data: base64(JSON.stringify(value)), etag: some }),
      ...(metadata ? { metadata } : {}),
    })),
  },
  body: list.map(({ key, value, metadata }) => ({
    key,
    ...(value === undefined ? {} : { data: value, etag: some }),
    ...(metadata ? { metadata } : {}),
  })),
});
export const bulk = (
  body: { keys: string[]; parallelism?: number; metadata?: Record<string, string> },
  outcome: object,
): WireStep => ({
  http: ask("POST", `${at}/bulk`, body),
  grpc: call(getBulkState, { storeName: "store", ...body }),
  expect: outcome,
});
