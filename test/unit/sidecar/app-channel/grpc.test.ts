import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { openApp } from "../../../../sidecar/app-channel/open.ts";
import type { Forward } from "../../../../sidecar/kernel/app.ts";
import { readBody } from "../../../../sidecar/kernel/body.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import { type InvokeRequest, InvokeResponseSchema } from "../../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import {
  AppCallback,
  AppCallbackAlpha,
  AppCallbackHealthCheck,
  type BindingEventRequest,
  BindingEventResponse_BindingEventConcurrency,
  BindingEventResponseSchema,
  HealthCheckResponseSchema,
  ListInputBindingsResponseSchema,
  ListTopicSubscriptionsResponseSchema,
  TopicEventResponse_TopicEventResponseStatus as Said,
  type TopicEventBulkRequest,
  TopicEventBulkResponseSchema,
  type TopicEventRequest,
  TopicEventResponseSchema,
} from "../../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { ErrorInfoSchema } from "../../../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../../../specs/gen/google/rpc/status_pb.js";
import { startGrpcApp, unusedPort } from "../../../support/fake-app.ts";
import { topicEvent } from "../../../support/fake-events.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function open(port: number, part: { apiToken?: string; check?: boolean; maxConcurrency?: number } = {}) {
  const opened = openApp({
    config: {
      port,
      protocol: "grpc",
      address: "127.0.0.1",
      maxConcurrency: part.maxConcurrency ?? 0,
      healthCheck: { enabled: part.check === true, path: "", intervalMs: 10, timeoutMs: 500, threshold: 1 },
      bindingOptionsTimeoutMs: 3000,
      ...(part.apiToken ? { apiToken: part.apiToken } : {}),
    },
    appId: "me",
    maxBodyBytes: 4 << 20,
    log: silent,
    clock: systemClock,
  });
  if (!opened) throw new Error("no port");
  onTestFinished(() => opened.close());
  return opened;
}

const callback = async (implementation: UntypedServiceImplementation, alpha: UntypedServiceImplementation = {}) =>
  open(
    await startGrpcApp([
      [AppCallback, implementation],
      [AppCallbackAlpha, alpha],
    ]),
    { apiToken: "s3cret" },
  ).app;

/** A unary method that notes its call and answers with a message or an error. */
function unary<I>(answer: (request: I, metadata: Metadata) => unknown) {
  return (call: ServerUnaryCall<I, unknown>, done: sendUnaryData<unknown>) => {
    try {
      done(null, answer(call.request, call.metadata));
    } catch (error) {
      done(error as Error);
    }
  };
}
const refuse = (code: status, details = "no") => {
  throw Object.assign(new Error(details), { code, details });
};

const exchange = (part: Partial<Exchange> = {}): Exchange => ({
  verb: "POST",
  path: "orders",
  query: "",
  headers: {},
  body: undefined,
  signal: new AbortController().signal,
  ...part,
});

