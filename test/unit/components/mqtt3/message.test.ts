import { describe, expect, test } from "vitest";
import type { Arrival } from "../../../../components/mqtt3/connection.ts";
import { idOf, markOf, metadataOf, toOptions } from "../../../../components/mqtt3/message.ts";

const sending = { qos: 1, retain: false, contentType: "text/x", messageId: "id", isFive: true } as const;
const arrival = (more: Partial<Arrival>): Arrival => ({
  cmd: "publish",
  topic: "t",
  payload: Buffer.from("a"),
  qos: 1,
  dup: false,
  retain: false,
  messageId: 7,
  ...more,
});

describe("what is said of a message", () => {
  test("goes into properties of MQTT 5, and nowhere in 3.1.1", () => {
    const metadata = { color: "blue", retain: "true", ttlInSeconds: "9999999999" };
    expect(toOptions({ ...sending, metadata })).toEqual({
      qos: 1,
      retain: true,
      properties: {
        contentType: "text/x",
        messageExpiryInterval: 4_294_967_295,
        userProperties: { messageID: "id", ...metadata },
      },
    });
    expect(toOptions({ ...sending, metadata, isFive: false })).toEqual({ qos: 1, retain: true });
  });

  test.each([
    [{ retain: "maybe" }, /^metadata retain: must be true or false/],
    [{ ttlInSeconds: "soon" }, /^metadata ttlInSeconds: must be a whole number/],
    [{ big: "x".repeat(65_536) }, /^metadata big: must have at most 65535 bytes/],
  ])("is refused where it cannot be said", (metadata, message) => {
    expect(() => toOptions({ ...sending, metadata: { ...metadata } as Record<string, string> })).toThrow(message);
  });

  test("is read back, of several values the last", () => {
    expect(metadataOf(arrival({ properties: { userProperties: { a: "1", b: ["2", "3"] } } }))).toEqual({
      a: "1",
      b: "3",
    });
    expect(metadataOf(arrival({}))).toEqual({});
  });
});

describe("a message", () => {
  test("is known by its publisher's id, else by what it is", () => {
    const named = arrival({ properties: { userProperties: { messageID: "m" } } });
    expect([markOf(named), idOf(named, markOf(named))]).toEqual(["m", "m"]);
    const [one, same, other] = [arrival({}), arrival({ messageId: 8, dup: true }), arrival({ topic: "u" })];
    expect(markOf(one)).toBe(markOf(same));
    expect(markOf(one)).not.toBe(markOf(other));
    expect(idOf(one, markOf(one))).not.toBe(idOf(same, markOf(same)));
  });
});
