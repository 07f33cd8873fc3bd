import { describe, expect, test } from "vitest";
import { type Call, failureOf, type Given, openFakes, overGrpc, overHttp } from "./fakes.ts";

const publishing = (given: Given = {}) => {
  const fakes = openFakes(given);
  const [, method] = fakes.block.methods;
  if (!method) throw new Error("no method");
  const post = (body: unknown, call: Call = {}) =>
    overHttp(method, {
      params: { pubsubname: "ps", "*": "orders" },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...call,
    });
  const rpc = (entries: readonly object[], metadata = {}) =>
    overGrpc(method, { pubsubName: "ps", topic: "orders", entries, metadata });
  return { ...fakes, method, post, rpc };
};
const json = "application/json";
const entry = (entryId: string, parts: object = {}) => ({
  entryId,
  event: entryId,
  contentType: "text/plain",
  ...parts,
});

test("both paths and both rpcs lead here", () => {
  const { method } = publishing();
  expect(method.http[0]).toMatchObject({
    verbs: ["POST", "PUT"],
    paths: ["/v1.0/publish/bulk/:pubsubname/*", "/v1.0-alpha1/publish/bulk/:pubsubname/*"],
  });
  expect(method.rpcs.map(({ name }) => name)).toEqual(["BulkPublishEvent", "BulkPublishEventAlpha1"]);
});

describe("entries over HTTP", () => {
  test.each([
    ["JSON keeps every digit", json, '{"n": 12345678901234567890}', '"data":{"n": 12345678901234567890}}'],
    ["a JSON text keeps its quotes", json, '"x"', '"data":"x"}'],
    ["a text is unwrapped", "text/plain", '"x"', '"data":"x"}'],
    ["base64 stays base64", "application/octet-stream", '"aGk="', '"data_base64":"aGk="}'],
  ])("%s", async (_, contentType, event, expected) => {
    const { post, broker } = publishing();
    expect(await post(`[{"event":${event}, "entryId":"1", "contentType":"${contentType}"}]`)).toEqual({ status: 204 });
    expect(broker.texts("orders")[0]).toContain(expected);
  });

  test("field names are taken in any case, as the JavaScript SDK sends entryID", async () => {
    const { post, broker } = publishing();
    expect(await post(`[{"Event":{"n":1.0},"entryID":"1","contenttype":"${json}"}]`)).toEqual({ status: 204 });
    expect(broker.texts("orders")[0]).toContain('"data":{"n":1.0}}');
  });

  test("an event of the app is completed", async () => {
    const { post, broker } = publishing();
    await post([entry("1", { event: { id: "mine", data: 1 }, contentType: "application/cloudevents+json" })]);
    expect(broker.events("orders")).toMatchObject([{ id: "mine", data: 1, topic: "orders", source: "Dapr" }]);
  });

  test("no entries are published as such", async () => {
    expect(await publishing().post([])).toEqual({ status: 204 });
  });
});

describe("metadata", () => {
  const shared = { metadata: { partitionKey: "all", ttlInSeconds: "10" } };

  test("of the request counts only for entries that have some, and theirs goes over it", async () => {
    const { post, broker } = publishing();
    const own = { partitionKey: "own", none: null };
    const entries = [entry("1"), entry("2", { metadata: {} }), entry("3", { metadata: own })];
    await post(entries, shared);
    expect(broker.published.map(({ metadata }) => metadata)).toEqual([
      {},
      { partitionKey: "all", ttlInSeconds: "10" },
      { partitionKey: "own", ttlInSeconds: "10" },
    ]);
    expect(broker.events("orders").map((event) => event["expiration"] !== undefined)).toEqual([false, true, true]);
  });

  test("rawPayload of the request counts for all entries", async () => {
    const { post, broker } = publishing();
    await post([entry("1"), entry("2")], { metadata: { rawPayload: "true" } });
    expect(broker.texts("orders")).toEqual(["1", "2"]);
  });
});