describe("an HTTP exchange with a gRPC app", () => {
  it("becomes OnInvoke with verb, query, content type, body, headers and token", async () => {
    let request: InvokeRequest | undefined;
    let metadata: Metadata | undefined;
    const app = await callback({
      onInvoke: unary<InvokeRequest>((asked, sent) => {
        request = asked;
        metadata = sent;
        return create(InvokeResponseSchema, { data: { value: Buffer.from("answer") }, contentType: "text/plain" });
      }),
    });
    const answer = await app.send(
      exchange({
        verb: "PUT",
        path: "orders%2F1",
        query: "a=1&b=2",
        headers: {
          "content-type": "application/json",
          "x-own": ["1", "2"],
          accept: "text/plain",
          "content-length": "4",
        },
        body: Buffer.from("body"),
      }),
    );
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("text/plain");
    expect(Buffer.from(await readBody(answer.body)).toString()).toBe("answer");
    expect(request).toMatchObject({
      method: "orders/1",
      contentType: "application/json",
      httpExtension: { verb: 4, querystring: "a=1&b=2" },
    });
    expect(Buffer.from(request?.data?.value ?? []).toString()).toBe("body");
    expect(metadata?.get("x-own")).toEqual(["1, 2"]);
    expect(metadata?.get("dapr-accept")).toEqual(["text/plain"]);
    expect(metadata?.get("dapr-api-token")).toEqual(["s3cret"]);
    expect(metadata?.get("content-length")).toEqual([]);
  });

  it.each([
    [status.NOT_FOUND, 404],
    [status.INVALID_ARGUMENT, 400],
    [status.FAILED_PRECONDITION, 400],
    [status.ALREADY_EXISTS, 409],
    [status.UNAUTHENTICATED, 401],
    [status.RESOURCE_EXHAUSTED, 429],
    [status.UNAVAILABLE, 503],
    [status.UNKNOWN, 500],
  ])("answers gRPC status %i as HTTP status %i with the status as JSON", async (code, http) => {
    const app = await callback({ onInvoke: unary(() => refuse(code, "not today")) });
    const answer = await app.send(exchange());
    expect(answer.status).toBe(http);
    expect(JSON.parse(Buffer.from(await readBody(answer.body)).toString())).toEqual({ code, message: "not today" });
  });

  it("shows the details of a status", async () => {
    const app = await callback({
      onInvoke: unary(() => {
        const info = create(ErrorInfoSchema, { reason: "R", domain: "d", metadata: { k: "v" } });
        const full = create(StatusSchema, { code: 5, message: "m", details: [anyPack(ErrorInfoSchema, info)] });
        const metadata = new Metadata();
        metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, full)));
        throw Object.assign(new Error("m"), { code: 5, details: "m", metadata });
      }),
    });
    const answer = await app.send(exchange());
    expect(JSON.parse(Buffer.from(await readBody(answer.body)).toString())).toEqual({
      code: 5,
      message: "m",
      details: [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "R", domain: "d", metadata: { k: "v" } },
      ],
    });
  });

  it("rejects when nobody listens", async () => {
    const { app } = open(await unusedPort());
    await expect(app.send(exchange())).rejects.toMatchObject({ reason: "appUnreachable" });
  });

  it("is cancelled when its caller leaves", async () => {
    const cancelled = Promise.withResolvers<void>();
    const caller = new AbortController();
    const app = await callback({
      onInvoke(call: ServerUnaryCall<InvokeRequest, unknown>) {
        call.on("cancelled", () => cancelled.resolve());
        caller.abort();
      },
    });
    await expect(app.send(exchange({ signal: caller.signal }))).rejects.toMatchObject({ reason: "canceled" });
    await cancelled.promise;
  });
});

