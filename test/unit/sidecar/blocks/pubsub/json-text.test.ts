import fc from "fast-check";
import { expect, test } from "vitest";
import { itemsOf, membersOf } from "../../../../../sidecar/blocks/pubsub/json-text.ts";

/** JSON text with white space where it may stand. */
const spaced = (value: unknown, space: string): string => {
  if (Array.isArray(value))
    return `${space}[${space}${value.map((item) => spaced(item, space)).join(`${space},`)}${space}]${space}`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${space}${JSON.stringify(key)}${space}:${spaced(item, space)}`,
    );
    return `${space}{${members.join(",")}${space}}${space}`;
  }
  return `${space}${JSON.stringify(value)}${space}`;
};
const space = fc.constantFrom("", " ", "\n\t", "\r\n  ");

test("the members of any object are found, each with its own text", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), space, (object, white) => {
      const plain = JSON.parse(JSON.stringify(object)) as Record<string, unknown>;
      const members = membersOf(spaced(plain, white));
      expect(members.map(({ key, value }) => [key, JSON.parse(value)])).toEqual(Object.entries(plain));
      expect(JSON.parse(`{${members.map(({ text }) => text).join(",")}}`)).toEqual(plain);
    }),
  );
});

test("the items of any array are found", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), space, (array, white) => {
      const plain = JSON.parse(JSON.stringify(array)) as unknown[];
      expect(itemsOf(spaced(plain, white)).map((item) => JSON.parse(item))).toEqual(plain);
    }),
  );
});

test("quotes and brackets inside texts do not mislead", () => {
  const text = '{ "a\\"}": "\\\\" , "b":["]\\"",{"c":"}"}],"d" : 1.50e+3 }';
  expect(membersOf(text)).toEqual([
    { key: 'a"}', text: '"a\\"}": "\\\\"', value: '"\\\\"' },
    { key: "b", text: '"b":["]\\"",{"c":"}"}]', value: '["]\\"",{"c":"}"}]' },
    { key: "d", text: '"d" : 1.50e+3', value: "1.50e+3" },
  ]);
});
