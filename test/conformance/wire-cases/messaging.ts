import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ask, base64, call, fails, nothing, type Outcome, type WireCase, type WireStep } from "../wire.suite.ts";

const { publishEvent, bulkPublishEvent, bulkPublishEventAlpha1, invokeBinding, invokeService } = Dapr.method;

interface Publication {
  readonly pubsub?: string;
  readonly topic?: string;
  readonly data?: string;
  readonly type?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}
const publish = (
  { pubsub = "bus", topic = "orders", data = '{"n":1}', type = "application/json", metadata = {} }: Publication,
  outcome = nothing,
): WireStep => {
  const search = new URLSearchParams(
    Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value])),
  );
  return {
    http: {
      verb: "POST",
      path: `/v1.0/publish/${pubsub}/${topic}?${search}`,
      headers: { "content-type": type },
      body: data,
    },
    grpc: call(publishEvent, {
      pubsubName: pubsub,
      topic,
      data: Buffer.from(data),
      dataContentType: type,
      metadata: { ...metadata },
    }),
    expect: outcome,
  };
};

interface Entry {
  readonly entryId: string;
  readonly event: unknown;
  readonly contentType: string;
  readonly metadata?: Record<string, string>;
}
const eventBytes = ({ event, contentType }: Entry) =>
  contentType === "application/octet-stream"
    ? Buffer.from(String(event), "base64")
    : Buffer.from(contentType.startsWith("text/") ? String(event) : JSON.stringify(event));
const bulk = (
  entries: readonly Entry[],
  outcome: Outcome = { message: {}, status: 204 },
  pubsub = "bus",
  topic = "orders",
): WireStep => ({
  http: ask("POST", `/v1.0/publish/bulk/${pubsub}/${topic}`, entries),
  grpc: call(bulkPublishEvent, {
    pubsubName: pubsub,
    topic,
    entries: entries.map((entry) => ({
      entryId: entry.entryId,
      contentType: entry.contentType,
      metadata: entry.metadata ?? {},
      event: eventBytes(entry),
    })),
  }),
  expect: outcome,
});
const cloudEvent = JSON.stringify({ id: "1", source: "s", type: "t", specversion: "1.0", data: { n: 1 } });

export const publishCases: readonly WireCase[] = [
  {
    name: "an event of any content type is taken",
    steps: [
      publish({}),
      publish({ data: "text", type: "text/plain" }),
      publish({ data: "\0\u0001", type: "application/octet-stream" }),
      publish({ data: "not JSON", type: "application/json" }),
      publish({ data: cloudEvent, type: "application/cloudevents+json; charset=utf-8" }),
      publish({ data: "", type: "" }),
    ],
  },
  {
    name: "PUT publishes as POST does, and a topic may hold slashes",
    steps: [
      { http: ask("PUT", "/v1.0/publish/bus/orders", { n: 1 }), expect: nothing },
      publish({ topic: "orders/new/eu" }),
    ],
  },
  {
    name: "metadata of the API is taken",
    steps: [
      publish({ metadata: { rawPayload: "true", ttlInSeconds: "10", "cloudevent.type": "own" } }),
      publish({ metadata: { ttlInSeconds: "10" } }),
    ],
  },
  {
    name: "an unknown pubsub is refused with those that are known",
    steps: [publish({ pubsub: "nope" }, fails("pubsubNotFound", { name: "nope", known: "bus" }))],
  },
  { name: "an empty topic is refused", steps: [publish({ topic: "" }, fails("topicEmpty", { name: "bus" }))] },
  {
    name: "a topic outside the scopes is refused",
    steps: [
      publish({ topic: "secret" }, fails("pubsubForbidden", { name: "bus", topic: "secret", appId: "app" })),
      bulk(
        [{ entryId: "1", event: 1, contentType: "application/json" }],
        fails("pubsubForbidden", { name: "bus", topic: "secret", appId: "app" }),
        "bus",
        "secret",
      ),
    ],
  },
  {
    name: "several events are taken at once",
    steps: [
      bulk([
        { entryId: "1", event: { n: 1 }, contentType: "application/json" },
        { entryId: "2", event: "text", contentType: "text/plain", metadata: { ttlInSeconds: "5" } },
        { entryId: "3", event: "AAE=", contentType: "application/octet-stream" },
      ]),
      {
        http: ask("POST", "/v1.0-alpha1/publish/bulk/bus/orders", [
          { entryId: "1", event: 1, contentType: "application/json" },
        ]),
        grpc: call(bulkPublishEventAlpha1, {
          pubsubName: "bus",
          topic: "orders",
          entries: [{ entryId: "1", event: Buffer.from("1"), contentType: "application/json" }],
        }),
        expect: { message: {}, status: 204 },
      },
      bulk([]),
    ],
  },
  {
    name: "an entry id that is given twice is refused",
    steps: [
      bulk(
        [
          { entryId: "1", event: 1, contentType: "application/json" },
          { entryId: "1", event: 2, contentType: "application/json" },
        ],
        fails("pubsubBulkEntries", { name: "bus", why: 'entryId "1" is given twice; make it unique' }),
      ),
    ],
  },
  {
    name: "a bulk body that is no list is refused",
    steps: [
      {
        http: ask("POST", "/v1.0/publish/bulk/bus/orders", {}),
        expect: fails("pubsubBulkJson", { name: "bus", why: "it must start with [" }),
      },
    ],
  },
  {
    name: "bulk to an unknown pubsub is refused",
    steps: [
      bulk(
        [{ entryId: "1", event: 1, contentType: "application/json" }],
        fails("pubsubNotFound", { name: "nope", known: "bus" }),
        "nope",
      ),
    ],
  },
];

