import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeText, isRecord, parseJson } from "../../../../sidecar/kernel/json.ts";

const digits = (min: number, max: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max }).map((list) => list.join(""));
const number = fc
  .tuple(fc.constantFrom("", "-"), fc.integer({ min: 1, max: 9 }), digits(0, 30), digits(0, 30))
  .map(([sign, first, whole, part]) => `${sign}${first}${whole}${part === "" ? "" : `.${part}1`}`);

test("a number of any size and place is written again as it was read", () => {
  fc.assert(
    fc.property(number, number, (one, two) => {
      const text = `{"a":${one},"b":[${two},${one}],"c":{"d":${two}}}`;
      expect(JSON.stringify(parseJson(text, "it"))).toBe(text);
    }),
  );
});

test("a number that a double would round to its neighbour keeps its digits around the point", () => {
  expect(JSON.stringify(parseJson(' { "n" : 123456789.123456789 }', "it"))).toBe('{"n":123456789.123456789}');
  expect(JSON.stringify(parseJson("\n1e400", "it"))).toBe("1e400");
});

test("digits inside texts do not turn numbers into objects", () => {
  const text = '{"id":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","n":5}';
  expect(parseJson(text, "it")).toEqual(JSON.parse(text));
});

test("what is not JSON is refused by its name", () => {
  expect(() => parseJson("{no", "the body")).toThrow(/malformed: the body is not JSON/);
});

test("a text that is nested too deep to be written again is refused", () => {
  const nested = (depth: number, inside = "") => "[".repeat(depth) + inside + "]".repeat(depth);
  expect(JSON.stringify(parseJson(nested(1000), "it"))).toBe(nested(1000));
  expect(() => parseJson(nested(1001), "the body")).toThrow("the body is nested deeper than 1000 levels");
  expect(() => parseJson('{"a":'.repeat(5000), "it")).toThrow("nested deeper");
});

test("brackets side by side, in texts, or after quotes in texts are not nesting", () => {
  const flat = `[${Array(3000).fill("[]").join(",")}]`;
  expect(JSON.stringify(parseJson(flat, "it"))).toBe(flat);
  const text = JSON.stringify(`${"[{".repeat(2000)}\\"${"[".repeat(2000)}`);
  expect(parseJson(text, "it")).toBe(JSON.parse(text));
  expect(() => parseJson(`"${"[".repeat(2000)}`, "it")).toThrow("it is not JSON");
});

test("bytes that are not UTF-8 are refused by their name", () => {
  expect(decodeText(Buffer.from("ü€"), "it")).toBe("ü€");
  expect(() => decodeText(Buffer.from([0xc3, 0x28]), "the body")).toThrow("the body is not UTF-8 text");
  // A surrogate is no character, even though three bytes could say it.
  expect(() => decodeText(Buffer.from([0xed, 0xa0, 0x80]), "it")).toThrow("it is not UTF-8 text");
});

test("only objects are records", () => {
  expect([{}, { a: 1 }, Object.create(null)].every(isRecord)).toBe(true);
  expect([null, undefined, [], "x", 1, () => {}].some(isRecord)).toBe(false);
});
