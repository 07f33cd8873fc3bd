import { describe, expect, test } from "vitest";
import type { IncomingMessage } from "../../../../../components/contract/pubsub.ts";
import { Delivered, readEvent, wrapRaw } from "../../../../../sidecar/blocks/pubsub/incoming-event.ts";

const origin = { pubsubName: "ps", topic: "orders" };
const message = (data: string, parts: Partial<IncomingMessage> = {}): IncomingMessage => ({
  id: "m1",
  topic: "orders",
  data: Buffer.from(data),
  metadata: {},
  attempt: 1,
  ...parts,
});
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

const a = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const b = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

describe("structured mode", () => {
  test("the event is handed on byte for byte, its envelope keeps every digit", () => {
    const text = ' {"id":"1", "data":{"n":12345678901234567890}}\n';
    const event = readEvent(message(text), origin);
    expect(textOf(event.json)).toBe(text);
    expect(JSON.stringify(event.envelope)).toBe('{"id":"1","data":{"n":12345678901234567890}}');
  });

  test.each(["", "text", "[1]", "null", "7"])("%s is no event, and the way out is told", (text) => {
    expect(() => readEvent(message(text), origin)).toThrow(/rawPayload: "true"/);
  });
});

describe("binary mode", () => {
  const attributes = { ce_id: "9", ce_source: "s", ce_type: "t", ce_specversion: "1.0", "ce-subject": "u" };
  const read = (data: string, contentType: string, metadata: Record<string, string> = attributes) =>
    readEvent(message(data, { metadata: { ...metadata, "content-type": contentType } }), origin).envelope;

  test("attributes stand in the metadata", () => {
    expect(read("hi", "application/octet-stream")).toEqual({
      id: "9",
      source: "s",
      type: "t",
      specversion: "1.0",
      subject: "u",
      datacontenttype: "application/octet-stream",
      topic: "orders",
      pubsubname: "ps",
      data_base64: "aGk=",
    });
  });

  test.each([
    ["application/json", '{"a":1}', { data: { a: 1 } }],
    ["text/plain", "x", { data: "x" }],
    ["image/png", "x", { data_base64: "eA==" }],
  ])("data of type %s", (contentType, data, expected) => {
    expect(read(data, contentType)).toMatchObject(expected);
  });

  test("bytes without attributes get those of their message", () => {
    expect(read("hi", "application/octet-stream", {})).toMatchObject({ id: "m1", source: "Dapr", data_base64: "aGk=" });
  });

  test("a structured event whose broker says bytes is still a structured event", () => {
    expect(read('{"id":"1"}', "application/octet-stream", {})).toEqual({ id: "1" });
  });

  test("a structured event keeps its own attributes", () => {
    expect(read('{"id":"1"}', "application/cloudevents+json")).toEqual({ id: "1" });
  });
});

describe("raw payload", () => {
  test("is wrapped as bytes, with the trace of its metadata", () => {
    const metadata = { traceid: "ti", traceparent: "tp", tracestate: "ts", other: "x" };
    expect(wrapRaw(message("hi", { metadata }), origin).envelope).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      specversion: "1.0",
      datacontenttype: "application/octet-stream",
      source: "Dapr",
      type: "com.dapr.event.sent",
      topic: "orders",
      pubsubname: "ps",
      traceid: "ti",
      traceparent: "tp",
      tracestate: "ts",
      data_base64: "aGk=",
    });
  });

  test("without a trace has none", () => {
    expect(wrapRaw(message("hi"), origin).trace).toBeUndefined();
  });
});

describe("expiration", () => {
  const now = Date.UTC(2026, 0, 1);
  test.each([
    ["2025-12-31T23:59:59Z", true],
    ["2026-01-01T00:59:59+01:00", true],
    ["2026-01-01T00:00:01.5Z", false],
    ["no time", false],
  ])("%s has passed: %s", (expiration, expected) => {
    expect(readEvent(message(JSON.stringify({ expiration })), origin).expired(now)).toBe(expected);
  });
});

describe("on its way to the app", () => {
  const delivered = (text: string, parts: Partial<IncomingMessage> = {}, maxAttempts = Number.POSITIVE_INFINITY) => {
    const incoming = message(text, parts);
    return new Delivered(readEvent(incoming, origin), incoming, origin, "/p", { attempt: 4, maxAttempts }, undefined);
  };

  test("the metadata of the broker goes along, with the component and the number of the attempt", () => {
    expect(delivered("{}", { metadata: { __key: "k" } }).metadata).toEqual({
      __key: "k",
      pubsubName: "ps",
      "mecha-delivery-attempt": "4",
    });
    expect(delivered("{}", {}, 5).metadata["mecha-delivery-maximum"]).toBe("5");
  });

  test.each([
    [`{"traceparent":"${a}","traceid":"${b}","tracestate":"s"}`, { traceparent: a, tracestate: "s" }],
    [`{"traceid":"${b}","tracestate":""}`, { traceparent: b, tracestate: undefined }],
    [`{"traceparent":"x","traceid":"${b}"}`, { traceparent: b, tracestate: undefined }],
    ['{"traceparent":"a","traceid":"0af7651916cd43dd8448eb211c80319c"}', undefined],
    ["{}", undefined],
  ])("the trace of %s", (text, trace) => {
    expect(delivered(text).trace).toEqual(trace);
  });

  test("an event without id goes by that of its message", () => {
    expect(delivered("{}").id).toBe("m1");
    expect(delivered('{"id":"e1"}').id).toBe("e1");
  });
});
