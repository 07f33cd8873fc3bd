import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes } from "../../../../components/contract/byte-order.ts";
import { type Candidate, QueryEvaluation } from "../../../../components/contract/query.ts";
import type { Filter, QueryPage, QueryRequest } from "../../../../components/contract/state.ts";
import { MechaError } from "../../../../specs/errors.ts";

type Documents = Readonly<Record<string, unknown>>;
type Asked = Partial<QueryRequest>;

const candidates = (documents: Documents): Candidate[] =>
  Object.entries(documents)
    .map(([key, value]) => ({ key, data: JSON.stringify(value), etag: `etag of ${key}` }))
    .sort((left, right) => compareBytes(left.key, right.key));

function ask(from: readonly Candidate[], asked: Asked): QueryPage {
  const evaluation = new QueryEvaluation({ prefix: "", sort: [], limit: 0, metadata: {}, ...asked });
  for (const candidate of from) if (!evaluation.offer(candidate)) break;
  return evaluation.page();
}

const keys = (documents: Documents, asked: Asked) => ask(candidates(documents), asked).entries.map(({ key }) => key);

const people: Documents = {
  ann: { person: { name: "Ann", age: 31 }, city: "Oslo", tags: ["a", "b"] },
  bob: { person: { name: "Bob", age: 27 }, city: "Bergen" },
  cid: { person: { name: "Cid" }, city: null },
  dee: { value: { city: "Oslo" } },
  eve: "no object",
};

describe("filter", () => {
  test.each<[string, Filter, string[]]>([
    ["EQ compares a text", { op: "EQ", key: "city", value: "Oslo" }, ["ann"]],
    ["EQ null is met by null and not by an absent key", { op: "EQ", key: "city", value: null }, ["cid"]],
    ["EQ compares whole documents", { op: "EQ", key: "tags", value: ["a", "b"] }, ["ann"]],
    ["a path goes into objects", { op: "EQ", key: "person.name", value: "Bob" }, ["bob"]],
    ["a path goes into arrays", { op: "EQ", key: "tags.1", value: "b" }, ["ann"]],
    ["a leading `value.` may be left out or given", { op: "EQ", key: "value.city", value: "Oslo" }, ["ann", "dee"]],
    ["NEQ is not met by an absent key", { op: "NEQ", key: "person.age", value: 27 }, ["ann"]],
    ["GT compares numbers", { op: "GT", key: "person.age", value: 27 }, ["ann"]],
    ["GTE includes the bound", { op: "GTE", key: "person.age", value: 27 }, ["ann", "bob"]],
    ["LT compares texts", { op: "LT", key: "city", value: "Oslo" }, ["bob"]],
    ["LTE includes the bound", { op: "LTE", key: "city", value: "Oslo" }, ["ann", "bob"]],
    ["a number is neither above nor below a text", { op: "GTE", key: "person.age", value: "0" }, []],
    ["IN takes any of its values", { op: "IN", key: "city", values: ["Bergen", null] }, ["bob", "cid"]],
    ["AND of nothing is met", { op: "AND", filters: [] }, ["ann", "bob", "cid", "dee", "eve"]],
    ["OR of nothing is not met", { op: "OR", filters: [] }, []],
    ["the length of an array or text is no key", { op: "GTE", key: "tags.length", value: 0 }, []],
    ["what every object inherits is no key", { op: "NEQ", key: "constructor", value: 1 }, []],
  ])("%s", (_, filter, expected) => {
    expect(keys(people, { filter })).toEqual(expected);
  });

  test("values that are not JSON are left out", () => {
    const page = ask(
      [
        { key: "a", data: Buffer.from([0xff, 0x00]) },
        { key: "b", data: Buffer.from("{no json") },
        { key: "c", data: Buffer.from("1") },
      ],
      {},
    );
    expect(page.entries.map(({ key }) => key)).toEqual(["c"]);
  });
});

