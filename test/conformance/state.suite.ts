import { expect, test } from "vitest";
import type { SetOptions, StateCapability, StateDriver, WriteOptions } from "../../components/contract/state.ts";
import { journalSuite } from "./journal.suite.ts";
import { bulkCases, transactionCases } from "./state-many.suite.ts";
import { statePageCases } from "./state-pages.suite.ts";
import { bytes, fresh, large, openBench, type StateBench, type Target, toText } from "./target.ts";

export interface StateTarget extends Target<StateDriver> {
  /** The store cannot list in order. */
  readonly unordered?: boolean;
  /** Its data is that of one opening; another one sees nothing of it. */
  readonly isPrivate?: boolean;
}

const mismatch = { reason: "etagMismatch" };

/** What every state store must do. */
export function stateSuite(target: StateTarget): void {
  const { driver } = target;
  const open = () => openBench(target) as Promise<StateBench>;
  const has = (capability: StateCapability) => driver.capabilities.includes(capability);

  basicCases(open, target);
  if (has("etag")) etagCases(open);
  else noEtagCase(open);
  if (has("ttl")) ttlCases(open);
  else noTtlCase(open);
  if (has("transaction")) transactionCases(open, has("etag"));
  else absentCase(open, "transact", "the store offers no transactions");
  if (has("bulkGet")) bulkCases(open);
  else absentCase(open, "getMany", "the store offers no bulk reads");
  statePageCases(open, { hasQuery: has("query"), isOrdered: !target.unordered });
  if (!has("query")) absentCase(open, "query", "the store offers no queries");
  if (has("journal")) journalSuite(target);
  closeCases(open);
}

type OpenBench = () => Promise<StateBench>;

function absentCase(open: OpenBench, method: "transact" | "getMany" | "query", sentence: string): void {
  test(sentence, async () => {
    const { opened } = await open();
    expect(opened[method]).toBeUndefined();
  });
}

function basicCases(open: OpenBench, target: StateTarget): void {
  test("a value is read back as it was written", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes('{"n": 1.0, "t": "ä"}'), {}, {});
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe('{"n": 1.0, "t": "ä"}');
  });

  test.each([
    ["no bytes at all", Buffer.alloc(0)],
    ["every byte", Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
    ["text with a NUL in it", Buffer.from("a\0b")],
    ["many bytes", large(target)],
  ])("%s come back unchanged", async (_, data) => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, data, {}, {});
    const entry = await opened.get(key, {}, {});
    expect(entry && Buffer.compare(entry.data, data)).toBe(0);
  });

  test("a value does not change with the bytes it was written from", async () => {
    const { opened } = await open();
    const key = fresh("k");
    const data = bytes("before");
    await opened.set(key, data, {}, {});
    data.fill("x");
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe("before");
  });

  test("an absent key reads as nothing", async () => {
    const { opened } = await open();
    expect(await opened.get(fresh("k"), {}, {})).toBeUndefined();
  });

  test("keys are told apart by every character", async () => {
    const { opened } = await open();
    const keys = ["a", "A", "a ", "a%", "a_", "a'\"", "ä", "鍵", "🔑", "a/b"].map((end) => `${fresh("k")}||${end}`);
    await Promise.all(keys.map((key) => opened.set(key, bytes(key), {}, {})));
    for (const key of keys) expect(toText((await opened.get(key, {}, {}))?.data)).toBe(key);
  });

  test("a later write takes the place of an earlier one", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("one"), {}, {});
    await opened.set(key, bytes("two"), {}, {});
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe("two");
  });

  test("a deleted key is absent, and deleting it again succeeds", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), {}, {});
    await opened.delete(key, {}, {});
    expect(await opened.get(key, {}, {})).toBeUndefined();
    await opened.delete(key, {}, {});
  });

  test("writes at the same time all arrive", async () => {
    const { opened } = await open();
    const keys = Array.from({ length: 200 }, () => fresh("k"));
    await Promise.all(keys.map((key) => opened.set(key, bytes(key), {}, {})));
    const entries = await Promise.all(keys.map((key) => opened.get(key, {}, {})));
    expect(entries.map((entry) => toText(entry?.data))).toEqual(keys);
  });

  test("a call whose caller has left changes nothing or succeeds", async () => {
    const { opened } = await open();
    const key = fresh("k");
    const write = opened.set(key, bytes("1"), {}, { signal: AbortSignal.abort(new Error("left")) });
    const isWritten = await write.then(
      () => true,
      () => false,
    );
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe(isWritten ? "1" : undefined);
  });
}

