import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { ask, call, fails, nothing, type WireCase } from "../wire.suite.ts";

import {
  absent,
  ada,
  at,
  bob,
  bulk,
  cyd,
  found,
  get,
  items,
  known,
  people,
  query,
  remove,
  results,
  save,
  some,
  transact,
} from "./state-steps.ts";

const { getState, getBulkState, saveState, deleteState, deleteBulkState, executeStateTransaction, queryStateAlpha1 } =
  Dapr.method;

/** Several values at once, queries, lists, and what is refused everywhere. */
export const stateManyCases: readonly WireCase[] = [
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
