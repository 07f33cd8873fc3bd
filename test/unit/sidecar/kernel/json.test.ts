import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../../../sidecar/kernel/json.ts";

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
