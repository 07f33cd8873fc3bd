import { describe, expect, it } from "vitest";
import type { App, TopicEvent } from "../../../../sidecar/kernel/app.ts";
import { asStream } from "../../../../sidecar/kernel/body.ts";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import type { Receiver } from "../../../../sidecar/kernel/peer.ts";
import { endedAnswer } from "../../../../sidecar/kernel/status.ts";
import type { SpanStart, Tracing } from "../../../../sidecar/kernel/tracing.ts";
import { tracedApp, tracedReceiver } from "../../../../sidecar/telemetry/traced.ts";
import { fail } from "../../../../specs/errors.ts";
import { topicEvent } from "../../../support/fake-events.ts";
import { rawCall } from "../../../support/raw-calls.ts";

const parent = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "k=v" };
const own = { traceparent: `00-${"a".repeat(32)}-${"c".repeat(16)}-01`, tracestate: "k=v" };

/** Spans that say what they were begun and ended with. */
function spans() {
  const seen: unknown[] = [];
  const tracing = {
    start(name: string, { parent: above }: SpanStart) {
      seen.push([name, above?.traceparent]);
      return { trace: own, end: (outcome: object) => void seen.push(outcome) };
    },
  } as unknown as Tracing;
  return { tracing, seen };
}

const exchange = (headers: Record<string, string>): Exchange => ({
  verb: "GET",
  path: "orders",
  query: "",
  headers,
  body: undefined,
  signal: new AbortController().signal,
});

describe("the app", () => {
  it("is given events inside a span of their topic", async () => {
    const { tracing, seen } = spans();
    let given: TopicEvent | undefined;
    const app = {
      deliver: async (event: TopicEvent) => {
        given = event;
        return "drop" as const;
      },
    } as unknown as App;
    const event = topicEvent('{"id":"1"}', { trace: parent });
    expect(await tracedApp(app, tracing).deliver(event)).toBe("drop");
    expect(given?.trace).toEqual(own);
    expect([given?.json, given?.envelope, given?.path]).toEqual([event.json, event.envelope, event.path]);
    expect(seen).toEqual([[`pubsub/${event.topic}`, parent.traceparent], { status: "drop" }]);
  });

  it("is given events of bindings inside a span, whose failure it tells", async () => {
    const { tracing, seen } = spans();
    let metadata: unknown;
    const error = fail("appUnreachable", { cause: "gone" });
    const app = {
      bindingEvent: async (event: { readonly metadata: unknown }) => {
        metadata = event.metadata;
        throw error;
      },
    } as unknown as App;
    const event = { name: "tick", route: "tick", data: Buffer.from(""), metadata: { a: "b" } };
    await expect(tracedApp(app, tracing).bindingEvent(event)).rejects.toBe(error);
    expect(metadata).toEqual({ a: "b", ...own });
    expect(seen).toEqual([["bindings/tick", undefined], { failed: true, error, status: "500" }]);
  });
});

describe("calls of peers", () => {
  it("over HTTP get a span below their caller's", async () => {
    const { tracing, seen } = spans();
    let headers: unknown;
    const receiver = {
      async receiveHttp(given: Exchange) {
        headers = given.headers;
        return { status: 404, headers: {}, body: asStream(undefined) };
      },
    } as unknown as Receiver;
    await tracedReceiver(receiver, tracing, "shop").receiveHttp(exchange({ ...parent, x: "1" }), undefined);
    expect(headers).toEqual({ x: "1", ...own });
    expect(seen).toEqual([["CallLocal/shop/orders", parent.traceparent], { status: "404" }]);
  });

  it("over gRPC get a span that ends with the call", async () => {
    const { tracing, seen } = spans();
    const receiver = {
      receiveGrpc: () => endedAnswer({ code: 5, details: "", metadata: {} }),
    } as unknown as Receiver;
    const call = rawCall("/my.Svc/Do", [], { metadata: {} });
    await tracedReceiver(receiver, tracing, "shop").receiveGrpc(call, undefined).status;
    await Promise.resolve();
    expect(seen).toEqual([["/my.Svc/Do", undefined], { status: "5", failed: true }]);
  });
});
