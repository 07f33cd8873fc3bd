import { expect, test } from "vitest";
import type { SetOptions } from "../../components/contract/state.ts";
import { bytes, fresh, type StateBench, toText } from "./target.ts";

type OpenBench = () => Promise<StateBench>;

const mismatch = { reason: "etagMismatch" };

/** The cases of several writes at once. */
export function transactionCases(open: OpenBench, hasEtag: boolean): void {
  const set = (key: string, text: string, options: SetOptions = {}) =>
    ({ kind: "set", key, data: bytes(text), options }) as const;

  test("all writes of a transaction are done", async () => {
    const { opened } = await open();
    const [kept, gone, added] = [fresh("a"), fresh("b"), fresh("c")];
    await opened.set(gone, bytes("1"), {}, {});
    await opened.transact?.([set(kept, "1"), { kind: "delete", key: gone, options: {} }, set(added, "2")], {});
    expect(toText((await opened.get(kept, {}, {}))?.data)).toBe("1");
    expect(toText((await opened.get(added, {}, {}))?.data)).toBe("2");
    expect(await opened.get(gone, {}, {})).toBeUndefined();
  });

  test("the operations of a transaction take effect in their order", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.transact?.([set(key, "1"), { kind: "delete", key, options: {} }, set(key, "2"), set(key, "3")], {});
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe("3");
  });

  test("a transaction of nothing succeeds", async () => {
    const { opened } = await open();
    await opened.transact?.([], {});
  });

  test.runIf(hasEtag)("one refused operation undoes the whole transaction", async () => {
    const { opened } = await open();
    const [before, key, after, deleted] = [fresh("a"), fresh("b"), fresh("c"), fresh("d")];
    await opened.set(key, bytes("1"), {}, {});
    await opened.set(deleted, bytes("1"), {}, {});
    const stale = (await opened.get(key, {}, {}))?.etag as string;
    await opened.set(key, bytes("2"), {}, {});
    const operations = [
      set(before, "x"),
      { kind: "delete", key: deleted, options: {} } as const,
      set(key, "x", { etag: stale }),
      set(after, "x"),
    ];
    await expect(opened.transact?.(operations, {})).rejects.toMatchObject(mismatch);
    const read = await Promise.all([before, key, after, deleted].map((one) => opened.get(one, {}, {})));
    expect(read.map((entry) => toText(entry?.data))).toEqual([undefined, "2", undefined, "1"]);
  });

  test.runIf(hasEtag)("a transaction whose etags are current succeeds", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), {}, {});
    const { etag } = (await opened.get(key, {}, {})) ?? {};
    await opened.transact?.([set(key, "2", { etag })], {});
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe("2");
  });
}

/** The cases of several reads at once. */
export function bulkCases(open: OpenBench): void {
  test("several keys are read at once, in their order, absent ones as nothing", async () => {
    const { opened } = await open();
    const [a, b, absent] = [fresh("a"), fresh("b"), fresh("c")];
    await opened.set(a, bytes("1"), {}, {});
    await opened.set(b, bytes("2"), {}, {});
    const entries = await opened.getMany?.([b, absent, a, b], {}, {});
    expect(entries?.map((entry) => toText(entry?.data))).toEqual(["2", undefined, "1", "2"]);
    expect(entries?.[2]).toEqual(await opened.get(a, {}, {}));
  });

  test("reading no keys answers nothing", async () => {
    const { opened } = await open();
    expect(await opened.getMany?.([], {}, {})).toEqual([]);
  });
}