describe("errors", () => {
  const row = (http: number, errorCode: string, info: string) => ({ httpStatus: http, errorCode, info });
  const marshal = row(400, "ERR_PUBSUB_EVENTS_SER", "DAPR_PUBSUB_MARSHAL_EVENTS");
  const envelope = row(400, "ERR_PUBSUB_EVENTS_SER", "DAPR_PUBSUB_MARSHAL_ENVELOPE");
  const unmarshal = row(400, "ERR_PUBSUB_EVENTS_SER", "DAPR_PUBSUB_UNMARSHAL_EVENTS");

  test.each<[string, unknown, object]>([
    ["the body is not JSON", "[", unmarshal],
    ["the body is no array", "{}", unmarshal],
    ["an entry is no object", [1], unmarshal],
    ["an entryId is missing", [{ event: "x", contentType: "text/plain" }], marshal],
    ["an entryId is empty", [entry("")], marshal],
    ["an entryId is given twice", [entry("1"), entry("1")], marshal],
    ["contentType is no text", [entry("1", { contentType: 1 })], marshal],
    ["metadata holds an object", [entry("1", { metadata: { a: {} } })], marshal],
    ["an event is missing", [{ entryId: "1", contentType: json }], envelope],
    ["a text is no text", [entry("1", { event: {} })], envelope],
    ["bytes are not base64", [entry("1", { event: "%", contentType: "application/octet-stream" })], envelope],
    ["a content type is unknown", [entry("1", { contentType: "image/png" })], envelope],
    ["a content type is missing", [{ entryId: "1", event: 1 }], envelope],
  ])("%s", async (_, body, expected) => {
    expect(await failureOf(publishing().post(body))).toMatchObject({ ...expected, grpcCode: 3 });
  });

  test("the entries of a gRPC call are checked too", async () => {
    const { rpc } = publishing();
    expect(await failureOf(rpc([{ entryId: "", event: Buffer.from("x") }]))).toMatchObject(marshal);
  });

  test("a wrong maxBulkPubBytes is named", async () => {
    const { post } = publishing();
    const { errorCode, message } = await failureOf(post([entry("1")], { metadata: { maxBulkPubBytes: "1k" } }));
    expect({ errorCode, message }).toEqual({
      errorCode: "ERR_PUBSUB_REQUEST_METADATA",
      message: expect.stringContaining("maxBulkPubBytes"),
    });
  });

  test("nothing is published when one entry is wrong", async () => {
    const { post, broker } = publishing();
    const wrong = entry("2", { event: [], contentType: "application/cloudevents+json" });
    expect(await failureOf(post([entry("1"), wrong]))).toMatchObject({
      httpStatus: 500,
      errorCode: "ERR_PUBSUB_CLOUD_EVENTS_SER",
    });
    expect(broker.published).toEqual([]);
  });
});

describe("entries that the broker does not take", () => {
  test("are told over HTTP one by one, in the order of the request", async () => {
    const { post, broker } = publishing();
    broker.refusePublish = ({ data }) =>
      Buffer.from(data).includes('"data":"2"') ? undefined : new Error("no röom\n");
    const answer = await post([entry("1"), entry("2"), entry("3")]);
    const body =
      '{"failedEntries":[{"entryId":"1","error":"no röom\\n"},{"entryId":"3","error":"no röom\\n"}],"errorCode":"ERR_PUBSUB_PUBLISH_MESSAGE"}';
    expect(answer).toMatchObject({ status: 500, body });
    expect(answer.headers?.["metadata.responseData"]).toBe(body.replace(/ö/g, "\\u00f6"));
    expect(answer.headers?.["metadata.error"]).toMatch(
      /^error when publish to topic orders in pubsub ps: [\x20-\x7e]+$/,
    );
    expect(broker.published).toHaveLength(1);
  });

  test("fail the call over gRPC", async () => {
    const { rpc, broker } = publishing();
    broker.refusePublish = () => new Error("no room");
    expect(await failureOf(rpc([{ entryId: "1", event: Buffer.from("x") }]))).toMatchObject({
      grpcCode: 13,
      reason: "pubsubPublish",
    });
  });
});

describe("a broker that takes several messages at once", () => {
  const withMany = () => {
    const fakes = publishing();
    const batches: string[][] = [];
    fakes.broker.publishMany = async (messages) => {
      batches.push(messages.map(({ data }) => Buffer.from(data).toString()));
      return batches.length === 2 ? [{ index: 1, cause: new Error("refused") }] : [];
    };
    return { ...fakes, batches };
  };
  const raw = { rawPayload: "true" };

  test("gets them in one call", async () => {
    const { post, batches } = withMany();
    await post([entry("1"), entry("2")], { metadata: raw });
    expect(batches).toEqual([["1", "2"]]);
  });

  test("gets them in batches of maxBulkPubBytes; failures are told of the right entries", async () => {
    const { post, batches } = withMany();
    const texts = ["aa", "bb", "cc", "dd", "eeeeeee", "f"];
    const entries = texts.map((event) => entry(event, { event }));
    const { body } = await post(entries, { metadata: { ...raw, maxBulkPubBytes: "5" } });
    expect(batches).toEqual([["aa", "bb"], ["cc", "dd"], ["eeeeeee"], ["f"]]);
    expect(JSON.parse(String(body)).failedEntries).toEqual([{ entryId: "dd", error: "refused" }]);
  });

  test("a batch that is refused as a whole fails with all its entries", async () => {
    const { post, broker } = withMany();
    broker.publishMany = async () => {
      throw new Error("gone");
    };
    const { body } = await post([entry("1"), entry("2")]);
    expect(JSON.parse(String(body)).failedEntries).toMatchObject([{ entryId: "1" }, { entryId: "2" }]);
  });
});

test("a broker that takes one at a time gets at most a hundred at once", async () => {
  const { rpc, broker } = publishing();
  let running = 0;
  let most = 0;
  broker.publish = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  await rpc(Array.from({ length: 250 }, (_, i) => ({ entryId: `${i}`, event: Buffer.from("x") })));
  expect(most).toBe(100);
});
