import { expect, test } from "vitest";
import { valuesIn } from "../../../../components/hashicorp.vault/values.ts";

const answer = (data: string) => `{"data":{"data":${data},"metadata":{"version":1}}}`;
const map = { version: "2", type: "map" } as const;
const text = { version: "2", type: "text" } as const;

test("numbers keep every digit", () => {
  const data = '{"id":12345678901234567890,"sum":1.10,"deep":{"list":[9007199254740993]}}';
  expect(valuesIn(answer(data), "name", map)).toEqual({
    id: "12345678901234567890",
    sum: "1.10",
    deep: '{"list":[9007199254740993]}',
  });
  expect(valuesIn(answer(data), "name", text)).toEqual({ name: data });
});

test("keys that every object has are values like others", () => {
  const values = valuesIn(answer('{"__proto__":"1","constructor":"2"}'), "name", map) ?? {};
  expect(Object.entries(values)).toEqual([
    ["__proto__", "1"],
    ["constructor", "2"],
  ]);
});

test("version 1 of the engine has the values one level higher", () => {
  expect(valuesIn('{"data":{"a":"1","data":"2"}}', "name", { version: "1", type: "map" })).toEqual({
    a: "1",
    data: "2",
  });
});

test("a version that is deleted has none", () => {
  expect(valuesIn(answer("null"), "name", map)).toBeUndefined();
  expect(valuesIn('{"data":null}', "name", map)).toBeUndefined();
});
