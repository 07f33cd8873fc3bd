import { describe, expect, it } from "vitest";
import { parseQuery } from "../../../../../sidecar/blocks/state/query.ts";

const parse = (query: unknown) => parseQuery(JSON.stringify(query));

describe("a query", () => {
  it("without anything finds everything", () => {
    expect(parse({})).toEqual({ filter: undefined, sort: [], limit: 0, token: undefined });
    expect(parse({ filter: {}, sort: [], page: {} })).toEqual({
      filter: undefined,
      sort: [],
      limit: 0,
      token: undefined,
    });
    expect(parse({ filter: null, sort: null, page: null })).toEqual({
      filter: undefined,
      sort: [],
      limit: 0,
      token: undefined,
    });
  });

  it.each(["EQ", "NEQ", "GT", "GTE", "LT", "LTE"])("compares by %s", (op) => {
    expect(parse({ filter: { [op]: { "person.org": "A" } } }).filter).toEqual({ op, key: "person.org", value: "A" });
  });

  it("joins conditions", () => {
    const filter = { AND: [{ EQ: { a: 1 } }, { OR: [{ IN: { b: ["x", "y"] } }, { EQ: { c: null } }] }] };
    expect(parse({ filter }).filter).toEqual({
      op: "AND",
      filters: [
        { op: "EQ", key: "a", value: 1 },
        {
          op: "OR",
          filters: [
            { op: "IN", key: "b", values: ["x", "y"] },
            { op: "EQ", key: "c", value: null },
          ],
        },
      ],
    });
  });

  it("sorts, ascending unless told otherwise, and pages", () => {
    const query = { sort: [{ key: "a" }, { key: "b", order: "DESC" }], page: { limit: 3, token: "t" } };
    expect(parse(query)).toMatchObject({
      sort: [
        { key: "a", order: "ASC" },
        { key: "b", order: "DESC" },
      ],
      limit: 3,
      token: "t",
    });
    expect(parse({ page: { token: "" } }).token).toBeUndefined();
  });

  it.each([
    ["nothing", "", "the query is not JSON"],
    ["no JSON", "{", "the query is not JSON"],
    ["an array", "[]", "the query must be an object"],
    ["a filter that is no object", '{"filter":5}', "filter must be an object"],
    ["two operators", '{"filter":{"EQ":{"a":1},"GT":{"a":1}}}', "filter must hold one operator, got EQ, GT"],
    ["an unknown operator", '{"filter":{"LIKE":{"a":1}}}', "filter: unknown operator LIKE; use EQ"],
    ["an operator in lower case", '{"filter":{"eq":{"a":1}}}', "unknown operator eq"],
    ["two keys", '{"filter":{"EQ":{"a":1,"b":2}}}', "filter.EQ must be an object with one key"],
    ["no key", '{"filter":{"EQ":{}}}', "filter.EQ must be an object with one key"],
    ["AND without a list", '{"filter":{"AND":{"EQ":{"a":1}}}}', "filter.AND must be an array"],
    ["IN without a list", '{"filter":{"IN":{"a":1}}}', "filter.IN.a must be an array"],
    ["a mistake deep inside", '{"filter":{"AND":[{"OR":[{"EQ":5}]}]}}', "filter.AND[0].OR[0].EQ must be an object"],
    ["sort that is no list", '{"sort":{}}', "sort must be an array"],
    ["sort without key", '{"sort":[{}]}', "sort[0].key must be a text"],
    ["sort in another order", '{"sort":[{"key":"a","order":"up"}]}', 'sort[0].order must be ASC or DESC, got "up"'],
    ["page that is no object", '{"page":5}', "page must be an object"],
    ["a limit below 0", '{"page":{"limit":-1}}', "page.limit must be a whole number"],
    ["half a limit", '{"page":{"limit":1.5}}', "page.limit must be a whole number"],
    ["a limit in text", '{"page":{"limit":"5"}}', "page.limit must be a whole number"],
    ["a token that is no text", '{"page":{"token":5}}', "page.token must be a text"],
  ])("with %s is refused by name", (_, text, part) => {
    expect(() => parseQuery(text)).toThrow(part);
  });

  it("nested deeper than any sensible one is refused", () => {
    const deep = `{"filter":${'{"AND":['.repeat(20_000)}${"]}".repeat(20_000)}}`;
    expect(() => parseQuery(deep)).toThrow("nested");
  });
});
