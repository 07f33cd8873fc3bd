import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventAbout, EventWriter } from "../../../../../sidecar/blocks/pubsub/cloud-event.ts";
import { membersOf } from "../../../../../sidecar/blocks/pubsub/json-text.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const about: EventAbout = { pubsubName: "ps", topic: "orders", trace: { traceparent, tracestate: "a=b" } };

const writeText = (data: string | Uint8Array, contentType: string, parts: Partial<EventAbout> = {}) => {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  return Buffer.from(
    new EventWriter("app1", new FakeClock()).write(bytes, contentType, { ...about, ...parts }),
  ).toString();
};
const write = (...args: Parameters<typeof writeText>) => JSON.parse(writeText(...args)) as Record<string, unknown>;

/** JSON texts whose numbers a double cannot hold, with keys and white space of all kinds. */
const bigNumber = fc.oneof(
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
  fc
    .tuple(fc.bigInt({ min: 1n, max: 10n ** 20n }), fc.nat({ max: 999_999 }))
    .map(([whole, part]) => `${whole}.${part}0`),
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: -400, max: 400 })).map(([n, power]) => `${n}.50E${power}`),
);
const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    bigNumber,
    fc.string({ unit: "binary" }).map((s) => JSON.stringify(s)),
    fc.constantFrom("true", "null", "{ }", "[\n]"),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[ ${items.join(" ,\t")}]`),
    fc
      .uniqueArray(fc.tuple(fc.string(), tie("value")), { maxLength: 4, selector: ([key]) => key })
      .map((members) => `{${members.map(([key, value]) => `${JSON.stringify(key)} : ${value}`).join(",\n")}}`),
  ),
})).value;

describe("wrapping", () => {
  test("an event has all its attributes, and the trace of the caller", () => {
    expect(write('{"a":1}', "application/json")).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      source: "app1",
      specversion: "1.0",
      type: "com.dapr.event.sent",
      datacontenttype: "application/json",
      topic: "orders",
      pubsubname: "ps",
      traceid: traceparent,
      traceparent,
      tracestate: "a=b",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/),
      data: { a: 1 },
    });
  });

  test.each([
    ["application/json", '{"a":1}', { data: { a: 1 } }],
    ["application/json; charset=utf-8", "[1]", { data: [1] }],
    ["application/vnd.x+json", "7", { data: 7 }],
    ["application/json", "{no json", { data: "{no json" }],
    ["application/json", "", { data: "" }],
    ["text/plain", '{"a":1}', { data: '{"a":1}' }],
    ["application/xml", "<a/>", { data: "<a/>" }],
    ["image/svg", "x", { data: "x" }],
    ["application/octet-stream", "hi", { data_base64: "aGk=" }],
    ["application/cloudevents+protobuf", "hi", { data_base64: "aGk=" }],
  ])("data of type %s: %s", (contentType, data, expected) => {
    const event = write(data, contentType);
    expect(event).toMatchObject({ ...expected, datacontenttype: contentType });
    expect(Object.keys(event).filter((key) => key.startsWith("data") && key !== "datacontenttype")).toEqual(
      Object.keys(expected),
    );
  });

  test("JSON data of any kind survives byte for byte", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const envelope = writeText(text, "application/json");
        JSON.parse(envelope);
        expect(membersOf(envelope).find(({ key }) => key === "data")?.value).toBe(text);
      }),
    );
  });

  test("text of any kind survives", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(write(text, "text/plain")["data"]).toBe(Buffer.from(text).toString());
      }),
    );
  });

  test("bytes of any kind survive", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { data_base64 } = write(bytes, "application/octet-stream");
        expect(Buffer.from(String(data_base64), "base64")).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test("attributes that the caller chose go over those of the sidecar", () => {
    const chosen = {
      id: "i",
      source: "s",
      type: "t",
      subject: "u",
      traceid: "ti",
      traceparent: "tp",
      tracestate: "ts",
    };
    expect(write("x", "text/plain", { chosen })).toMatchObject(chosen);
  });

  test("a chosen traceparent is the traceid too", () => {
    expect(write("x", "text/plain", { chosen: { traceparent: "tp" } })).toMatchObject({
      traceid: "tp",
      traceparent: "tp",
    });
  });

  test("an expiration is an attribute", () => {
    expect(write("x", "text/plain", { expiration: "2026-01-01T00:00:10.000Z" })["expiration"]).toBe(
      "2026-01-01T00:00:10.000Z",
    );
  });

  test("an app without id is called Dapr", () => {
    const bytes = new EventWriter("", new FakeClock()).write(Buffer.from("x"), "text/plain", about);
    expect(JSON.parse(Buffer.from(bytes).toString()).source).toBe("Dapr");
  });
});

describe("completing an event of the app", () => {
  const type = "application/cloudevents+json";

  test("what is missing is added; id and data are not touched", () => {
    expect(write('{"id":"1","data":{"x":1},"datacontenttype":"application/json"}', `${type}; charset=utf-8`)).toEqual({
      id: "1",
      data: { x: 1 },
      datacontenttype: "application/json",
      topic: "orders",
      pubsubname: "ps",
      traceid: traceparent,
      traceparent,
      tracestate: "a=b",
      time: expect.any(String),
      source: "Dapr",
      type: "com.dapr.event.sent",
      specversion: "1.0",
    });
  });

  test("what is there stays, except topic and pubsubname", () => {
    const event = {
      specversion: "0.3",
      source: "s",
      type: "t",
      time: "2020-01-01T00:00:00Z",
      traceid: "ti",
      tracestate: "ts",
      subject: "u",
      custom: 1,
    };
    const given = JSON.stringify({ topic: "other", ...event, pubsubname: "other" });
    expect(write(given, type)).toEqual({ ...event, topic: "orders", pubsubname: "ps" });
  });

  test("traceparent goes with traceid", () => {
    expect(write('{"traceparent":"old"}', type)).toMatchObject({ traceid: traceparent, traceparent });
    expect(write('{"traceid":"t"}', type)["traceparent"]).toBeUndefined();
  });

  test("an empty id stays absent and chosen attributes do not count", () => {
    expect(write("{ }", type, { chosen: { id: "x", type: "y" } })).not.toHaveProperty("id");
  });

  test("an expiration replaces the one of the event", () => {
    expect(write('{"expiration":"x"}', type, { expiration: "2026-01-01T00:00:10.000Z" })["expiration"]).toBe(
      "2026-01-01T00:00:10.000Z",
    );
  });

  test.each(["", "{no", "[]", "null", '"text"', "7"])("%s is no CloudEvent", (body) => {
    expect(() => write(body, type)).toThrow(/CloudEvent|JSON/);
  });

  test("every member the sidecar does not answer for survives byte for byte", () => {
    const ours = new Set(["topic", "pubsubname"]);
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.tuple(fc.oneof(fc.string(), fc.constantFrom("topic", "data", "id", "traceid", "time")), jsonText),
          {
            selector: ([key]) => key,
          },
        ),
        (members) => {
          const text = `{ ${members.map(([key, value]) => `${JSON.stringify(key)}:\n${value}`).join(" , ")} }`;
          const written = new Map(membersOf(writeText(text, type)).map(({ key, value }) => [key, value]));
          for (const [key, value] of members) if (!ours.has(key)) expect(written.get(key)).toBe(value);
          expect(written.get("topic")).toBe('"orders"');
          expect(written.get("pubsubname")).toBe('"ps"');
        },
      ),
    );
  });
});
