import { Dapr } from "../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { apiCase, bytes, json } from "./api-case.ts";

const { method: dapr } = Dapr;

/** Publishing and output bindings. */
export const eventCases = [
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
