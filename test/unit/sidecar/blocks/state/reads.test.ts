import { describe, expect, it } from "vitest";
import { readMany, readOne } from "../../../../../sidecar/blocks/state/reads.ts";
import type { MechaError } from "../../../../../specs/errors.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { openStores } from "./store-under-test.ts";

const none = { metadata: {} };
const reasonOf = (running: Promise<unknown>) => running.catch((error: MechaError) => error.reason);

describe("reading one value", () => {
  it("gives data, etag and when it ends", async () => {
    const clock = new FakeClock(Date.UTC(2026, 0, 1));
    const { store, opened } = await openStores({ clock });
    await opened.set("app||k", Buffer.from("1"), { ttlSeconds: 90 }, {});
    expect(await readOne(store, "k", none, {})).toEqual({
      data: new Uint8Array(Buffer.from("1")),
      etag: expect.stringMatching(/./),
      metadata: { ttlExpireTime: "2026-01-01T00:01:30.000Z" },
    });
    expect(await readOne(store, "other", none, {})).toBeUndefined();
  });

  it("hands consistency, metadata and the caller's signal to the store", async () => {
    const seen: unknown[] = [];
    const { store } = await openStores({
      opened: {
        get: async (...args) => {
          seen.push(args);
          return undefined;
        },
      },
    });
    const call = { signal: new AbortController().signal };
    await readOne(store, "k", { consistency: 2, metadata: { a: "b" } }, call);
    expect(seen).toEqual([["app||k", { consistency: "strong", metadata: { a: "b" } }, call]]);
  });

  it("says which key of which store could not be read", async () => {
    const { store } = await openStores({ opened: { get: () => Promise.reject(new Error("disk")) } });
    await expect(readOne(store, "k", none, {})).rejects.toThrow("fail to get k from state store store: disk");
    expect(await reasonOf(readOne(store, "a||b", none, {}))).toBe("stateKeyIllegal");
  });

  it("says so when a value cannot be decrypted", async () => {
    const { store, opened } = await openStores({ runtime: { primaryEncryptionKey: "00".repeat(16) } });
    await opened.set("app||k", Buffer.from("plain"), {}, {});
    expect(await reasonOf(readOne(store, "k", none, {}))).toBe("stateGet");
    expect(await readMany(store, ["k"], none, {})).toMatchObject([
      { key: "k", error: expect.stringContaining("is not encrypted") },
    ]);
  });
});

describe("reading several values", () => {
  it("keeps the order of the keys and tells absent ones by having nothing", async () => {
    const { store, opened } = await openStores();
    await opened.set("app||a", Buffer.from("1"), {}, {});
    await opened.set("app||c", Buffer.from("3"), {}, {});
    const many = await readMany(store, ["c", "b", "a", "c"], none, {});
    expect(many.map(({ key, data }) => [key, data && Buffer.from(data).toString()])).toEqual([
      ["c", "3"],
      ["b", undefined],
      ["a", "1"],
      ["c", "3"],
    ]);
  });

  it("tells a failure per key where the store reads one by one", async () => {
    const { store } = await openStores({
      opened: {
        get: async (key) => {
          if (key === "app||bad") throw new Error("disk");
          return { data: Buffer.from("1") };
        },
      },
    });
    const { getMany: _, ...opened } = store.opened;
    expect(await readMany({ ...store, opened }, ["good", "bad"], none, {})).toEqual([
      { key: "good", data: Buffer.from("1"), etag: "", metadata: {} },
      { key: "bad", error: "disk" },
    ]);
  });

  it.each([
    [1, 1],
    [3, 3],
    [0, 10],
    [-1, 10],
    [100, 20],
  ])("with parallelism %i has at most %i reads at once", async (parallelism, expected) => {
    let now = 0;
    let most = 0;
    const { store } = await openStores({
      opened: {
        async get() {
          most = Math.max(most, ++now);
          await new Promise((turn) => setImmediate(turn));
          now--;
          return undefined;
        },
      },
    });
    const { getMany: _, ...opened } = store.opened;
    const keys = Array.from({ length: 20 }, (_unused, i) => `k${i}`);
    expect(await readMany({ ...store, opened }, keys, { parallelism, metadata: {} }, {})).toHaveLength(20);
    expect(most).toBe(expected);
  });

  it("fails as a whole for a bad key, or when the store's own bulk read fails", async () => {
    const { store } = await openStores({ opened: { getMany: () => Promise.reject(new Error("disk")) } });
    expect(await reasonOf(readMany(store, ["a", "a||b"], none, {}))).toBe("stateKeyIllegal");
    expect(await reasonOf(readMany(store, ["a"], none, {}))).toBe("stateBulkGet");
  });

  it("of no keys reads nothing", async () => {
    const { store } = await openStores();
    expect(await readMany(store, [], none, {})).toEqual([]);
  });
});
