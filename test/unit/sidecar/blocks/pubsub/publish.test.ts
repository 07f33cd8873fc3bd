import { describe, expect, test } from "vitest";
import { fail } from "../../../../../specs/errors.ts";
import { type Call, FakeBroker, failureOf, type Given, openFakes, overGrpc, overHttp } from "./fakes.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const publishing = (given: Given = {}) => {
  const fakes = openFakes(given);
  const [method] = fakes.block.methods;
  if (!method) throw new Error("no method");
  const post = (call: Call) => overHttp(method, { params: { pubsubname: "ps", "*": "orders" }, ...call });
  const rpc = (init: object) => overGrpc(method, { pubsubName: "ps", topic: "orders", ...init });
  return { ...fakes, method, post, rpc };
};

describe("the HTTP shape", () => {
  test("POST and PUT publish to a topic that may hold slashes, and answer 204", async () => {
    const { method, post, broker } = publishing();
    const [shape] = method.http;
    expect(shape).toMatchObject({ verbs: ["POST", "PUT"], paths: ["/v1.0/publish/:pubsubname/*"] });
    expect(await post({ params: { pubsubname: "ps", "*": "a/b/c" }, body: "x" })).toEqual({ status: 204 });
    expect(broker.events("a/b/c")).toMatchObject([
      { topic: "a/b/c", pubsubname: "ps", data: "x", datacontenttype: "text/plain" },
    ]);
  });

  test("the content type of the request decides how the data is wrapped", async () => {
    const { post, broker } = publishing();
    await post({ headers: { "content-type": "application/json" }, body: '{"n":12345678901234567890}' });
    await post({ headers: { "content-type": "application/octet-stream" }, body: "hi" });
    expect(broker.texts("orders")[0]).toContain('"data":{"n":12345678901234567890}}');
    expect(broker.events("orders")[1]).toMatchObject({ data_base64: "aGk=" });
    expect(broker.published[0]?.contentType).toBe("application/cloudevents+json");
  });

  test("metadata of the query reaches the broker, and its cloudevent attributes the event", async () => {
    const { post, broker } = publishing();
    await post({ metadata: { partitionKey: "k", "cloudevent.id": "mine", "cloudevent.type": "t" }, body: "x" });
    expect(broker.published[0]?.metadata).toMatchObject({ partitionKey: "k" });
    expect(broker.events("orders")[0]).toMatchObject({ id: "mine", type: "t" });
  });

  test("the caller's trace goes into the event", async () => {
    const { post, broker } = publishing();
    await post({ headers: { traceparent, tracestate: "a=b" }, body: "x" });
    expect(broker.events("orders")[0]).toMatchObject({ traceid: traceparent, traceparent, tracestate: "a=b" });
  });
});

test("over gRPC the data content type decides", async () => {
  const { rpc, broker } = publishing();
  await rpc({ data: Buffer.from("[1]"), dataContentType: "application/json" });
  await rpc({ data: Buffer.from("[1]") });
  expect(broker.events("orders")).toMatchObject([
    { data: [1], datacontenttype: "application/json" },
    { data: "[1]", datacontenttype: "text/plain" },
  ]);
});

describe("raw payload", () => {
  test("the data goes out as it is, its trace beside it", async () => {
    const { post, broker } = publishing();
    await post({
      metadata: { rawPayload: "True" },
      headers: { traceparent, tracestate: "a=b", "content-type": "text/x" },
      body: "raw",
    });
    expect(broker.texts("orders")).toEqual(["raw"]);
    expect(broker.published[0]).toMatchObject({
      contentType: "text/x",
      metadata: { traceid: traceparent, tracestate: "a=b" },
    });
  });

  test("an event of the app is not touched either", async () => {
    const { post, broker } = publishing();
    const headers = { "content-type": "application/cloudevents+json" };
    await post({ metadata: { rawPayload: "true" }, headers, body: "{ }" });
    expect(broker.texts("orders")).toEqual(["{ }"]);
  });
});

describe("ttlInSeconds", () => {
  test("becomes an expiration when the broker does not keep it", async () => {
    const { post, broker } = publishing();
    await post({ metadata: { ttlInSeconds: "10" }, body: "x" });
    expect(broker.events("orders")[0]?.["expiration"]).toBe("2026-01-01T00:00:10.000Z");
    expect(broker.published[0]?.metadata).toEqual({ ttlInSeconds: "10" });
  });

  test("is left to a broker that keeps it", async () => {
    const broker = new FakeBroker();
    const { post } = publishing({ declared: { ps: { broker, capabilities: ["ttl"] } } });
    await post({ metadata: { ttlInSeconds: "10" }, body: "x" });
    expect(broker.events("orders")[0]).not.toHaveProperty("expiration");
  });

  test("says nothing when it is empty", async () => {
    const { post, broker } = publishing();
    await post({ metadata: { ttlInSeconds: "" }, body: "x" });
    expect(broker.events("orders")[0]).not.toHaveProperty("expiration");
  });

  test.each(["250000000001", "999999999999999"])("%s is refused as bad metadata", async (ttlInSeconds) => {
    const { post } = publishing();
    await expect(post({ metadata: { ttlInSeconds }, body: "x" })).rejects.toMatchObject({ reason: "pubsubMetadata" });
  });
});

