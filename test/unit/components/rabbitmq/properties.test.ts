import type { ConsumeMessage } from "amqplib";
import { describe, expect, test } from "vitest";
import {
  attemptsBefore,
  hasEnded,
  headerTexts,
  propertyTexts,
  toProperties,
} from "../../../../components/rabbitmq/properties.ts";

const now = Date.UTC(2026, 0, 1);
const sending = {
  headers: {},
  contentType: undefined,
  messageId: "id",
  appId: "app",
  deliveryMode: 2,
  ttlMs: undefined,
  now,
};

// The library's type asks for every property that there is.
const message = (properties: object, fields: object = {}) =>
  ({
    content: Buffer.alloc(0),
    properties,
    fields: { exchange: "e", routingKey: "k", redelivered: false, ...fields },
  }) as unknown as ConsumeMessage;

describe("AMQP properties", () => {
  test("say who sent what when, and nothing that was not given", () => {
    expect(toProperties({ ...sending, metadata: {} })).toEqual({
      headers: {},
      messageId: "id",
      appId: "app",
      deliveryMode: 2,
      timestamp: now / 1000,
    });
  });

  test("hold a time to live that the server can count, and headers one that is longer", () => {
    const day = toProperties({ ...sending, metadata: { ttlInSeconds: "86400" } });
    expect(day).toMatchObject({ expiration: "86400000" });
    const age = toProperties({ ...sending, metadata: { ttlInSeconds: "9999999" } });
    expect(age).toMatchObject({ headers: { "mecha-expires-at": now + 9_999_999_000 } });
    expect(age).not.toHaveProperty("expiration");
    expect(hasEnded(message(age), now, now + 9_999_998_000)).toBe(false);
    expect(hasEnded(message(age), now, now + 9_999_999_000)).toBe(true);
    expect(headerTexts(message(age))).toEqual({});
  });

  test("end a message that is here for longer than it is to live", () => {
    const short = message({ expiration: "1000" });
    expect([hasEnded(short, now, now + 999), hasEnded(short, now, now + 1000)]).toEqual([false, true]);
    expect(hasEnded(message({ expiration: "soon" }), now, now + 10_000)).toBe(false);
  });

  test("are read as texts", () => {
    const given = message({ headers: { a: "1", b: 2, c: true, d: { e: 1 }, f: null }, messageId: "m", priority: 0 });
    expect(headerTexts(given)).toEqual({ a: "1", b: "2", c: "true" });
    expect(propertyTexts(given)).toEqual({ messageID: "m", priority: "0", exchange: "e", routingKey: "k" });
  });

  test.each([
    [{}, {}, 0],
    [{}, { redelivered: true }, 1],
    [{ headers: { "x-delivery-count": 4 } }, { redelivered: true }, 4],
  ])("of %j and %j tell %d attempts", (properties, fields, attempts) => {
    expect(attemptsBefore(message(properties, fields))).toBe(attempts);
  });
});