describe("sort and page", () => {
  test("absent comes first, then null, false, true, numbers, texts and the rest", () => {
    const documents = {
      a: { x: "t" },
      b: { x: 2 },
      c: {},
      d: { x: null },
      e: { x: true },
      f: { x: [] },
      g: { x: false },
    };
    expect(keys(documents, { sort: [{ key: "x", order: "ASC" }] })).toEqual(["c", "d", "g", "e", "b", "a", "f"]);
    expect(keys(documents, { sort: [{ key: "x", order: "DESC" }] })).toEqual(["f", "a", "b", "e", "g", "d", "c"]);
  });

  test("a further sort key decides among equals, then the key of the entry", () => {
    const documents = { a: { x: 1, y: 1 }, b: { x: 1, y: 2 }, c: { x: 0, y: 3 }, d: { x: 1, y: 2 } };
    const sort = [
      { key: "x", order: "ASC" },
      { key: "y", order: "DESC" },
    ] as const;
    expect(keys(documents, { sort })).toEqual(["c", "b", "d", "a"]);
  });

  test("an answer carries the stored bytes and the etag", () => {
    const [entry] = ask(candidates({ a: { x: 1 } }), {}).entries;
    expect(entry).toEqual({ key: "a", data: Buffer.from('{"x":1}'), etag: "etag of a" });
  });

  test("a foreign token is refused", () => {
    const sorted = ask(candidates(people), { limit: 1, sort: [{ key: "city", order: "ASC" }] });
    for (const token of ["", "?", Buffer.from("{}").toString("base64url"), sorted.token ?? "none"]) {
      expect(() => ask([], { token })).toThrow(MechaError);
    }
  });

  test("a page is followed by what is behind it even when its last entry is gone", () => {
    const asked: Asked = { limit: 1, sort: [{ key: "n", order: "ASC" }] };
    const { token } = ask(candidates({ a: { n: 1 }, b: { n: 2 }, c: { n: 3 } }), asked);
    expect(keys({ b: { n: 2 }, c: { n: 3 } }, { ...asked, token })).toEqual(["b"]);
  });
});

describe("properties", () => {
  const scalar = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer({ min: -2, max: 2 }),
    fc.constantFrom("", "a", "b"),
  );
  const document = fc.record({ x: scalar, y: scalar }, { requiredKeys: [] });
  const documents = fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), document, { maxKeys: 40 });
  const sort = fc.array(fc.record({ key: fc.constantFrom("x", "y", "z"), order: fc.constantFrom("ASC", "DESC") }), {
    maxLength: 2,
  });
  const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      fc.record({
        op: fc.constantFrom("EQ", "NEQ", "GT", "GTE", "LT", "LTE"),
        key: fc.constantFrom("x", "y", "value.x"),
        value: scalar,
      }),
      fc.record({ op: fc.constant("IN" as const), key: fc.constantFrom("x", "y"), values: fc.array(scalar) }),
      fc.record({ op: fc.constantFrom("AND", "OR"), filters: fc.array(tie("filter"), { maxLength: 3 }) }),
    ),
  }));

  test("pages joined together are the whole answer, each at most as long as asked", () => {
    fc.assert(
      fc.property(documents, filter, sort, fc.integer({ min: 1, max: 7 }), (from, filtered, sorted, limit) => {
        const all = candidates(from);
        const whole = ask(all, { filter: filtered, sort: sorted }).entries.map(({ key }) => key);
        const joined: string[] = [];
        let token: string | undefined;
        do {
          const page = ask(all, { filter: filtered, sort: sorted, limit, token });
          expect(page.entries.length).toBeLessThanOrEqual(limit);
          joined.push(...page.entries.map(({ key }) => key));
          token = page.token;
        } while (token !== undefined);
        expect(joined).toEqual(whole);
      }),
    );
  });

  test("the order of the candidates does not change a sorted answer", () => {
    fc.assert(
      fc.property(documents, sort, fc.integer({ min: 0, max: 5 }), (from, sorted, limit) => {
        fc.pre(sorted.length > 0);
        const all = candidates(from);
        const backwards = all.toReversed();
        expect(ask(backwards, { sort: sorted, limit })).toEqual(ask(all, { sort: sorted, limit }));
      }),
    );
  });

  test("a condition and its opposite share out the values that have the key", () => {
    fc.assert(
      fc.property(documents, scalar, (from, value) => {
        const equal = keys(from, { filter: { op: "EQ", key: "x", value } });
        const unequal = keys(from, { filter: { op: "NEQ", key: "x", value } });
        const having = Object.keys(from).filter((key) => Object.hasOwn(from[key] as object, "x"));
        expect([...equal, ...unequal].sort()).toEqual(having.sort());
      }),
    );
  });

  test("joining conditions by AND and OR is intersection and union", () => {
    fc.assert(
      fc.property(documents, filter, filter, (from, left, right) => {
        const [a, b] = [new Set(keys(from, { filter: left })), new Set(keys(from, { filter: right }))];
        const both = keys(from, { filter: { op: "AND", filters: [left, right] } });
        const either = keys(from, { filter: { op: "OR", filters: [left, right] } });
        expect(new Set(both)).toEqual(new Set([...a].filter((key) => b.has(key))));
        expect(new Set(either)).toEqual(new Set([...a, ...b]));
      }),
    );
  });
});
