import { expect, test } from "vitest";
import { deliveryPrefix, readMark, writeMark } from "../../../../sidecar/kernel/dedupe-mark.ts";

const mark = { store: "orders", key: `${deliveryPrefix("app")}handled||ps||t||app||1ä`, ttlSeconds: 60 };

test("a mark is a token that headers can carry, and comes back as it was", () => {
  expect(writeMark(mark)).toMatch(/^[\w-]+$/);
  expect(readMark(writeMark(mark), "orders", "app")).toEqual(mark);
});

test.each([
  ["of another app", writeMark({ ...mark, key: "mecha-delivery||app2||handled||x" }), "belongs to another app"],
  ["of a key that is no mark", writeMark({ ...mark, key: "app||balance" }), "belongs to another app"],
  ["of another store", writeMark({ ...mark, store: "carts" }), "belongs to state store carts; write the effect there"],
  ["that is no token", "{}", "is not what a delivery carried; pass the header on as it came"],
  ["of something else", Buffer.from("[1,2]").toString("base64url"), "is not what a delivery carried"],
])("a mark %s is refused", (_, text, why) => {
  expect(() => readMark(text, "orders", "app")).toThrow(why);
});
