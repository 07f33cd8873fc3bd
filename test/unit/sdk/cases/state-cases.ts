import { Dapr } from "../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../../specs/gen/mecha/v1/mecha_pb.js";
import { apiCase, bytes, json } from "./api-case.ts";

const { method: dapr } = Dapr;

/** The state API. */
export const stateCases = [
  apiCase(
    "get tells value, etag and metadata",
    (client) => client.state("s").get("a/b c", { consistency: "strong", metadata: { partitionKey: "p" } }),
    dapr.getState,
    {
      input: { storeName: "s", key: "a/b c", consistency: 2, metadata: { partitionKey: "p" } },
      output: { data: bytes('{"n":1}'), etag: "7", metadata: { ttlExpireTime: "t" } },
      line: "GET /v1.0/state/s/a%2Fb%20c?consistency=strong&metadata.partitionKey=p",
      reply: json({ n: 1 }, { ETag: "7", "metadata.ttlExpireTime": "t" }),
      gives: { value: { n: 1 }, etag: "7", metadata: { ttlExpireTime: "t" } },
    },
  ),
  apiCase("get of a key that is not there gives undefined", (client) => client.state("s").get("k"), dapr.getState, {
    input: { storeName: "s", key: "k" },
    line: "GET /v1.0/state/s/k",
  }),
  apiCase(
    "set writes a JSON value on terms",
    (client) =>
      client
        .state("s")
        .set("k", { n: 1 }, { etag: "7", ttlSeconds: 60, concurrency: "first-write", consistency: "strong" }),
    dapr.saveState,
    {
      input: {
        storeName: "s",
        states: [
          {
            key: "k",
            value: bytes('{"n":1}'),
            etag: { value: "7" },
            metadata: { ttlInSeconds: "60" },
            options: { concurrency: 1, consistency: 2 },
          },
        ],
      },
      line: "POST /v1.0/state/s",
      body: [
        {
          key: "k",
          etag: "7",
          metadata: { ttlInSeconds: "60" },
          options: { concurrency: "first-write", consistency: "strong" },
          value: { n: 1 },
        },
      ],
    },
  ),
  apiCase(
    "setMany writes several keys",
    (client) =>
      client.state("s").setMany([
        { key: "a", value: "text" },
        { key: "b", value: bytes("[1]") },
      ]),
    dapr.saveState,
    {
      input: {
        storeName: "s",
        states: [
          { key: "a", value: bytes('"text"'), options: {} },
          { key: "b", value: bytes("[1]"), options: {} },
        ],
      },
      line: "POST /v1.0/state/s",
      body: [
        { key: "a", value: "text" },
        { key: "b", value: [1] },
      ],
    },
  ),
  apiCase(
    "getMany gives one result for each key",
    (client) => client.state("s").getMany(["a", "b", "c"], { parallelism: 2 }),
    dapr.getBulkState,
    {
      input: { storeName: "s", keys: ["a", "b", "c"], parallelism: 2 },
      output: { items: [{ key: "a", data: bytes("1"), etag: "7" }, { key: "b" }, { key: "c", error: "lost" }] },
      line: "POST /v1.0/state/s/bulk",
      body: { keys: ["a", "b", "c"], parallelism: 2, metadata: {} },
      reply: json([{ key: "a", data: 1, etag: "7" }, { key: "b" }, { key: "c", error: "lost" }]),
      gives: [
        { key: "a", entry: { value: 1, etag: "7", metadata: {} }, error: undefined },
        { key: "b", entry: undefined, error: undefined },
        { key: "c", entry: undefined, error: "lost" },
      ],
    },
  ),
  apiCase("delete names the version", (client) => client.state("s").delete("..", { etag: "7" }), dapr.deleteState, {
    input: { storeName: "s", key: "..", etag: { value: "7" }, options: {} },
    line: "DELETE /v1.0/state/s/%2E%2E",
    headers: { "if-match": "7" },
  }),
  apiCase(
    "transact sends all steps together",
    (client) =>
      client.state("s").transact(
        [
          { operation: "upsert", key: "a", value: 1 },
          { operation: "delete", key: "b", etag: "7" },
        ],
        { metadata: { partitionKey: "p" } },
      ),
    dapr.executeStateTransaction,
    {
      input: {
        storeName: "s",
        operations: [
          { operationType: "upsert", request: { key: "a", value: bytes("1"), options: {} } },
          { operationType: "delete", request: { key: "b", etag: { value: "7" }, options: {} } },
        ],
        metadata: { partitionKey: "p" },
      },
      line: "POST /v1.0/state/s/transaction",
      body: {
        operations: [
          { operation: "upsert", request: { key: "a", value: 1 } },
          { operation: "delete", request: { key: "b", etag: "7" } },
        ],
        metadata: { partitionKey: "p" },
      },
    },
  ),
  apiCase(
    "query gives a page",
    (client) => client.state("s").query({ filter: { EQ: { n: 1 } }, page: { limit: 2 } }),
    dapr.queryStateAlpha1,
    {
      input: { storeName: "s", query: '{"filter":{"EQ":{"n":1}},"page":{"limit":2}}' },
      output: { results: [{ key: "a", data: bytes('{"n":1}'), etag: "7" }], token: "next" },
      line: "POST /v1.0-alpha1/state/s/query",
      body: { filter: { EQ: { n: 1 } }, page: { limit: 2 } },
      reply: json({ results: [{ key: "a", data: { n: 1 }, etag: "7" }], token: "next" }),
      gives: { results: [{ key: "a", value: { n: 1 }, etag: "7" }], token: "next" },
    },
  ),
  apiCase(
    "a query that finds nothing gives an empty page",
    (client) => client.state("s").query({}),
    dapr.queryStateAlpha1,
    {
      input: { storeName: "s", query: "{}" },
      line: "POST /v1.0-alpha1/state/s/query",
      body: {},
      gives: { results: [], token: undefined },
    },
  ),
  apiCase(
    "keys lists by prefix",
    async (client) => {
      const found: string[] = [];
      for await (const key of client.state("s").keys("a", { pageSize: 2 })) found.push(key);
      return found;
    },
    Mecha.method.listState,
    {
      input: { storeName: "s", prefix: "a", limit: 2 },
      output: { keys: ["a1", "a2"] },
      line: "GET /v1.0/state/s?prefix=a&limit=2",
      reply: json({ keys: ["a1", "a2"] }),
      gives: ["a1", "a2"],
    },
  ),
];
