import { expect, test } from "vitest";
import { toAttributes } from "../../../../components/aws.dynamodb/attributes.ts";

test("a JSON object becomes an item, each value by its type", () => {
  expect(toAttributes('{"s":"x","b":false,"n":null,"l":[1,"2"],"m":{"deep":{}}}')).toEqual({
    s: { S: "x" },
    b: { BOOL: false },
    n: { NULL: true },
    l: { L: [{ N: "1" }, { S: "2" }] },
    m: { M: { deep: { M: {} } } },
  });
});

test("numbers keep all their digits", () => {
  expect(toAttributes('{"n":12345678901234567890,"m":0.1000}')).toEqual({
    n: { N: "12345678901234567890" },
    m: { N: "0.1000" },
  });
});

test.each(["[1]", "1", "null", '"x"', "{"])("%s is refused", (text) => {
  expect(() => toAttributes(text)).toThrow(/the data must be a JSON object/);
});
