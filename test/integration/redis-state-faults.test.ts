import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import type { StateStore } from "../../components/contract/state.ts";
import redisState from "../../components/redis/state.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("redis"));
/** Short pauses, so that a test sees many faults. */
const quick = { redisMinRetryInterval: 10, redisMaxRetryInterval: 100, redisMaxRetries: 20 };
const open = (port: number, more: Readonly<Record<string, unknown>> = {}) =>
  openDriver(redisState, { redisHost: `127.0.0.1:${port}`, ...quick, ...more });

/** Settles when a number has grown by so much. */
async function progress(count: () => number, by: number): Promise<void> {
  const enough = count() + by;
  await expect.poll(count, { interval: 5, timeout: 20_000 }).toBeGreaterThanOrEqual(enough);
}

const reasonOf = (error: unknown) => (error as { reason?: string }).reason;

/** Adds one to a counter under its etag; answers 1 when the store has said that it did, else 0. */
async function increment(store: StateStore, key: string): Promise<number> {
  const entry = await store.get(key, {}, {});
  const next = Number(entry?.data.toString() ?? "0") + 1;
  const options = entry?.etag === undefined ? ({ concurrency: "first-write" } as const) : { etag: entry.etag };
  try {
    await store.set(key, Buffer.from(String(next)), options, {});
    return 1;
  } catch (error) {
    // Somebody was faster, or the answer got lost.
    if (["etagMismatch", "backendUnavailable"].includes(reasonOf(error) ?? "")) return 0;
    throw error;
  }
}

describe.skipIf(isMissing)("state.redis through faults", { timeout: 120_000 }, () => {
  test("of increments by eight clients under etags none is lost", async () => {
    const server = await startServer("redis", { own: true });
    const proxies = await Promise.all(Array.from({ length: 8 }, () => startTcpProxy(server.port)));
    const stores = await Promise.all(proxies.map(({ port }) => open(port)));
    const key = "counter";
    let [isOver, acknowledged, unknown] = [false, 0, 0];
    const work = stores.map(async (store) => {
      while (!isOver) {
        try {
          acknowledged += await increment(store, key);
        } catch (error) {
          expect(reasonOf(error)).toBe("backendUnavailable");
          unknown += 1;
        }
      }
    });
    const someMore = () => progress(() => acknowledged, 10);
    for (let fault = 0; fault < 3; fault += 1) {
      for (const proxy of proxies) {
        await someMore();
        proxy.cut();
      }
      await someMore();
      await server.kill9();
      await server.restart();
      await someMore();
    }
    isOver = true;
    await Promise.all(work);
    const value = Number((await stores[0]?.get(key, {}, {}))?.data.toString());
    // A write whose answer got lost may have been done: then the counter is ahead of what was acknowledged.
    expect(value).toBeGreaterThanOrEqual(acknowledged);
    expect(Number((await stores[0]?.get(key, {}, {}))?.etag)).toBe(value);
    expect(unknown).toBe(0);
  });

  test("reads and unconditional writes go on over cut connections without an error", async () => {
    const server = await startServer("redis", { own: true });
    const proxy = await startTcpProxy(server.port);
    const store = await open(proxy.port);
    let isOver = false;
    let done = 0;
    const work = Array.from({ length: 4 }, async (_, n) => {
      while (!isOver) {
        await store.set(`k${n}`, Buffer.from(String(done)), {}, {});
        await store.get(`k${n}`, {}, {});
        done += 1;
      }
    });
    for (let fault = 0; fault < 20; fault += 1) {
      proxy.cut();
      await progress(() => done, 5);
    }
    isOver = true;
    await Promise.all(work);
    expect(proxy.connections).toBeGreaterThan(20);
  });

  test("a server that has gone silent is given up after readTimeout, and calls go on when it answers again", async () => {
    const server = await startServer("redis", { own: true });
    const proxy = await startTcpProxy(server.port);
    const store = await open(proxy.port, { readTimeout: 200, redisMaxRetries: 1, dialTimeout: 200 });
    await store.set("k", Buffer.from("1"), {}, {});
    proxy.hold(true);
    await expect(store.get("k", {}, {})).rejects.toMatchObject({ reason: "backendUnavailable" });
    proxy.hold(false);
    proxy.cut();
    await expect.poll(() => store.get("k", {}, {}).then((entry) => entry?.data.toString(), reasonOf)).toBe("1");
  });

  test("a server that is away is told by name, within the retries", async () => {
    const server = await startServer("redis", { own: true });
    const store = await open(server.port, { redisMaxRetries: 2 });
    await server.kill9();
    await expect(store.get("k", {}, {})).rejects.toThrow(/^under-test does not answer: .*ECONNREFUSED/);
    await expect(store.ping?.({})).rejects.toMatchObject({ reason: "backendUnavailable" });
    await server.restart();
    await expect.poll(() => store.ping?.({}).then(() => "there", reasonOf)).toBe("there");
  });

  test("a failover by a sentinel is followed, and nothing acknowledged by the replica is lost", async () => {
    const { settings, port } = await startServer("redis", { variant: "sentinel", own: true });
    const store = await openDriver(redisState, { ...settings, failover: true, ...quick });
    await store.set("before", Buffer.from("1"), { consistency: "strong" }, {});
    const sentinel = new Redis(port);
    await sentinel.call("SENTINEL", "FAILOVER", "mymaster");
    const write = () => store.set("after", Buffer.from("2"), {}, {}).then(() => "written", reasonOf);
    await expect.poll(write, { timeout: 20_000 }).toBe("written");
    expect((await store.get("before", {}, {}))?.data.toString()).toBe("1");
    sentinel.disconnect();
  });
});

describe.skipIf(isMissing)("state.redis in a cluster", () => {
  const openCluster = async () => {
    const { settings } = await startServer("redis", { variant: "cluster" });
    return openDriver(redisState, { ...settings, ...quick });
  };

  test("keys of all nodes are written, read and listed", async () => {
    const store = await openCluster();
    const keys = Array.from({ length: 100 }, (_, n) => `list||${String(n).padStart(3, "0")}`);
    await Promise.all(keys.map((key) => store.set(key, Buffer.from(key), {}, {})));
    expect((await store.getMany?.(keys, {}, {}))?.map((entry) => entry?.data.toString())).toEqual(keys);
    const first = await store.list({ prefix: "list||", limit: 60 }, {});
    const second = await store.list({ prefix: "list||", limit: 60, cursor: first.cursor }, {});
    expect([...first.keys, ...second.keys]).toEqual(keys);
  });

  test("a transaction within one node is all or nothing, one across nodes is refused with the way out", async () => {
    const store = await openCluster();
    const set = (key: string) => ({ kind: "set", key, data: Buffer.from("1"), options: {} }) as const;
    await store.transact?.([set("{one}a"), set("{one}b")], {});
    expect(await store.get("{one}b", {}, {})).toBeDefined();
    const stale = { kind: "set", key: "{one}b", data: Buffer.from("2"), options: { etag: "99" } } as const;
    await expect(store.transact?.([set("{one}c"), stale], {})).rejects.toMatchObject({ reason: "etagMismatch" });
    expect(await store.get("{one}c", {}, {})).toBeUndefined();
    await expect(store.transact?.([set("a"), set("b")], {})).rejects.toThrow(/same part in braces/);
  });
});
