import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Filter, QueryPage, QueryRequest } from "../../components/contract/state.ts";
import memoryDriver from "../../components/memory/state.ts";
import postgresqlDriver from "../../components/postgresql/state.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("postgres"));

const scalar = fc.oneof(
  fc.constantFrom(null, true, false, "", "a", "B", "b", "ä", "\u{ffef}", "🔑", "10", "9", 'q"\\'),
  fc.integer({ min: -20, max: 20 }),
  fc.constantFrom(0.5, 1e21, -0.25),
);
const name = fc.constantFrom("a", "b", "value", "", "0");
const part = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(name, scalar, { maxKeys: 3, noNullPrototype: true }),
);
// What is sorted by are scalars: objects and arrays only have some order of their own.
const sorted = fc.record({ s: scalar, t: fc.record({ u: scalar }) }, { requiredKeys: [], noNullPrototype: true });
const document = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(sorted, fc.dictionary(name, part, { noNullPrototype: true })).map(([a, b]) => ({ ...b, ...a })),
  },
  { weight: 5, arbitrary: fc.dictionary(name, part, { maxKeys: 4, noNullPrototype: true }) },
  { weight: 1, arbitrary: part },
);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.record({ op: fc.constantFrom("EQ", "NEQ", "GT", "GTE", "LT", "LTE"), key: path, value: part }),
    fc.record({ op: fc.constant("IN"), key: path, values: fc.array(part, { maxLength: 3 }) }),
    fc.record({ op: fc.constantFrom("AND", "OR"), filters: fc.array(tie("filter"), { maxLength: 3 }) }),
  ) as fc.Arbitrary<Filter>,
}));
const sort = fc.array(
  fc.record({
    key: fc.constantFrom("s", "t.u", "value.s", "value.t.u", "missing"),
    order: fc.constantFrom<"ASC" | "DESC">("ASC", "DESC"),
  }),
  {
    maxLength: 3,
  },
);

type Query = Pick<QueryRequest, "filter" | "sort" | "limit">;
type Ask = (request: QueryRequest) => Promise<QueryPage>;

/** The keys of all pages. */
async function all(ask: Ask, query: Query): Promise<readonly string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await ask({ ...query, prefix: "p||", token, metadata: {} });
    keys.push(...page.entries.map(({ key }) => key));
    token = page.token;
  } while (token !== undefined);
  return keys;
}

describe.skipIf(isMissing)("the query API in PostgreSQL", () => {
  test("finds, sorts and pages as it does over values in memory", async () => {
    const { settings } = await startServer("postgres");
    const stores = await Promise.all([
      openDriver(memoryDriver, {}),
      openDriver(postgresqlDriver, { ...settings, tableName: "queried" }),
    ]);
    const documents = fc.sample(document, { numRuns: 150, seed: 1 });
    for (const store of stores) {
      const fill = documents.map((one, n) => store.set(`p||${n}`, Buffer.from(JSON.stringify(one)), {}, {}));
      await Promise.all([
        ...fill,
        store.set("p||bytes", Buffer.from([0, 255]), {}, {}),
        store.set("other", Buffer.from("1"), {}, {}),
      ]);
    }
    const query = fc.record(
      { filter, sort, limit: fc.constantFrom(0, 1, 7, 500) },
      { requiredKeys: ["sort", "limit"], noNullPrototype: true },
    );
    await fc.assert(
      fc.asyncProperty(query, async (one) => {
        const [expected, found] = await Promise.all(
          stores.map((store) => all((ask) => store.query?.(ask, {}) as Promise<QueryPage>, one)),
        );
        expect(found).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("a token of another query is refused", async () => {
    const { settings } = await startServer("postgres");
    const store = await openDriver(postgresqlDriver, { ...settings, tableName: "queried" });
    const ask = (token: string) => store.query?.({ prefix: "", sort: [], limit: 1, metadata: {}, token }, {});
    for (const token of [
      "x",
      Buffer.from("[1]").toString("base64url"),
      Buffer.from('["1","k"]').toString("base64url"),
    ]) {
      await expect(ask(token)).rejects.toMatchObject({ reason: "malformedRequest" });
    }
  });
});
