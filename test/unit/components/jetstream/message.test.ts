import { headers, type Msg } from "@nats-io/transport-node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromStored, hasEnded, readDelivered, writeHeaders } from "../../../../components/jetstream/message.ts";

const reply = "$JS.ACK.s.c.2.7.5.1700000000123456789.0";
const delivered = (parts: Partial<Msg>) =>
  readDelivered({ subject: "t", data: Buffer.from("x"), reply, ...parts } as unknown as Msg);
const outgoing = (metadata: Readonly<Record<string, string>>, contentType?: string) => ({
  topic: "t",
  data: Buffer.alloc(0),
  metadata,
  contentType,
});

describe("a delivered message", () => {
  test.each([
    ["of a plain server", reply],
    ["of a domain", "$JS.ACK.hub.HASH.s.c.2.7.5.1700000000123456789.0"],
    ["of a later server", "$JS.ACK._.HASH.s.c.2.7.5.1700000000123456789.0.RANDOM"],
  ])("%s says its numbers", (_, subject) => {
    const message = delivered({ reply: subject });
    expect(message).toMatchObject({ deliveries: 2, seq: 7, turn: 5, reply: subject });
    expect(message?.at).toBeCloseTo(1_700_000_000_123.456, 1);
  });

  test("is none without them", () => {
    expect(delivered({ reply: "_INBOX.1" })).toBeUndefined();
    expect(readDelivered({ subject: "t", data: Buffer.alloc(0) } as unknown as Msg)).toBeUndefined();
  });

  test("ends with its time to live", () => {
    const message = { metadata: { ttlInSeconds: "2" }, at: 1000 };
    expect([2999, 3000].map((now) => hasEnded(message, now))).toEqual([false, true]);
    expect(hasEnded({ metadata: {}, at: 0 }, Number.MAX_SAFE_INTEGER)).toBe(false);
  });
});

describe("headers", () => {
  const text = fc.string({ unit: "binary" });

  test("give back whatever metadata they were given, over the wire and from the store", () => {
    fc.assert(
      fc.property(fc.dictionary(text, text), fc.option(text, { nil: undefined }), (given, type) => {
        const metadata = { ...given };
        const written = writeHeaders(headers(), outgoing(metadata, type), "1");
        expect(delivered({ headers: written })?.metadata).toEqual(metadata);
        const lines = [...written].flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
        const hdrs = Buffer.from(`NATS/1.0\r\n${lines.join("\r\n")}\r\n\r\n`).toString("base64");
        expect(fromStored({ subject: "t", seq: 1, hdrs, time: "2026-01-01T00:00:00Z" }).metadata).toEqual(metadata);
      }),
    );
  });

  test("keep metadata from taking on the meaning of the server's own", () => {
    const written = writeHeaders(
      headers(),
      outgoing({ "Nats-Rollup": "all", "nats-msg-id": "2", __proto__x: "" }),
      "1",
    );
    expect(written.keys().sort()).toEqual(["Mecha-Metadata", "Nats-Msg-Id", "__proto__x"].sort());
    expect(written.get("Nats-Msg-Id")).toBe("1");
  });

  test("of other clients that are no metadata of ours do no harm", () => {
    const given = headers();
    for (const rest of ["{", "null", '{"a":1,"b":"2"}', "[]"]) {
      given.set("Mecha-Metadata", rest);
      expect(delivered({ headers: given })?.metadata).toEqual(rest.includes("b") ? { b: "2" } : {});
    }
  });
});