describe("errors", () => {
  const row = (http: number, errorCode: string, info: string, grpcCode: number) => ({
    httpStatus: http,
    errorCode,
    info,
    grpcCode,
  });
  const structured = { "content-type": "application/cloudevents+json" };
  const scoped = (runtime: Record<string, string>): Given => ({
    declared: { ps: { broker: new FakeBroker(), runtime } },
  });

  test.each<[string, Given, Call, object]>([
    [
      "no pubsub is configured",
      { declared: {} },
      {},
      row(400, "ERR_PUBSUB_NOT_CONFIGURED", "DAPR_PUBSUB_NOT_CONFIGURED", 9),
    ],
    [
      "the name is empty",
      {},
      { params: { pubsubname: "", "*": "t" } },
      row(404, "ERR_PUBSUB_EMPTY", "DAPR_PUBSUB_NAME_EMPTY", 3),
    ],
    [
      "the component is unknown",
      {},
      { params: { pubsubname: "no", "*": "t" } },
      row(404, "ERR_PUBSUB_NOT_FOUND", "DAPR_PUBSUB_NOT_FOUND", 3),
    ],
    [
      "the topic is empty",
      {},
      { params: { pubsubname: "ps", "*": "" } },
      row(404, "ERR_TOPIC_NAME_EMPTY", "DAPR_PUBSUB_TOPIC_NAME_EMPTY", 3),
    ],
    [
      "rawPayload is no flag",
      {},
      { metadata: { rawPayload: "maybe" } },
      row(400, "ERR_PUBSUB_REQUEST_METADATA", "DAPR_PUBSUB_METADATA_DESERIALIZATION", 3),
    ],
    [
      "ttlInSeconds is no number",
      {},
      { metadata: { ttlInSeconds: "1m" } },
      row(400, "ERR_PUBSUB_REQUEST_METADATA", "DAPR_PUBSUB_METADATA_DESERIALIZATION", 3),
    ],
    [
      "the event is none",
      {},
      { headers: structured, body: "[]" },
      row(500, "ERR_PUBSUB_CLOUD_EVENTS_SER", "DAPR_PUBSUB_CLOUD_EVENT_CREATION", 3),
    ],
    [
      "a scope denies",
      scoped({ publishingScopes: "app1=" }),
      {},
      row(403, "ERR_PUBSUB_FORBIDDEN", "DAPR_PUBSUB_FORBIDDEN", 7),
    ],
    ["the component is not open", { closedAtFirst: true }, {}, { reason: "componentNotReady", httpStatus: 503 }],
  ])("%s", async (_, given, call, expected) => {
    expect(await failureOf(publishing(given).post(call))).toMatchObject(expected);
  });

  test("the broker's failure is told with its cause", async () => {
    const { post, broker } = publishing();
    broker.refusePublish = () => new Error("disk full");
    expect(await failureOf(post({ body: "x" }))).toMatchObject({
      ...row(500, "ERR_PUBSUB_PUBLISH_MESSAGE", "DAPR_PUBSUB_PUBLISH_MESSAGE", 13),
      resource: "pubsub",
      message: "error when publish to topic orders in pubsub ps: disk full",
    });
  });

  test("metadata that the driver refuses is the caller's fault", async () => {
    const { post, broker } = publishing();
    broker.refusePublish = () => fail("requestMetadataInvalid", { key: "priority", why: "must be a number" });
    expect(await failureOf(post({ body: "x" }))).toMatchObject({
      httpStatus: 400,
      message: expect.stringContaining("metadata priority: must be a number"),
    });
  });

  test("an unknown name is answered with the known ones", async () => {
    const { message } = await failureOf(publishing().post({ params: { pubsubname: "sp", "*": "t" } }));
    expect(message).toContain("configured: ps");
  });
});

describe("a component that is scoped to the namespace", () => {
  const given: Given = {
    namespace: "prod",
    resources: [{ name: "ps", metadata: [{ name: "consumerID", value: "{namespace}", line: 1 }] }],
  };

  test("gets topics with the namespace before them, events keep theirs", async () => {
    const { post, broker } = publishing(given);
    await post({ body: "x" });
    expect(broker.events("prodorders")).toMatchObject([{ topic: "orders" }]);
  });
});

describe("what the sidecar itself publishes", () => {
  test("is wrapped, and no scope binds it", async () => {
    const broker = new FakeBroker();
    const { block } = openFakes({ declared: { ps: { broker, runtime: { allowedTopics: "x" } } } });
    await block.publish({
      pubsubName: "ps",
      topic: "outbox",
      data: Buffer.from("{}"),
      contentType: "application/json",
    });
    expect(broker.events("outbox")).toMatchObject([{ data: {}, source: "app1" }]);
  });
});
