import { expect, test } from "vitest";
import { indexName, tableName } from "../../../../components/postgresql/names.ts";

test.each([
  ["state", '"state"'],
  ["State", '"state"'],
  ["app.state", '"app"."state"'],
  ['"App".state', '"App"."state"'],
  ['"a.b"', '"a.b"'],
  ["my-state", '"my-state"'],
  ['"a""b"', '"a""b"'],
])("table name %s is written as %s", (name, sql) => {
  expect(tableName("tableName", name)).toBe(sql);
});

test.each(["", "a.", ".a", "a..b", "a.b.c.", 'a"b', '"', "a\0"])(
  "%j is no table name, and the setting is named",
  (name) => {
    expect(() => tableName("tableName", name)).toThrow(
      /^tableName: .* is no table name; write it like state or app\.state$/,
    );
  },
);

test("an index is named after its table, without its schema and short enough to be kept", () => {
  expect(indexName('"app"."state"', "ends")).toBe('"state_ends"');
  expect(indexName('"a""b"', "ends")).toBe('"a""b_ends"');
  const long = indexName(`"${"x".repeat(80)}"`, "ends");
  expect(long).toHaveLength(63 + 2);
  expect(long).toMatch(/x_ends"$/);
});
