import { describe, expect, test } from "vitest";
import { AvroCodec } from "../../../../components/kafka/avro.ts";

const load = (schema: unknown, namesUnions = false) => AvroCodec.load(JSON.stringify(schema), namesUnions);
const record = (...fields: readonly object[]) => ({ type: "record", name: "R", fields });

describe("Avro", () => {
  test.each<[string, unknown, string]>([
    ["longs of any size", "long", "9223372036854775807"],
    ["negative longs", "long", "-9007199254740993"],
    ["ints", "int", "-1"],
    ["doubles", "double", "1.5"],
    ["whole doubles", "double", "1152921504606847000"],
    ["bytes, as Avro's JSON writes them", "bytes", '"aÿ"'],
    ["fixed", { type: "fixed", name: "F", size: 2 }, '"ab"'],
    ["enums", { type: "enum", name: "E", symbols: ["A", "B"] }, '"B"'],
    ["arrays", { type: "array", items: "long" }, "[1,2]"],
    ["maps", { type: "map", values: "long" }, '{"a":1}'],
    ["nothing in a union", ["null", "string"], "null"],
    ["one of a union", ["null", "string", "long"], '"a"'],
    ["another of a union", ["null", "string", "long"], "9007199254740993"],
    ["records in a union", ["null", record({ name: "a", type: ["null", "long"] })], '{"a":5}'],
    ["records in arrays", { type: "array", items: record({ name: "a", type: "string" }) }, '[{"a":"x"}]'],
  ])("keeps %s", async (_, schema, json) => {
    const codec = await load(schema);
    expect(codec.decode(codec.encode(json))).toBe(json);
  });

  test("fills what is missing from the schema's defaults", async () => {
    const codec = await load(record({ name: "a", type: "long", default: 7 }, { name: "b", type: "string" }));
    expect(codec.decode(codec.encode('{"b":"x"}'))).toBe('{"a":7,"b":"x"}');
  });

  test("names the types of unions where that is wanted", async () => {
    const codec = await load({ type: "array", items: ["null", "string", "long"] }, true);
    const json = '[{"string":"a"},{"long":1},null]';
    expect(codec.decode(codec.encode(json))).toBe(json);
    expect(() => codec.encode('["a"]')).toThrow('"a" is none of null, string, long');
  });

  test.each<[string, unknown, string]>([
    ["another type", "long", '"a"'],
    ["a fraction for a whole number", "long", "1.5"],
    ["a number beyond 64 bits", "long", "9223372036854775808"],
    ["a missing field", record({ name: "a", type: "string" }), "{}"],
    ["what no type of a union fits", ["null", "string"], "1"],
    ["no JSON", "string", "hello"],
  ])("refuses %s", async (_, schema, json) => {
    const codec = await load(schema);
    expect(() => codec.encode(json)).toThrow(Error);
  });

  test("refuses bytes that do not fit the schema", async () => {
    const codec = await load("string");
    expect(() => codec.decode(Buffer.from([100, 1]))).toThrow(Error);
  });
});