function etagCases(open: OpenBench): void {
  const written = async (options: SetOptions = {}) => {
    const bench = await open();
    const { opened } = bench;
    const key = fresh("k");
    await opened.set(key, bytes("first"), options, {});
    const read = async () => toText((await opened.get(key, {}, {}))?.data);
    const etag = async () => (await opened.get(key, {}, {}))?.etag as string;
    return { ...bench, key, read, etag };
  };

  test("each write gives the value a new etag, also when the value stays the same", async () => {
    const { opened, key, etag } = await written();
    const before = await etag();
    await opened.set(key, bytes("first"), {}, {});
    expect(before).toEqual(expect.any(String));
    expect(await etag()).not.toBe(before);
  });

  test("a write with the stored etag succeeds", async () => {
    const { opened, key, read, etag } = await written();
    await opened.set(key, bytes("second"), { etag: await etag() }, {});
    expect(await read()).toBe("second");
  });

  test.each<WriteOptions["concurrency"]>([undefined, "first-write", "last-write"])(
    "a write with a stale etag and concurrency %s is refused and changes nothing",
    async (concurrency) => {
      const { opened, key, read, etag } = await written();
      const stale = await etag();
      await opened.set(key, bytes("second"), {}, {});
      const current = await etag();
      await expect(opened.set(key, bytes("third"), { etag: stale, concurrency }, {})).rejects.toMatchObject(mismatch);
      expect([await read(), await etag()]).toEqual(["second", current]);
    },
  );

  test("a write with an etag to an absent key is refused", async () => {
    const { opened, etag } = await written();
    const other = fresh("k");
    await expect(opened.set(other, bytes("1"), { etag: await etag() }, {})).rejects.toMatchObject(mismatch);
    expect(await opened.get(other, {}, {})).toBeUndefined();
  });

  test("a deletion with a stale etag is refused, with the stored one it succeeds", async () => {
    const { opened, key, read, etag } = await written();
    const stale = await etag();
    await opened.set(key, bytes("second"), {}, {});
    await expect(opened.delete(key, { etag: stale }, {})).rejects.toMatchObject(mismatch);
    expect(await read()).toBe("second");
    await opened.delete(key, { etag: await etag() }, {});
    expect(await read()).toBeUndefined();
  });

  test("a deletion of an absent key with an etag is refused", async () => {
    const { opened, etag } = await written();
    await expect(opened.delete(fresh("k"), { etag: await etag() }, {})).rejects.toMatchObject(mismatch);
  });

  test("first-write without etag writes an absent key only", async () => {
    const { opened, key, read } = await written({ concurrency: "first-write" });
    const again = opened.set(key, bytes("second"), { concurrency: "first-write" }, {});
    await expect(again).rejects.toMatchObject(mismatch);
    expect(await read()).toBe("first");
    await opened.delete(key, {}, {});
    await opened.set(key, bytes("third"), { concurrency: "first-write" }, {});
    expect(await read()).toBe("third");
  });

  test("of several writes with the same etag one wins", async () => {
    const { opened, key, read, etag } = await written();
    const current = await etag();
    const writes = Array.from({ length: 20 }, (_, n) => opened.set(key, bytes(String(n)), { etag: current }, {}));
    const results = await Promise.allSettled(writes);
    const winners = results.flatMap(({ status }, n) => (status === "fulfilled" ? [String(n)] : []));
    expect(winners).toHaveLength(1);
    expect(await read()).toBe(winners[0]);
  });

  test("a refused write leaves the writes beside it alone", async () => {
    const { opened, key } = await written();
    const others = Array.from({ length: 10 }, () => fresh("k"));
    const refused = opened.set(key, bytes("x"), { etag: "stale" }, {});
    await Promise.all([
      expect(refused).rejects.toMatchObject({ name: "MechaError" }),
      ...others.map((other) => opened.set(other, bytes("1"), {}, {})),
    ]);
    for (const other of others) expect(await opened.get(other, {}, {})).toBeDefined();
  });
}

function noEtagCase(open: OpenBench): void {
  test("the store gives no etags", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), {}, {});
    expect((await opened.get(key, {}, {}))?.etag).toBeUndefined();
  });
}

function ttlCases(open: OpenBench): void {
  test("a value with a time to live says when it ends, and is gone then", async () => {
    const { opened, until } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), { ttlSeconds: 1 }, {});
    expect((await opened.get(key, {}, {}))?.expiresAt).toEqual(expect.any(Number));
    await until(async () => (await opened.get(key, {}, {})) === undefined);
    expect((await opened.list({ prefix: key, limit: 10 }, {})).keys).toEqual([]);
  });

  test("a value without a time to live says no end", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), {}, {});
    expect((await opened.get(key, {}, {}))?.expiresAt).toBeUndefined();
  });

  test("a write without a time to live takes the earlier end off", async () => {
    const { opened, pass } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), { ttlSeconds: 1 }, {});
    await opened.set(key, bytes("2"), {}, {});
    await pass(1200);
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe("2");
  });

  test("an ended value counts as absent for the next write", async () => {
    const { opened, until } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), { ttlSeconds: 1 }, {});
    await until(async () => (await opened.get(key, {}, {})) === undefined);
    await opened.set(key, bytes("2"), { concurrency: "first-write" }, {});
    expect(toText((await opened.get(key, {}, {}))?.data)).toBe("2");
  });
}

function noTtlCase(open: OpenBench): void {
  test("a value says no end, whatever time to live is asked for", async () => {
    const { opened } = await open();
    const key = fresh("k");
    await opened.set(key, bytes("1"), { ttlSeconds: 1 }, {});
    expect((await opened.get(key, {}, {}))?.expiresAt).toBeUndefined();
  });
}

function closeCases(open: OpenBench): void {
  test("closing twice is closing once", async () => {
    const { opened } = await open();
    await opened.close();
    await opened.close();
  });

  test("a write that goes on while the store is closed is answered", async () => {
    const { opened } = await open();
    const write = opened.set(fresh("k"), bytes("1"), {}, {});
    await opened.close();
    await Promise.allSettled([write]);
  });
}