describe("events for a gRPC app", () => {
  const event = topicEvent(
    JSON.stringify({
      id: "1",
      source: "s",
      type: "t",
      specversion: "1.0",
      datacontenttype: "application/json",
      data: { a: 1 },
      topic: "orders",
      custom: { deep: [1, "x", null, true] },
    }),
    {
      id: "1",
      metadata: { PartitionKey: "p" },
      trace: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "k=v" },
    },
  );

  it("fill the message from the envelope and the metadata from the broker and the trace", async () => {
    let request: TopicEventRequest | undefined;
    let metadata: Metadata | undefined;
    const app = await callback({
      onTopicEvent: unary<TopicEventRequest>((asked, sent) => {
        request = asked;
        metadata = sent;
        return create(TopicEventResponseSchema);
      }),
    });
    expect(await app.deliver(event)).toBe("success");
    expect(request).toMatchObject({
      id: "1",
      source: "s",
      type: "t",
      specVersion: "1.0",
      dataContentType: "application/json",
      topic: "orders",
      pubsubName: "pubsub",
      path: "/orders",
      extensions: { topic: "orders", custom: { deep: [1, "x", null, true] } },
    });
    expect(Buffer.from(request?.data ?? []).toString()).toBe('{"a":1}');
    expect(metadata?.get("partitionkey")).toEqual(["p"]);
    expect(metadata?.get("dapr-api-token")).toEqual(["s3cret"]);
    expect(metadata?.get("traceparent")).toEqual([event.trace?.traceparent]);
    expect(metadata?.get("grpc-trace-bin")[0]?.toString("hex")).toBe(`0000${"a".repeat(32)}01${"b".repeat(16)}0201`);
  });

  it.each([
    [Said.SUCCESS, "success"],
    [Said.RETRY, "retry"],
    [Said.DROP, "drop"],
  ])("take status %i for %s", async (said, verdict) => {
    const app = await callback({ onTopicEvent: unary(() => create(TopicEventResponseSchema, { status: said })) });
    expect(await app.deliver(event)).toBe(verdict);
  });

  it("are dropped when the method is missing and tried again after any other error", async () => {
    expect(await (await callback({})).deliver(event)).toBe("drop");
    expect(await (await callback({ onTopicEvent: unary(() => refuse(status.INTERNAL)) })).deliver(event)).toBe("retry");
    const { app } = open(await unusedPort());
    await expect(app.deliver(event)).rejects.toMatchObject({ reason: "appUnreachable" });
  });

  it("come in bulk by the stable name, else by the older one, which is then remembered", async () => {
    const bulk = {
      id: "b",
      pubsubName: "pubsub",
      topic: "orders",
      path: "/orders",
      metadata: {},
      entries: [
        {
          entryId: "a",
          event: { json: event.json, envelope: event.envelope },
          contentType: "application/cloudevents+json",
          metadata: { m: "1" },
        },
        { entryId: "b", event: { raw: Buffer.from("raw") }, contentType: "text/plain", metadata: {} },
        { entryId: "c", event: { raw: Buffer.from("raw") }, contentType: "text/plain", metadata: {} },
      ],
    };
    const statuses = [
      { entryId: "a", status: Said.SUCCESS },
      { entryId: "b", status: Said.DROP },
    ];
    let request: TopicEventBulkRequest | undefined;
    let calls = 0;
    const answer = unary<TopicEventBulkRequest>((asked) => {
      request = asked;
      calls++;
      return create(TopicEventBulkResponseSchema, { statuses });
    });
    const expected = [
      ["a", "success"],
      ["b", "drop"],
      ["c", "retry"],
    ];
    const stable = await callback({ onBulkTopicEvent: answer });
    expect([...(await stable.deliverMany(bulk))]).toEqual(expected);
    expect(request?.entries[0]?.event).toMatchObject({ case: "cloudEvent", value: { id: "1", type: "t" } });
    expect(Buffer.from((request?.entries[1]?.event.value as Uint8Array) ?? []).toString()).toBe("raw");
    const older = await callback({}, { onBulkTopicEventAlpha1: answer });
    expect([...(await older.deliverMany(bulk))]).toEqual(expected);
    expect([...(await older.deliverMany(bulk))]).toEqual(expected);
    expect(calls).toBe(3);
    const neither = await callback({});
    expect([...(await neither.deliverMany(bulk)).values()]).toEqual(["drop", "drop", "drop"]);
    const failing = await callback({ onBulkTopicEvent: unary(() => refuse(status.INTERNAL)) });
    expect([...(await failing.deliverMany(bulk)).values()]).toEqual(["retry", "retry", "retry"]);
  });
});

