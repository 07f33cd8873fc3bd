import { create, fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { MechaClient } from "../../../sdk/src/index.ts";
import type { UnaryRpc } from "../../../sdk/src/transport.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Health } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import type { HttpReply } from "./fake-sidecar.ts";

/** One call of the client, what it says over each transport, and what it gives: the same over both. */
export interface ApiCase {
  readonly name: string;
  readonly run: (client: MechaClient) => Promise<unknown>;
  readonly rpc: UnaryRpc;
  readonly input: object;
  readonly output: object;
  readonly line: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly reply: HttpReply;
  readonly gives: unknown;
}

interface Told<D extends UnaryRpc> {
  /** The message that goes over gRPC, and the one that comes back (default: empty). */
  readonly input: MessageInitShape<D["input"]>;
  readonly output?: MessageInitShape<D["output"]>;
  /** Request line over HTTP, its body (JSON, or a text that is none) and some of its headers. */
  readonly line: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer over HTTP; default: 204. */
  readonly reply?: HttpReply;
  /** What the client's method resolves with. */
  readonly gives?: unknown;
}

function apiCase<D extends UnaryRpc>(
  name: string,
  run: ApiCase["run"],
  rpc: D,
  { input, output = {} as never, reply = { status: 204 }, gives, ...http }: Told<D>,
): ApiCase {
  return { name, run, rpc, input: input as object, output: output as object, reply, gives, ...http };
}

const json = (value: unknown, headers: Readonly<Record<string, string>> = {}): HttpReply => ({
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value),
});
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const { method: dapr } = Dapr;

