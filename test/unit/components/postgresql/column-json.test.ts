import { expect, test } from "vitest";
import { rowsToJson, toJson } from "../../../../components/postgresql/column-json.ts";

test.each<[string | null, number, string]>([
  [null, 25, "null"],
  ["t", 16, "true"],
  ["f", 16, "false"],
  ["9007199254740993", 20, "9007199254740993"],
  ["-1.50", 1700, "-1.50"],
  ["NaN", 701, '"NaN"'],
  ["Infinity", 1700, '"Infinity"'],
  ['{"a": 1}', 3802, '{"a": 1}'],
  ["\\x0001ff", 17, '"AAH/"'],
  ['say "hi"', 25, '"say \\"hi\\""'],
  ["5b2a0d2c-6c0f-4a39-9c5b-b4c1b7d9d9a1", 2950, '"5b2a0d2c-6c0f-4a39-9c5b-b4c1b7d9d9a1"'],
  ["2026-01-31", 1082, '"2026-01-31T00:00:00Z"'],
  ["2026-01-31 12:00:00.5", 1114, '"2026-01-31T12:00:00.5Z"'],
  ["2026-01-31 12:00:00+00", 1184, '"2026-01-31T12:00:00Z"'],
  ["2026-01-31 12:00:00.25+05:30", 1184, '"2026-01-31T12:00:00.25+05:30"'],
  ["2026-01-31 12:00:00-08", 1184, '"2026-01-31T12:00:00-08:00"'],
  ["infinity", 1184, '"infinity"'],
  ["{}", 1007, "[]"],
  ["{1,NULL,3}", 1007, "[1,null,3]"],
  ["{{1,2},{3,4}}", 1016, "[[1,2],[3,4]]"],
  ["[0:1]={5,6}", 1007, "[5,6]"],
  ['{a,"NULL","b \\"c\\", {d}\\\\"}', 1009, '["a","NULL","b \\"c\\", {d}\\\\"]'],
  ['{"{\\"a\\": [1]}"}', 3807, '[{"a": [1]}]'],
  ["{t,f}", 1000, "[true,false]"],
])("%j of type %i is %s", (value, type, json) => {
  expect(toJson(value, type)).toBe(json);
});

test("rows are arrays of their columns", () => {
  const fields = [{ dataTypeID: 23 }, { dataTypeID: 25 }];
  expect(
    rowsToJson(fields, [
      ["1", "a"],
      ["2", null],
    ]),
  ).toBe('[[1,"a"],[2,null]]');
  expect(rowsToJson(fields, [])).toBe("[]");
});
