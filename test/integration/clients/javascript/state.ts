import { type DaprClient, StateConcurrencyEnum, StateConsistencyEnum } from "@dapr/dapr";
import { equal, hold, refused, step } from "./steps.ts";

const firstWrite = {
  concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE,
  consistency: StateConsistencyEnum.CONSISTENCY_STRONG,
};
const page = { sort: [{ key: "n", order: "DESC" as const }], page: { limit: 2 } };

/** The state API of one store; step names begin with `type`. */
export async function stateSteps({ state }: DaprClient, store: string, type: string): Promise<void> {
  const it = (name: string, run: () => Promise<void>) => step(`${type}: ${name}`, run);
  const etagOf = async (key: string): Promise<string> => {
    const [item] = await state.getBulk(store, [key]);
    return String(item?.["etag"]);
  };
  await it("a saved object comes back", async () => {
    equal(await state.save(store, [{ key: "object", value: { n: 1, text: "ä" } }]), {});
    equal(await state.get(store, "object"), { n: 1, text: "ä" });
  });
  await it("a saved text comes back", async () => {
    await state.save(store, [{ key: "text", value: "plain" }]);
    equal(await state.get(store, "text"), "plain");
  });
  await it("an absent key is empty", async () => equal(await state.get(store, "absent"), ""));
  await it("several keys are read at once", async () => {
    await state.save(store, [
      { key: "one", value: { n: 1 } },
      { key: "two", value: { n: 2 } },
    ]);
    const items = await state.getBulk(store, ["one", "two", "absent"]);
    const byKey = Object.fromEntries(items.map(({ key, data }) => [key, data]));
    equal([byKey["one"], byKey["two"], byKey["absent"] ?? ""], [{ n: 1 }, { n: 2 }, ""]);
  });
  await it("a value with the current etag is saved", async () => {
    const etag = await etagOf("one");
    equal(await state.save(store, [{ key: "one", value: { n: 3 }, etag, options: firstWrite }]), {});
    equal(await state.get(store, "one"), { n: 3 });
  });
  await it("a stale etag is refused", async () => {
    const etag = await etagOf("one");
    await state.save(store, [{ key: "one", value: { n: 4 } }]);
    await refused(state.save(store, [{ key: "one", value: { n: 5 }, etag, options: firstWrite }]), "etag");
    equal(await state.get(store, "one"), { n: 4 });
  });
  await it("a delete with a stale etag is refused", async () => {
    const etag = await etagOf("one");
    await state.save(store, [{ key: "one", value: { n: 6 } }]);
    await refused(state.delete(store, "one", { etag, ...firstWrite }), "etag");
    equal(await state.get(store, "one"), { n: 6 });
  });
  await it("a deleted key is gone", async () => {
    equal(await state.delete(store, "one"), {});
    equal(await state.get(store, "one"), "");
  });
  await it("a transaction writes and deletes together", async () => {
    await state.transaction(store, [
      { operation: "upsert", request: { key: "written", value: "by transaction" } },
      { operation: "delete", request: { key: "two" } },
    ]);
    equal([await state.get(store, "written"), await state.get(store, "two")], ["by transaction", ""]);
  });
  await it("a value with a time to live is kept until then", async () => {
    equal(await state.save(store, [{ key: "brief", value: "x", metadata: { ttlInSeconds: "100" } }]), {});
    equal(await state.get(store, "brief"), "x");
  });
  await it("a query filters, sorts and pages", async () => {
    const metadata = { contentType: "application/json" };
    const values = [1, 2, 3].map((n) => ({ key: `item${n}`, value: { n, kind: `${type}-query` }, metadata }));
    equal(await state.save(store, values), {});
    const filter = { EQ: { kind: `${type}-query` } };
    const { results, token } = await state.query(store, { filter, ...page });
    equal(
      results.map(({ key }) => key).map((key) => key.replace(/^.*\|\|/, "")),
      ["item3", "item2"],
    );
    hold(token !== undefined && token !== "", token);
  });
  await it("a query that finds nothing is empty", async () => {
    const { results } = await state.query(store, { filter: { EQ: { kind: "nothing" } }, ...page });
    equal(results, []);
  });
  await it("a key with the separator is refused", () =>
    refused(state.save(store, [{ key: "a||b", value: "x" }]), "a||b"));
}
