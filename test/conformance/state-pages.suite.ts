import { expect, test } from "vitest";
import type { Filter, QueryPage, QueryRequest } from "../../components/contract/state.ts";
import { bytes, fresh, type StateBench, toText } from "./target.ts";

type OpenBench = () => Promise<StateBench>;

/** The cases of list and query, which page through a store. */
export function statePageCases(
  open: OpenBench,
  { hasQuery, isOrdered }: { hasQuery: boolean; isOrdered: boolean },
): void {
  listCases(open, isOrdered);
  if (hasQuery) queryCases(open);
}

async function filled(open: OpenBench, values: Readonly<Record<string, unknown>>) {
  const bench = await open();
  const prefix = `${fresh("app")}||`;
  for (const [key, value] of Object.entries(values)) {
    await bench.opened.set(prefix + key, bytes(JSON.stringify(value)), {}, {});
  }
  return { ...bench, prefix };
}

function listCases(open: OpenBench, isOrdered: boolean): void {
  const sorted = (keys: readonly string[]) => (isOrdered ? keys : [...keys].sort());

  test("the keys with a prefix are listed, and no others", async () => {
    const { opened, prefix } = await filled(open, { b: 1, a: 2, "b%": 3, b_: 4 });
    await opened.set(fresh("app"), bytes("1"), {}, {});
    const all = ["a", "b", "b%", "b_"].map((key) => prefix + key);
    expect(sorted((await opened.list({ prefix, limit: 10 }, {})).keys)).toEqual(all);
    expect((await opened.list({ prefix: `${prefix}b%`, limit: 10 }, {})).keys).toEqual([`${prefix}b%`]);
    expect((await opened.list({ prefix: `${prefix}c`, limit: 10 }, {})).keys).toEqual([]);
  });

  test.runIf(isOrdered)("keys are listed in the order of their bytes", async () => {
    const keys = ["A", "a", "aa", "b", "ä", "鍵", "\u{ffef}", "🔑"];
    const { opened, prefix } = await filled(open, Object.fromEntries(keys.toReversed().map((key) => [key, 1])));
    const listed = (await opened.list({ prefix, limit: 100 }, {})).keys.map((key) => key.slice(prefix.length));
    expect(listed).toEqual(keys);
  });

  test("pages joined together are all keys, each once", async () => {
    const names = Array.from({ length: 25 }, (_, n) => `k${String(n).padStart(2, "0")}`);
    const { opened, prefix } = await filled(open, Object.fromEntries(names.map((name) => [name, 1])));
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await opened.list({ prefix, limit: 10, cursor }, {});
      expect(page.keys.length).toBeLessThanOrEqual(10);
      keys.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(sorted(keys)).toEqual(names.map((name) => prefix + name));
  });

  test.runIf(isOrdered)("a page that ends with the last key has no cursor", async () => {
    const { opened, prefix } = await filled(open, { a: 1, b: 2 });
    expect((await opened.list({ prefix, limit: 2 }, {})).cursor).toBeUndefined();
  });

  test("a listing goes on when keys come and go between its pages", async () => {
    const { opened, prefix } = await filled(open, { a: 1, b: 2, c: 3, d: 4 });
    const { keys, cursor } = await opened.list({ prefix, limit: 2 }, {});
    for (const key of keys) await opened.delete(key, {}, {});
    await opened.set(`${prefix}e`, bytes("5"), {}, {});
    const rest = await opened.list({ prefix, limit: 10, cursor }, {});
    const left = ["a", "b", "c", "d", "e"].map((key) => prefix + key).filter((key) => !keys.includes(key));
    if (isOrdered) expect(rest.keys).toEqual(left);
    else expect(left).toEqual(expect.arrayContaining([...rest.keys]));
  });
}

const people = {
  ann: { person: { name: "Ann", age: 31 }, city: "Oslo" },
  bob: { person: { name: "Bob", age: 27 }, city: "Bergen" },
  cid: { person: { name: "Cid", age: 45 }, city: "Oslo" },
  dee: { person: { name: "Dee", age: 27 }, city: "Paris" },
};

function queryCases(open: OpenBench): void {
  const asked = async (query: Partial<QueryRequest>) => {
    const { opened, prefix } = await filled(open, people);
    // What another app stores must not be found.
    await opened.set(fresh("other"), bytes(JSON.stringify(people.ann)), {}, {});
    const ask = (more: Partial<QueryRequest> = {}) =>
      opened.query?.({ prefix, sort: [], limit: 0, metadata: {}, ...query, ...more }, {}) as Promise<QueryPage>;
    const names = (page: QueryPage) => page.entries.map(({ key }) => key.slice(prefix.length));
    return { opened, ask, names };
  };

  test.each<[string, Filter, string[]]>([
    ["EQ", { op: "EQ", key: "city", value: "Oslo" }, ["ann", "cid"]],
    ["NEQ", { op: "NEQ", key: "city", value: "Oslo" }, ["bob", "dee"]],
    [
      "GT and LTE on numbers inside objects",
      {
        op: "AND",
        filters: [
          { op: "GT", key: "person.age", value: 27 },
          { op: "LTE", key: "person.age", value: 45 },
        ],
      },
      ["ann", "cid"],
    ],
    ["IN", { op: "IN", key: "city", values: ["Bergen", "Paris"] }, ["bob", "dee"]],
    [
      "OR",
      {
        op: "OR",
        filters: [
          { op: "EQ", key: "person.name", value: "Bob" },
          { op: "GTE", key: "person.age", value: 45 },
        ],
      },
      ["bob", "cid"],
    ],
  ])("values are found by %s", async (_, filter, expected) => {
    const { ask, names } = await asked({ filter });
    expect(names(await ask()).sort()).toEqual(expected);
  });

  test("values are sorted by several keys", async () => {
    const { ask, names } = await asked({
      sort: [
        { key: "person.age", order: "DESC" },
        { key: "person.name", order: "ASC" },
      ],
    });
    expect(names(await ask())).toEqual(["cid", "ann", "bob", "dee"]);
  });

  test("an answer comes in pages", async () => {
    const { ask, names } = await asked({ sort: [{ key: "person.name", order: "ASC" }], limit: 3 });
    const first = await ask();
    expect(names(first)).toEqual(["ann", "bob", "cid"]);
    const second = await ask({ token: first.token });
    expect([names(second), second.token]).toEqual([["dee"], undefined]);
  });

  test("an answer carries value and etag as a read does", async () => {
    const { opened, ask } = await asked({ filter: { op: "EQ", key: "city", value: "Paris" } });
    const [entry] = (await ask()).entries;
    const read = await opened.get(entry?.key ?? "", {}, {});
    expect([toText(entry?.data), entry?.etag]).toEqual([toText(read?.data), read?.etag]);
    // Stores that keep JSON as documents may write it in another way.
    expect(JSON.parse(toText(entry?.data) ?? "")).toEqual(people.dee);
  });

  test("more values than one slice of reading are all found", async () => {
    const { opened } = await open();
    const prefix = `${fresh("app")}||`;
    const keys = Array.from({ length: 1203 }, (_, n) => prefix + String(n).padStart(4, "0"));
    await Promise.all(keys.map((key, n) => opened.set(key, bytes(`{"n":${n}}`), {}, {})));
    const page = await opened.query?.({ prefix, sort: [], limit: 0, metadata: {} }, {});
    expect(page?.entries.map(({ key }) => key)).toEqual(keys);
  });
}