const invoke = (
  operation: string,
  data: unknown,
  metadata: Record<string, string>,
  outcome: Outcome,
  name = "files",
): WireStep => ({
  http: ask("POST", `/v1.0/bindings/${name}`, { operation, data, metadata }),
  grpc: call(invokeBinding, { name, operation, data: Buffer.from(JSON.stringify(data)), metadata }),
  expect: outcome,
});
const failing = (name: string, cause: string) => fails("bindingFailed", { name, cause });

export const bindingCases: readonly WireCase[] = [
  {
    name: "an output binding does what it is asked and answers its data",
    steps: [
      invoke("create", { n: 1 }, { fileName: "a.json" }, {}),
      invoke(
        "get",
        "",
        { fileName: "a.json" },
        { message: expect.objectContaining({ data: base64('{"n":1}') }), text: '{"n":1}' },
      ),
      {
        http: ask("PUT", "/v1.0/bindings/files", { operation: "get", metadata: { fileName: "a.json" } }),
        expect: { text: '{"n":1}' },
      },
      invoke("delete", "", { fileName: "a.json" }, { message: {}, status: 204 }),
    ],
  },
  {
    name: "an unknown binding or operation is refused",
    steps: [
      invoke("create", 1, {}, failing("nope", "couldn't find output binding nope; configured: files"), "nope"),
      invoke("", 1, {}, failing("files", "field operation is required; files offers create, get, delete, list")),
      invoke(
        "fly",
        1,
        {},
        failing("files", "operation fly is not offered by files; it offers create, get, delete, list"),
      ),
    ],
  },
];

const own = "/v1.0/invoke/app/method";
const service = (method: string, verb: number, data: string, querystring = "", id = "app") =>
  call(invokeService, {
    id,
    message: {
      method,
      data: { value: Buffer.from(data) },
      contentType: "application/json",
      httpExtension: { verb, querystring },
    },
  });
const GET = 1;
const POST = 3;

export const invokeCases: readonly WireCase[] = [
  {
    name: "the app is called with method, query, body and content type",
    steps: [
      {
        http: ask("POST", `${own}/echo/a?x=1&y=%20`, { n: 1 }),
        grpc: service("echo/a", POST, '{"n":1}', "x=1&y=%20"),
        expect: {
          text: 'POST /echo/a?x=1&y=%20 application/json {"n":1}',
          headers: { "content-type": "text/plain", "x-app": "1" },
          metadata: { "x-app": "1", "dapr-http-status": "200", "dapr-content-type": "text/plain" },
        },
      },
    ],
  },
  {
    name: "the header dapr-app-id calls the whole path",
    steps: [
      {
        http: {
          verb: "PATCH",
          path: "/echo/b?c=d",
          headers: { "dapr-app-id": "app", "content-type": "text/x" },
          body: "hi",
        },
        expect: { text: "PATCH /echo/b?c=d text/x hi" },
      },
    ],
  },
  {
    name: "the app's status is the answer's",
    steps: [
      { http: ask("GET", `${own}/status/204`), expect: { status: 204, text: "" } },
      { grpc: service("status/204", GET, ""), expect: { metadata: { "dapr-http-status": "204" } } },
    ],
  },
  {
    name: "an app that is not known is refused",
    steps: [
      {
        http: ask("GET", "/v1.0/invoke/nobody/method/x"),
        grpc: service("x", GET, "", "", "nobody"),
        expect: fails("invokeNotResolved", { id: "nobody", known: "app" }),
      },
    ],
  },
  {
    name: "a path that names no app is refused",
    steps: [
      { http: ask("GET", "/v1.0/unknown/thing"), expect: fails("invokeNoTarget", { path: "/v1.0/unknown/thing" }) },
    ],
  },
];
