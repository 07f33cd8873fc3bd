import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { ask, base64, call, fails, nothing, type WireCase, type WireStep } from "../wire.suite.ts";

const { getState, getBulkState, saveState, deleteState, deleteBulkState, executeStateTransaction, queryStateAlpha1 } =
  Dapr.method;
const at = "/v1.0/state/store";
const known = "sealed, shared, store";
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const some = expect.stringMatching(/./);

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
const consistencies = { eventual: 1, strong: 2 } as const;
const toMessage = ({ key, value, etag, metadata = {}, options = {} }: Item) => ({
  key,
  value: bytes(value ?? null),
  metadata,
  ...(etag === undefined ? {} : { etag: { value: etag } }),
  options: {
    concurrency: options.concurrency ? concurrencies[options.concurrency] : 0,
    consistency: options.consistency ? consistencies[options.consistency] : 0,
  },
});

const save = (items: readonly Item[], outcome = nothing, store = "store"): WireStep => ({
  http: ask("POST", `/v1.0/state/${store}`, items),
  grpc: call(saveState, { storeName: store, states: items.map(toMessage) }),
  expect: outcome,
});
const get = (key: string, outcome: object, store = "store"): WireStep => ({
  http: ask("GET", `/v1.0/state/${store}/${encodeURIComponent(key)}`),
  grpc: call(getState, { storeName: store, key }),
  expect: outcome,
});
/** The stored JSON text, and an etag. */
const found = (value: unknown, more: { metadata?: object; headers?: object } = {}) => ({
  message: { data: base64(JSON.stringify(value)), etag: some, ...(more.metadata ? { metadata: more.metadata } : {}) },
  text: JSON.stringify(value),
  headers: { etag: some, "content-type": "application/json", ...more.headers },
});
const absent = nothing;
const remove = (key: string, etag: string | undefined, outcome = nothing): WireStep => ({
  http: ask("DELETE", `${at}/${key}`, undefined, etag === undefined ? {} : { "if-match": etag }),
  grpc: call(deleteState, { storeName: "store", key, ...(etag === undefined ? {} : { etag: { value: etag } }) }),
  expect: outcome,
});
type Operation = readonly ["upsert" | "delete" | "increment", Item];
const transact = (
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
const query = (text: string, outcome: object): WireStep => ({
  http: { verb: "POST", path: "/v1.0-alpha1/state/shared/query?metadata.contentType=application/json", body: text },
  grpc: call(queryStateAlpha1, { storeName: "shared", query: text, metadata: { contentType: "application/json" } }),
  expect: outcome,
});
const people: WireStep = save(
  [
    { key: "p1", value: { name: "Ada", city: "London", age: 36 } },
    { key: "p2", value: { name: "Bob", city: "Berlin", age: 50 } },
    { key: "p3", value: { name: "Cyd", city: "London", age: 20 } },
  ],
  nothing,
  "shared",
);
const person = (key: string, value: unknown) => ({ key, data: value, etag: some });
const results = (...list: ReturnType<typeof person>[]) =>
  list.map(({ key, data, etag }) => ({ key, data: base64(JSON.stringify(data)), etag }));
const [ada, bob, cyd] = [
  person("p1", { name: "Ada", city: "London", age: 36 }),
  person("p2", { name: "Bob", city: "Berlin", age: 50 }),
  person("p3", { name: "Cyd", city: "London", age: 20 }),
];
const items = (...list: readonly { key: string; value?: unknown; metadata?: object }[]) => ({
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
const bulk = (
  body: { keys: string[]; parallelism?: number; metadata?: Record<string, string> },
  outcome: object,
): WireStep => ({
  http: ask("POST", `${at}/bulk`, body),
  grpc: call(getBulkState, { storeName: "store", ...body }),
  expect: outcome,
});

export const stateCases: readonly WireCase[] = [
  { name: "a key that was never written has no content", steps: [get("never", absent)] },
  {
    name: "a value comes back as it was written, with an etag",
    steps: [save([{ key: "a", value: { n: [1, "ü", null] } }]), get("a", found({ n: [1, "ü", null] }))],
  },
  {
    name: "a text, a number, a truth and null are values",
    steps: [
      save([
        { key: "t", value: "text" },
        { key: "n", value: 1.5 },
        { key: "b", value: false },
        { key: "0", value: null },
      ]),
      get("t", found("text")),
      get("n", found(1.5)),
      get("b", found(false)),
      get("0", found(null)),
    ],
  },
  {
    name: "a later write wins",
    steps: [save([{ key: "w", value: 1 }]), save([{ key: "w", value: 2 }]), get("w", found(2))],
  },
  { name: "writing nothing succeeds", steps: [save([])] },
  {
    name: "PUT writes as POST does",
    steps: [{ http: ask("PUT", at, [{ key: "put", value: 1 }]), expect: nothing }, get("put", found(1))],
  },
  {
    name: "keys may hold any character but the separator",
    steps: ["a/b", "a b", "ü", "a%2Fb", "a|b", "a?b#c", "a+b", "bulk "].flatMap((key) => [
      save([{ key, value: key }]),
      get(key, found(key)),
    ]),
  },
  {
    name: "consistency may be asked for",
    steps: ["eventual", "strong"].flatMap((word): WireStep[] => [
      save([{ key: word, value: 1, options: { consistency: word as "strong" } }]),
      {
        http: ask("GET", `${at}/${word}?consistency=${word}`),
        grpc: call(getState, { storeName: "store", key: word, consistency: consistencies[word as "strong"] }),
        expect: found(1),
      },
    ]),
  },
  {
    name: "consistency in other words is refused",
    steps: [
      {
        http: ask("GET", `${at}/a?consistency=weak`),
        expect: fails("malformedRequest", { why: 'consistency must be eventual or strong, got "weak"' }),
      },
    ],
  },
  {
    name: "the current etag is let through, once",
    steps: [
      save([{ key: "e", value: 1 }]),
      get("e", found(1)),
      ({ etag }) => save([{ key: "e", value: 2, etag }]),
      get("e", found(2)),
    ],
  },
  {
    name: "a stale etag is refused and changes nothing",
    steps: [
      save([{ key: "s", value: 1 }]),
      save([{ key: "s", value: 2, etag: "stale" }], fails("stateSaveEtagMismatch", { name: "store", key: "s" })),
      get("s", found(1)),
    ],
  },
  {
    name: "an empty etag is an etag",
    steps: [
      save([{ key: "m", value: 1 }]),
      save([{ key: "m", value: 2, etag: "" }], fails("stateSaveEtagMismatch", { name: "store", key: "m" })),
    ],
  },
  {
    name: "first-write writes only what is not there",
    steps: [
      save([{ key: "f", value: 1, options: { concurrency: "first-write" } }]),
      save(
        [{ key: "f", value: 2, options: { concurrency: "first-write" } }],
        fails("stateSaveEtagMismatch", { name: "store", key: "f" }),
      ),
      save([{ key: "f", value: 3, options: { concurrency: "last-write" } }]),
      get("f", found(3)),
    ],
  },
  {
    name: "a value with a time to live tells when it ends",
    steps: [
      save([{ key: "ttl", value: 1, metadata: { ttlInSeconds: "100" } }]),
      get(
        "ttl",
        found(1, {
          metadata: { ttlExpireTime: expect.stringMatching(/^20.*Z$/) },
          headers: { "metadata.ttlexpiretime": expect.stringMatching(/^20.*Z$/) },
        }),
      ),
      save([{ key: "ttl", value: 2, metadata: { ttlInSeconds: "-1" } }]),
      get("ttl", found(2, { headers: { "metadata.ttlexpiretime": undefined } })),
    ],
  },
  {
    name: "a time to live that is no number is refused",
    steps: [
      save(
        [{ key: "x", value: 1, metadata: { ttlInSeconds: "soon" } }],
        fails("requestMetadataInvalid", { key: "ttlInSeconds", why: '"soon" is not a whole number of seconds' }),
      ),
      ...["", " 5", "1e3", "0x10", "1.5"].map((ttlInSeconds) =>
        save(
          [{ key: "x", value: 1, metadata: { ttlInSeconds } }],
          fails("requestMetadataInvalid", {
            key: "ttlInSeconds",
            why: `${JSON.stringify(ttlInSeconds)} is not a whole number of seconds`,
          }),
        ),
      ),
      get("x", absent),
    ],
  },
  {
    name: "the longest time to live is kept, a longer one refused",
    steps: [
      save([{ key: "age", value: 1, metadata: { ttlInSeconds: "250000000000" } }]),
      get("age", found(1, { metadata: { ttlExpireTime: expect.stringMatching(/^9\d\d\d-/) } })),
      save(
        [{ key: "age", value: 2, metadata: { ttlInSeconds: "250000000001" } }],
        fails("requestMetadataInvalid", {
          key: "ttlInSeconds",
          why: '"250000000001" is not a whole number of seconds up to 250000000000',
        }),
      ),
    ],
  },
  {
    name: "metadata of the query goes over that of the items",
    steps: [
      {
        http: ask("POST", `${at}?metadata.ttlInSeconds=100`, [
          { key: "q", value: 1, metadata: { ttlInSeconds: "-1" } },
        ]),
        expect: nothing,
      },
      get("q", found(1, { metadata: { ttlExpireTime: some }, headers: { "metadata.ttlexpiretime": some } })),
    ],
  },
  {
    name: "a deleted value is gone, and so is one that never was",
    steps: [save([{ key: "d", value: 1 }]), remove("d", undefined), get("d", absent), remove("d", undefined)],
  },
  {
    name: "deleting with the current etag succeeds",
    steps: [save([{ key: "de", value: 1 }]), get("de", found(1)), ({ etag }) => remove("de", etag), get("de", absent)],
  },
  {
    name: "deleting with a stale or an empty etag is refused",
    steps: [
      save([{ key: "ds", value: 1 }]),
      remove("ds", "stale", fails("stateDeleteEtagMismatch", { name: "store", key: "ds" })),
      remove("ds", "", fails("stateDeleteEtagMismatch", { name: "store", key: "ds" })),
      get("ds", found(1)),
    ],
  },
  {
    name: "deleting takes options and metadata",
    steps: [
      save([{ key: "do", value: 1 }]),
      {
        http: ask("DELETE", `${at}/do?concurrency=last-write&consistency=strong&metadata.a=b`),
        grpc: call(deleteState, {
          storeName: "store",
          key: "do",
          options: { concurrency: 2, consistency: 2 },
          metadata: { a: "b" },
        }),
        expect: nothing,
      },
      get("do", absent),
    ],
  },
  {
    name: "several values are read in the order of their keys",
    steps: [
      save([
        { key: "b1", value: 1 },
        { key: "b2", value: { x: 2 } },
        { key: "b3", value: "t", metadata: { ttlInSeconds: "100" } },
      ]),
      bulk(
        { keys: ["b3", "none", "b2", "b1"], parallelism: 2, metadata: { a: "b" } },
        items(
          { key: "b3", value: "t", metadata: { ttlExpireTime: some } },
          { key: "none" },
          { key: "b2", value: { x: 2 } },
          { key: "b1", value: 1 },
        ),
      ),
    ],
  },
  { name: "reading no keys gives no items", steps: [bulk({ keys: [] }, { message: {}, body: [] })] },
  {
    name: "bulk reading takes PUT and names in snake case",
    steps: [
      save([{ key: "bp", value: 1 }]),
      { http: ask("PUT", `${at}/bulk`, { keys: ["bp"] }), expect: items({ key: "bp", value: 1 }) },
    ],
  },
  {
    name: "bytes that are no JSON come in base64 among others and raw alone",
    steps: [
      {
        grpc: call(saveState, { storeName: "store", states: [{ key: "raw", value: Buffer.from([0xff, 0]) }] }),
        expect: nothing,
      },
      {
        http: ask("POST", `${at}/bulk`, { keys: ["raw"] }),
        expect: { body: [{ key: "raw", data: "/wA=", etag: some }] },
      },
      { grpc: call(getState, { storeName: "store", key: "raw" }), expect: { message: { data: "/wA=", etag: some } } },
    ],
  },
  {
    name: "several values are deleted at once",
    steps: [
      save([
        { key: "x1", value: 1 },
        { key: "x2", value: 2 },
      ]),
      {
        grpc: call(deleteBulkState, { storeName: "store", states: [{ key: "x1" }, { key: "x2" }, { key: "none" }] }),
        expect: nothing,
      },
      get("x1", absent),
      get("x2", absent),
      { grpc: call(deleteBulkState, { storeName: "store", states: [] }), expect: nothing },
    ],
  },
  {
    name: "bulk deletion with a stale etag is refused",
    steps: [
      save([{ key: "x3", value: 1 }]),
      {
        grpc: call(deleteBulkState, { storeName: "store", states: [{ key: "x3", etag: { value: "stale" } }] }),
        expect: fails("stateDeleteEtagMismatch", { name: "store", key: "x3" }),
      },
    ],
  },
  {
    name: "a transaction writes and deletes all",
    steps: [
      save([{ key: "t2", value: 1 }]),
      transact([
        ["upsert", { key: "t1", value: { a: 1 }, metadata: { ttlInSeconds: "100" } }],
        ["delete", { key: "t2" }],
      ]),
      get("t1", found({ a: 1 }, { metadata: { ttlExpireTime: some } })),
      get("t2", absent),
    ],
  },
  {
    name: "a transaction without operations succeeds",
    steps: [transact([]), { http: ask("PUT", `${at}/transaction`, {}), expect: nothing }],
  },
  {
    name: "metadata of a transaction counts for its operations",
    steps: [
      transact([["upsert", { key: "tm", value: 1 }]], nothing, { ttlInSeconds: "100" }),
      get("tm", found(1, { metadata: { ttlExpireTime: some } })),
    ],
  },
  {
    name: "a transaction with a stale etag changes nothing",
    steps: [
      save([{ key: "t3", value: 1 }]),
      transact(
        [
          ["upsert", { key: "t4", value: 1 }],
          ["upsert", { key: "t3", value: 2, etag: "stale" }],
        ],
        fails("stateTransaction", { name: "store", cause: "the etag of app||t3 does not match the stored one" }),
      ),
      get("t3", found(1)),
      get("t4", absent),
    ],
  },
  {
    name: "an unknown operation stops its transaction",
    steps: [
      transact(
        [
          ["upsert", { key: "t5", value: 1 }],
          ["increment", { key: "t6" }],
        ],
        fails("stateOperationUnsupported", { name: "store", operation: "increment" }),
      ),
      get("t5", absent),
    ],
  },
  {
    name: "a transaction's requests may be written in any case",
    steps: [
      {
        http: ask("POST", `${at}/transaction`, {
          operations: [{ operation: "upsert", request: { Key: "tc", VALUE: 1 } }],
        }),
        expect: nothing,
      },
      get("tc", found(1)),
    ],
  },
  {
    name: "a query finds by a condition",
    steps: [
      people,
      query('{"filter":{"EQ":{"city":"London"}},"sort":[{"key":"age"}]}', {
        message: { results: results(cyd, ada) },
        body: { results: [cyd, ada] },
      }),
    ],
  },
  {
    name: "a query joins, sorts and pages",
    steps: [
      people,
      query(
        '{"filter":{"OR":[{"IN":{"city":["Berlin"]}},{"EQ":{"name":"Ada"}}]},"sort":[{"key":"age","order":"DESC"}]}',
        { message: { results: results(bob, ada) }, body: { results: [bob, ada] } },
      ),
      query('{"sort":[{"key":"name"}],"page":{"limit":2}}', {
        message: { results: results(ada, bob), token: some },
        body: { results: [ada, bob], token: some },
      }),
      ({ json }) =>
        query(`{"sort":[{"key":"name"}],"page":{"limit":2,"token":${JSON.stringify(json["token"])}}}`, {
          message: { results: results(cyd) },
          body: { results: [cyd] },
        }),
    ],
  },
  { name: "a query without results has no content", steps: [query('{"filter":{"EQ":{"city":"Rome"}}}', nothing)] },
  {
    name: "a query that is none is refused",
    steps: [
      query(
        '{"filter":{"LIKE":{"a":1}}}',
        fails("malformedRequest", {
          why: "filter: unknown operator LIKE; use EQ, NEQ, GT, GTE, LT, LTE, IN, AND or OR",
        }),
      ),
    ],
  },
  {
    name: "encrypted values come back in the clear, and cannot be queried",
    steps: [
      save([{ key: "secret", value: { pin: 1 } }], nothing, "sealed"),
      get("secret", found({ pin: 1 }), "sealed"),
      {
        http: ask("POST", "/v1.0-alpha1/state/sealed/query", {}),
        grpc: call(queryStateAlpha1, { storeName: "sealed", query: "{}" }),
        expect: fails("stateQueryUnsupported", { name: "sealed" }),
      },
    ],
  },
  {
    name: "keys are listed page by page",
    steps: [
      save([
        { key: "l/1", value: 1 },
        { key: "l/2", value: 1 },
        { key: "l/3", value: 1 },
      ]),
      {
        http: ask("GET", `${at}?prefix=l/&limit=2`),
        grpc: call(Mecha.method.listState, { storeName: "store", prefix: "l/", limit: 2 }),
        expect: { message: { keys: ["l/1", "l/2"], cursor: some } },
      },
      ({ json }) => ({
        http: ask("GET", `${at}?prefix=l/&limit=2&cursor=${encodeURIComponent(String(json["cursor"]))}`),
        grpc: call(Mecha.method.listState, {
          storeName: "store",
          prefix: "l/",
          limit: 2,
          cursor: String(json["cursor"]),
        }),
        expect: { message: { keys: ["l/3"] } },
      }),
      {
        http: ask("GET", `${at}?prefix=none`),
        grpc: call(Mecha.method.listState, { storeName: "store", prefix: "none" }),
        expect: { message: {}, body: { keys: [] } },
      },
      {
        http: ask("GET", `${at}?limit=1001`),
        grpc: call(Mecha.method.listState, { storeName: "store", limit: 1001 }),
        expect: fails("badRequest", { why: "limit must be 1 to 1000, got 1001" }),
      },
    ],
  },
  {
    name: "a key with the separator is refused everywhere",
    steps: [
      save(
        [
          { key: "ok", value: 1 },
          { key: "a||b", value: 1 },
        ],
        fails("stateKeyIllegal", { name: "store", key: "a||b" }),
      ),
      get("ok", absent),
      get("a||b", fails("stateKeyIllegal", { name: "store", key: "a||b" })),
      remove("a||b", undefined, fails("stateKeyIllegal", { name: "store", key: "a||b" })),
      bulk({ keys: ["a||b"] }, fails("stateKeyIllegal", { name: "store", key: "a||b" })),
      transact([["upsert", { key: "a||b" }]], fails("stateKeyIllegal", { name: "store", key: "a||b" })),
    ],
  },
  {
    name: "an empty key is refused",
    steps: [
      { grpc: call(getState, { storeName: "store", key: "" }), expect: fails("stateKeyEmpty", { name: "store" }) },
      {
        grpc: call(saveState, { storeName: "store", states: [{ key: "" }] }),
        expect: fails("stateKeyEmpty", { name: "store" }),
      },
      {
        http: ask("POST", at, [{ key: "" }]),
        expect: fails("malformedRequest", { why: "[0].key must be a text that is not empty" }),
      },
    ],
  },
  {
    name: "an unknown store is refused everywhere, with those that are known",
    steps: [
      get("k", fails("stateStoreNotFound", { name: "nope", known }), "nope"),
      save([{ key: "k" }], fails("stateStoreNotFound", { name: "nope", known }), "nope"),
      {
        http: ask("DELETE", "/v1.0/state/nope/k"),
        grpc: call(deleteState, { storeName: "nope", key: "k" }),
        expect: fails("stateStoreNotFound", { name: "nope", known }),
      },
      {
        http: ask("POST", "/v1.0/state/nope/bulk", {}),
        grpc: call(getBulkState, { storeName: "nope" }),
        expect: fails("stateStoreNotFound", { name: "nope", known }),
      },
      {
        http: ask("POST", "/v1.0/state/nope/transaction", {}),
        grpc: call(executeStateTransaction, { storeName: "nope" }),
        expect: fails("stateStoreNotFound", { name: "nope", known }),
      },
      {
        http: ask("POST", "/v1.0-alpha1/state/nope/query", {}),
        grpc: call(queryStateAlpha1, { storeName: "nope" }),
        expect: fails("stateStoreNotFound", { name: "nope", known }),
      },
      {
        http: ask("GET", "/v1.0/state/nope"),
        grpc: call(Mecha.method.listState, { storeName: "nope" }),
        expect: fails("stateStoreNotFound", { name: "nope", known }),
      },
    ],
  },
];
