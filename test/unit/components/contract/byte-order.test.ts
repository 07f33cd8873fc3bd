import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, prefixEnd } from "../../../../components/contract/byte-order.ts";

const text = fc.string({ unit: "binary", maxLength: 6 });

test("texts compare as their UTF-8 bytes do", () => {
  fc.assert(
    fc.property(text, text, (left, right) => {
      expect(Math.sign(compareBytes(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)));
    }),
  );
});

test("a text lies before the end of a prefix exactly when it starts with the prefix or lies before it", () => {
  fc.assert(
    fc.property(text, text, (prefix, other) => {
      const end = prefixEnd(prefix);
      const isBelow = end === undefined || compareBytes(other, end) < 0;
      expect(isBelow).toBe(other.startsWith(prefix) || compareBytes(other, prefix) < 0);
      expect(end === undefined || compareBytes(prefix + other, end) < 0).toBe(true);
    }),
  );
});

test.each([
  ["app||", "app|}"],
  ["\u{d7ff}", "\u{e000}"],
  ["a\u{10ffff}", "b"],
  ["\u{10ffff}", undefined],
  ["", undefined],
])("the end of prefix %j is %j", (prefix, end) => {
  expect(prefixEnd(prefix)).toBe(end);
});