const state = [
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

const events = [
  apiCase(
    "publish sends JSON with its terms",
    (client) =>
      client
        .pubsub("bus")
        .publish("a/b", { n: 1 }, { ttlSeconds: 5, raw: true, cloudEvent: { type: "t" }, metadata: { k: "v" } }),
    dapr.publishEvent,
    {
      input: {
        pubsubName: "bus",
        topic: "a/b",
        data: bytes('{"n":1}'),
        dataContentType: "application/json",
        metadata: { k: "v", ttlInSeconds: "5", rawPayload: "true", "cloudevent.type": "t" },
      },
      line: "POST /v1.0/publish/bus/a%2Fb?metadata.k=v&metadata.ttlInSeconds=5&metadata.rawPayload=true&metadata.cloudevent.type=t",
      body: { n: 1 },
      headers: { "content-type": "application/json" },
    },
  ),
  apiCase("publish sends a text as text", (client) => client.pubsub("bus").publish("t", "hello"), dapr.publishEvent, {
    input: { pubsubName: "bus", topic: "t", data: bytes("hello"), dataContentType: "text/plain" },
    line: "POST /v1.0/publish/bus/t",
    body: "hello",
    headers: { "content-type": "text/plain" },
  }),
  apiCase(
    "publishMany sends each event by its type",
    (client) =>
      client.pubsub("bus").publishMany(
        "t",
        [
          { entryId: "1", data: { n: 1 } },
          { entryId: "2", data: "hello" },
          { entryId: "3", data: bytes("raw"), metadata: { k: "v" } },
        ],
        { metadata: { all: "1" } },
      ),
    dapr.bulkPublishEvent,
    {
      input: {
        pubsubName: "bus",
        topic: "t",
        metadata: { all: "1" },
        entries: [
          { entryId: "1", event: bytes('{"n":1}'), contentType: "application/json" },
          { entryId: "2", event: bytes("hello"), contentType: "text/plain" },
          { entryId: "3", event: bytes("raw"), contentType: "application/octet-stream", metadata: { k: "v" } },
        ],
      },
      line: "POST /v1.0/publish/bulk/bus/t?metadata.all=1",
      body: [
        { entryId: "1", event: { n: 1 }, contentType: "application/json", metadata: {} },
        { entryId: "2", event: "hello", contentType: "text/plain", metadata: {} },
        { entryId: "3", event: "cmF3", contentType: "application/octet-stream", metadata: { k: "v" } },
      ],
    },
  ),
  apiCase(
    "a binding's operation takes data and gives data",
    async (client) => {
      const reply = await client.binding("files").invoke("get", { a: 1 }, { metadata: { name: "x" } });
      return [reply.json(), reply.text(), reply.metadata];
    },
    dapr.invokeBinding,
    {
      input: { name: "files", operation: "get", data: bytes('{"a":1}'), metadata: { name: "x" } },
      output: { data: bytes("[2]"), metadata: { size: "3" } },
      line: "POST /v1.0/bindings/files",
      body: { operation: "get", data: { a: 1 }, metadata: { name: "x" } },
      reply: json([2], { "metadata.size": "3" }),
      gives: [[2], "[2]", { size: "3" }],
    },
  ),
  apiCase(
    "a binding's operation needs no data",
    async (client) => (await client.binding("files").invoke("list")).data.byteLength,
    dapr.invokeBinding,
    {
      input: { name: "files", operation: "list" },
      line: "POST /v1.0/bindings/files",
      body: { operation: "list" },
      gives: 0,
    },
  ),
];

const stores = [
  apiCase("a secret", (client) => client.secrets("vault").get("a", { metadata: { v: "1" } }), dapr.getSecret, {
    input: { storeName: "vault", key: "a", metadata: { v: "1" } },
    output: { data: { a: "x" } },
    line: "GET /v1.0/secrets/vault/a?metadata.v=1",
    reply: json({ a: "x" }),
    gives: { a: "x" },
  }),
  apiCase("all secrets", (client) => client.secrets("vault").getAll(), dapr.getBulkSecret, {
    input: { storeName: "vault" },
    output: { data: { a: { secrets: { a: "x" } } } },
    line: "GET /v1.0/secrets/vault/bulk",
    reply: json({ a: { a: "x" } }),
    gives: { a: { a: "x" } },
  }),
  apiCase("configuration by keys", (client) => client.configuration("c").get(["a", "b"]), dapr.getConfiguration, {
    input: { storeName: "c", keys: ["a", "b"] },
    output: { items: { a: { value: "1", version: "v" } } },
    line: "GET /v1.0/configuration/c?key=a&key=b",
    reply: json({ a: { value: "1", version: "v" } }),
    gives: { a: { value: "1", version: "v", metadata: {} } },
  }),
  apiCase("no configuration", (client) => client.configuration("c").get(), dapr.getConfiguration, {
    input: { storeName: "c" },
    line: "GET /v1.0/configuration/c",
    gives: {},
  }),
  apiCase(
    "the end of a configuration subscription",
    (client) => client.configuration("c").unsubscribe("id"),
    dapr.unsubscribeConfiguration,
    {
      input: { storeName: "c", id: "id" },
      output: { ok: true },
      line: "GET /v1.0/configuration/c/id/unsubscribe",
      reply: json({ ok: true }),
      gives: true,
    },
  ),
  apiCase(
    "the end of a configuration subscription that is not there",
    (client) => client.configuration("c").unsubscribe("id"),
    dapr.unsubscribeConfiguration,
    {
      input: { storeName: "c", id: "id" },
      output: { ok: false, message: "no" },
      line: "GET /v1.0/configuration/c/id/unsubscribe",
      reply: { ...json({ message: "no" }), status: 500 },
      gives: false,
    },
  ),
  apiCase(
    "a lock that is free",
    async (client) => {
      const lock = await client.locks("l").tryLock("r", { owner: "me", expirySeconds: 5 });
      return lock && [lock.resource, lock.owner, lock.fencingToken];
    },
    dapr.tryLockAlpha1,
    {
      input: { storeName: "l", resourceId: "r", lockOwner: "me", expiryInSeconds: 5 },
      output: { success: true },
      line: "POST /v1.0-alpha1/lock/l",
      body: { storeName: "l", resourceId: "r", lockOwner: "me", expiryInSeconds: 5 },
      reply: json({ success: true }),
      gives: ["r", "me", undefined],
    },
  ),
  apiCase(
    "a lock that is taken",
    (client) => client.locks("l").tryLock("r", { owner: "me", expirySeconds: 5 }),
    dapr.tryLockAlpha1,
    {
      input: { storeName: "l", resourceId: "r", lockOwner: "me", expiryInSeconds: 5 },
      line: "POST /v1.0-alpha1/lock/l",
      reply: json({ success: false }),
    },
  ),
  ...([0, 1, 2] as const).map((status) =>
    apiCase(`unlocking with outcome ${status}`, (client) => client.locks("l").unlock("r", "me"), dapr.unlockAlpha1, {
      input: { storeName: "l", resourceId: "r", lockOwner: "me" },
      output: { status },
      line: "POST /v1.0-alpha1/unlock/l",
      body: { storeName: "l", resourceId: "r", lockOwner: "me" },
      reply: json({ status }),
      gives: status === 0,
    }),
  ),
];

const toValue = (value: unknown) => anyPack(ValueSchema, fromJson(ValueSchema, value as never));

const others = [
  apiCase(
    "a conversation with tools",
    (client) =>
      client.conversation("llm").converse(
        [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Rain?", name: "Ann" },
          { role: "assistant", content: "", toolCalls: [{ id: "1", name: "weather", arguments: "{}" }] },
          { role: "tool", content: "dry", name: "weather", toolId: "1" },
        ],
        {
          tools: [{ name: "weather", parameters: { type: "object" } }],
          toolChoice: "auto",
          temperature: 0.5,
          contextId: "c",
          parameters: { model: "small" },
        },
      ),
    dapr.converseAlpha2,
    {
      input: {
        name: "llm",
        contextId: "c",
        temperature: 0.5,
        toolChoice: "auto",
        tools: [{ toolTypes: { case: "function", value: { name: "weather", parameters: { type: "object" } } } }],
        parameters: { model: anyPack(StringValueSchema, create(StringValueSchema, { value: "small" })) },
        inputs: [
          {
            messages: [
              { messageTypes: { case: "ofSystem", value: { content: [{ text: "Be brief." }] } } },
              { messageTypes: { case: "ofUser", value: { name: "Ann", content: [{ text: "Rain?" }] } } },
              {
                messageTypes: {
                  case: "ofAssistant",
                  value: {
                    content: [{ text: "" }],
                    toolCalls: [
                      { id: "1", toolTypes: { case: "function", value: { name: "weather", arguments: "{}" } } },
                    ],
                  },
                },
              },
              { messageTypes: { case: "ofTool", value: { toolId: "1", name: "weather", content: [{ text: "dry" }] } } },
            ],
          },
        ],
      },
      output: {
        contextId: "d",
        outputs: [
          {
            model: "small-2",
            usage: { promptTokens: 3n, completionTokens: 1n, totalTokens: 4n },
            choices: [{ finishReason: "stop", message: { content: "No." } }],
          },
        ],
      },
      line: "POST /v1.0-alpha2/conversation/llm/converse",
      body: {
        name: "llm",
        contextId: "c",
        temperature: 0.5,
        toolChoice: "auto",
        tools: [{ function: { name: "weather", parameters: { type: "object" } } }],
        parameters: { model: { "@type": "type.googleapis.com/google.protobuf.StringValue", value: "small" } },
        inputs: [
          {
            messages: [
              { ofSystem: { content: [{ text: "Be brief." }] } },
              { ofUser: { name: "Ann", content: [{ text: "Rain?" }] } },
              {
                ofAssistant: {
                  content: [{}],
                  toolCalls: [{ id: "1", function: { name: "weather", arguments: "{}" } }],
                },
              },
              { ofTool: { toolId: "1", name: "weather", content: [{ text: "dry" }] } },
            ],
          },
        ],
      },
      reply: json({
        contextId: "d",
        outputs: [
          {
            model: "small-2",
            usage: { promptTokens: "3", completionTokens: "1", totalTokens: "4" },
            choices: [{ finishReason: "stop", index: "0", message: { content: "No." } }],
          },
        ],
      }),
      gives: {
        contextId: "d",
        model: "small-2",
        usage: { promptTokens: 3, completionTokens: 1, totalTokens: 4 },
        choices: [{ content: "No.", toolCalls: [], finishReason: "stop" }],
      },
    },
  ),
  apiCase(
    "scheduling a job",
    (client) =>
      client.jobs.schedule(
        "backup",
        { schedule: "@daily", repeats: 3, data: { full: true }, failurePolicy: { intervalMs: 1500, maxRetries: 2 } },
        { overwrite: true },
      ),
    dapr.scheduleJob,
    {
      input: {
        job: {
          name: "backup",
          schedule: "@daily",
          repeats: 3,
          data: toValue({ full: true }),
          failurePolicy: {
            policy: { case: "constant", value: { interval: { seconds: 1n, nanos: 500_000_000 }, maxRetries: 2 } },
          },
        },
        overwrite: true,
      },
      line: "POST /v1.0/jobs/backup",
      body: {
        schedule: "@daily",
        repeats: 3,
        data: { full: true },
        failurePolicy: { constant: { interval: "1.500s", maxRetries: 2 } },
        overwrite: true,
      },
    },
  ),
  apiCase("reading a job", (client) => client.jobs.get("backup"), dapr.getJob, {
    input: { name: "backup" },
    output: {
      job: {
        name: "backup",
        dueTime: "90s",
        data: toValue({ full: true }),
        failurePolicy: { policy: { case: "drop", value: {} } },
      },
    },
    line: "GET /v1.0/jobs/backup",
    reply: json({
      name: "backup",
      dueTime: "90s",
      data: { "@type": "type.googleapis.com/google.protobuf.Value", value: { full: true } },
      failurePolicy: { drop: {} },
    }),
    gives: { name: "backup", dueTime: "90s", data: { full: true }, failurePolicy: "drop" },
  }),
  apiCase("removing a job", (client) => client.jobs.delete("backup"), dapr.deleteJob, {
    input: { name: "backup" },
    line: "DELETE /v1.0/jobs/backup",
  }),
  apiCase("the sidecar's metadata", (client) => client.sidecar.metadata(), dapr.getMetadata, {
    input: {},
    output: {
      id: "shop",
      runtimeVersion: "1",
      registeredComponents: [{ name: "s", type: "state.memory", version: "v1", capabilities: ["ETAG"] }],
      extendedMetadata: { k: "v" },
      subscriptions: [
        {
          pubsubName: "bus",
          topic: "t",
          type: 3,
          deadLetterTopic: "dead",
          rules: { rules: [{ match: "", path: "/" }] },
        },
      ],
      httpEndpoints: [{ name: "out" }],
      appConnectionProperties: { port: 3000, protocol: "http", channelAddress: "127.0.0.1", maxConcurrency: 2 },
    },
    line: "GET /v1.0/metadata",
    reply: json({
      id: "shop",
      runtimeVersion: "1",
      components: [{ name: "s", type: "state.memory", version: "v1", capabilities: ["ETAG"] }],
      extended: { k: "v" },
      subscriptions: [
        {
          pubsubname: "bus",
          topic: "t",
          type: "STREAMING",
          deadLetterTopic: "dead",
          rules: [{ match: "", path: "/" }],
        },
      ],
      httpEndpoints: [{ name: "out" }],
      appConnectionProperties: { port: 3000, protocol: "http", channelAddress: "127.0.0.1", maxConcurrency: 2 },
      actorRuntime: { runtimeStatus: "INITIALIZING", hostReady: false },
      scheduler: { connected_addresses: [] },
    }),
    gives: {
      appId: "shop",
      runtimeVersion: "1",
      enabledFeatures: [],
      components: [{ name: "s", type: "state.memory", version: "v1", capabilities: ["ETAG"] }],
      extended: { k: "v" },
      subscriptions: [
        {
          pubsubName: "bus",
          topic: "t",
          type: "STREAMING",
          deadLetterTopic: "dead",
          rules: [{ match: "", path: "/" }],
          metadata: {},
        },
      ],
      httpEndpoints: ["out"],
      app: { port: 3000, protocol: "http", address: "127.0.0.1", maxConcurrency: 2 },
    },
  }),
  apiCase("a label of the sidecar", (client) => client.sidecar.setMetadata("k", "v"), dapr.setMetadata, {
    input: { key: "k", value: "v" },
    line: "PUT /v1.0/metadata/k",
    body: "v",
  }),
  apiCase("shutdown", (client) => client.sidecar.shutdown({ force: true }), dapr.shutdown, {
    input: {},
    line: "POST /v1.0/shutdown",
    headers: { "dapr-force-shutdown": "true" },
  }),
  apiCase("a sidecar that is ready", (client) => client.sidecar.isReady(), Health.method.check, {
    input: {},
    output: { status: 1 },
    line: "GET /v1.0/healthz",
    gives: true,
  }),
  apiCase("a sidecar that is not ready", (client) => client.sidecar.isReady({ outbound: true }), Health.method.check, {
    input: { service: "outbound" },
    output: { status: 2 },
    line: "GET /v1.0/healthz/outbound",
    reply: { ...json({ errorCode: "ERR_OUTBOUND_HEALTH_NOT_READY", message: "not yet" }), status: 500 },
    gives: false,
  }),
];

export const apiCases: Readonly<Record<string, readonly ApiCase[]>> = { state, events, stores, others };