describe("what a gRPC app is asked", () => {
  it("for subscriptions, and has none when the method is missing", async () => {
    let metadata: Metadata | undefined;
    const app = await callback({
      listTopicSubscriptions: unary((_, sent) => {
        metadata = sent;
        return create(ListTopicSubscriptionsResponseSchema, { subscriptions: [{ pubsubName: "p", topic: "t" }] });
      }),
    });
    expect(await app.subscriptions()).toEqual([
      { pubsubName: "p", topic: "t", routes: [{ match: "", path: "" }], metadata: {} },
    ]);
    expect(metadata?.get("dapr-app-id")).toEqual(["me"]);
    expect(await (await callback({})).subscriptions()).toEqual([]);
  });

  it("for bindings, and wants none when the method is missing", async () => {
    const app = await callback({
      listInputBindings: unary(() => create(ListInputBindingsResponseSchema, { bindings: ["cron"] })),
    });
    expect([await app.wantsBinding("cron", "x"), await app.wantsBinding("other", "x")]).toEqual([true, false]);
    expect(await (await callback({})).wantsBinding("cron", "x")).toBe(false);
  });

  it("to take a binding's event", async () => {
    const app = await callback({
      onBindingEvent: unary<BindingEventRequest>(({ name, data, metadata }) =>
        create(BindingEventResponseSchema, {
          data: Buffer.from(`${name} ${Buffer.from(data).toString()} ${metadata["k"]}`),
        }),
      ),
    });
    const answer = await app.bindingEvent({
      name: "cron",
      route: "x",
      data: Buffer.from("tick"),
      metadata: { k: "v" },
    });
    expect(Buffer.from(answer ?? []).toString()).toBe("cron tick v");
    const refusing = await callback({ onBindingEvent: unary(() => refuse(status.ABORTED)) });
    await expect(
      refusing.bindingEvent({ name: "c", route: "x", data: Buffer.alloc(0), metadata: {} }),
    ).rejects.toMatchObject({
      grpcCode: status.ABORTED,
    });
  });

  it("to take a binding's event, and says which output bindings its answer is for", async () => {
    const app = await callback({
      onBindingEvent: unary<BindingEventRequest>(({ name }) =>
        create(BindingEventResponseSchema, {
          to: name === "both" ? ["a", "b"] : ["a"],
          concurrency: name === "both" ? BindingEventResponse_BindingEventConcurrency.PARALLEL : 0,
          data: Buffer.from("answer"),
        }),
      ),
    });
    const forwarded: unknown[] = [];
    const event = { route: "x", data: Buffer.alloc(0), metadata: {} };
    const forward = async ({ data, ...rest }: Forward) => void forwarded.push({ ...rest, data: String(data) });
    for (const name of ["both", "one"]) await app.bindingEvent({ ...event, name, forward });
    expect(forwarded).toEqual([
      { to: ["a", "b"], data: "answer", parallel: true },
      { to: ["a"], data: "answer", parallel: false },
    ]);
    const refused = app.bindingEvent({ ...event, name: "one", forward: () => Promise.reject(new Error("full")) });
    await expect(refused).rejects.toThrow("full");
  });

  it("to hear of changed configuration, by OnInvoke", async () => {
    const told: string[] = [];
    const app = await callback({
      onInvoke: unary<InvokeRequest>(({ method }) => {
        told.push(method);
        return create(InvokeResponseSchema);
      }),
    });
    await app.configurationChanged("store", "sub", { a: { value: "1", version: "", metadata: {} } });
    expect(told).toEqual(["configuration/store/a"]);
  });

  it("whether it is healthy", async () => {
    const port = await startGrpcApp([
      [AppCallbackHealthCheck, { healthCheck: unary(() => create(HealthCheckResponseSchema)) }],
    ]);
    const { health } = open(port, { check: true });
    await expect.poll(() => health.healthy).toBe(true);
    const without = open(await startGrpcApp([[AppCallback, {}]]), { check: true });
    await expect(without.app.deliver(topicEvent("{}"))).rejects.toMatchObject({ reason: "appUnhealthy" });
  });
});

describe("a message that is too large for OnInvoke", () => {
  it("is refused before it is sent", async () => {
    const app = await callback({ onInvoke: unary(() => create(InvokeResponseSchema)) });
    await expect(app.send(exchange({ body: Buffer.alloc(5 << 20) }))).resolves.toMatchObject({ status: 429 });
  });
});

describe("the status header between a gRPC app and a gRPC caller", () => {
  it("keeps the exact code", async () => {
    const app = await callback({ onInvoke: unary(() => refuse(status.OUT_OF_RANGE)) });
    const answer = await app.send(exchange());
    answer.body.resume();
    expect(answer.headers["dapr-app-grpc-status"]).toBe(String(status.OUT_OF_RANGE));
  });
});
