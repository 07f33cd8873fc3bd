import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import type { BindingRequest } from "../../components/contract/bindings.ts";
import type { ConfigurationItems } from "../../components/contract/configuration.ts";
import type { IncomingMessage } from "../../components/contract/pubsub.ts";
import redisBindings from "../../components/redis/bindings.ts";
import redisConfiguration from "../../components/redis/configuration.ts";
import redisLock from "../../components/redis/lock.ts";
import redisPubsub from "../../components/redis/pubsub.ts";
import redisState from "../../components/redis/state.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("redis"));
const bytes = (text: string) => Buffer.from(text);
const quick = { redisMinRetryInterval: 5, redisMaxRetryInterval: 50 };

/** A server of the test's own, and a client that looks at it as other programs do. */
async function withServer() {
  const server = await startServer("redis", { own: true });
  const admin = new Redis(server.port);
  onTestFinished(() => admin.disconnect());
  return { admin, server, settings: { ...quick, redisHost: `127.0.0.1:${server.port}` } };
}

describe.skipIf(isMissing)("what state.redis keeps", () => {
  test("is a hash of data and version, which others may read and write", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await store.set("app||k", bytes('{"a":1}'), {}, {});
    await store.set("app||k", bytes('{"a":2}'), {}, {});
    expect(await admin.hgetall("app||k")).toEqual({ data: '{"a":2}', version: "2" });
    await admin.hset("app||other", { data: "theirs", version: "41" });
    expect(await store.get("app||other", {}, {})).toEqual({ data: bytes("theirs"), etag: "41" });
    await store.set("app||other", bytes("ours"), { etag: "41" }, {});
    expect(await admin.hgetall("app||other")).toEqual({ data: "ours", version: "42" });
  });

  test("says when it was first written by first-write; then a write needs an etag, unless it says last-write", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await store.set("k", bytes("1"), { concurrency: "first-write" }, {});
    expect(await admin.hgetall("k")).toEqual({ data: "1", version: "1", "first-write": "0" });
    await expect(store.set("k", bytes("2"), {}, {})).rejects.toMatchObject({ reason: "etagMismatch" });
    await store.set("k", bytes("2"), { concurrency: "last-write" }, {});
    await store.set("k", bytes("3"), { etag: "2" }, {});
    expect(await admin.hget("k", "data")).toBe("3");
  });

  test("may have been a plain text, which is read, and replaced by the first write", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await admin.set("old", "text", "EX", 100);
    const entry = await store.get("old", {}, {});
    expect(entry).toMatchObject({ data: bytes("text"), expiresAt: expect.any(Number) });
    expect(entry?.etag).toBeUndefined();
    await expect(store.set("old", bytes("x"), { etag: "1" }, {})).rejects.toMatchObject({ reason: "etagMismatch" });
    await store.set("old", bytes("new"), {}, {});
    expect(await admin.hgetall("old")).toEqual({ data: "new", version: "1" });
    expect(await admin.pttl("old")).toBe(-1);
  });

  test("ends after the component's time to live, unless the request says otherwise", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, { ...settings, ttlInSeconds: 100 });
    await store.set("default", bytes("1"), {}, {});
    await store.set("short", bytes("1"), { ttlSeconds: 10 }, {});
    await store.set("endless", bytes("1"), { metadata: { ttlInSeconds: "-1" } }, {});
    expect(await Promise.all(["default", "short", "endless"].map((key) => admin.ttl(key)))).toEqual([100, 10, -1]);
    expect((await store.get("default", {}, {}))?.expiresAt).toBe(await admin.pexpiretime("default"));
  });

  test("comes to be although the server has forgotten its scripts", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, settings);
    await store.set("k", bytes("1"), {}, {});
    await admin.script("FLUSH");
    await store.set("k", bytes("2"), {}, {});
    expect((await store.get("k", {}, {}))?.etag).toBe("2");
  });

  test("is in the database of the setting", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisState, { ...settings, redisDB: 3 });
    await store.set("k", bytes("1"), {}, {});
    expect(await admin.exists("k")).toBe(0);
    await admin.select(3);
    expect(await admin.exists("k")).toBe(1);
  });

  test("of components set alike goes over one connection, which ends with the last of them", async () => {
    const { admin, settings } = await withServer();
    const clients = async () => String(await admin.client("LIST")).split("name=mecha-app").length - 1;
    const stores = await Promise.all([openDriver(redisState, settings), openDriver(redisState, settings)]);
    expect(await clients()).toBe(1);
    await stores[0].close();
    await stores[1].set("k", bytes("1"), {}, {});
    await stores[1].close();
    await expect.poll(clients).toBe(0);
  });
});

describe.skipIf(isMissing)("what pubsub.redis keeps", () => {
  const open = async (more: Readonly<Record<string, unknown>> = {}) => {
    const { admin, settings } = await withServer();
    const log = new KeptLog();
    const broker = await openDriver(redisPubsub, { ...settings, ...more }, openContext({ log }));
    const messages: IncomingMessage[] = [];
    const subscribe = () =>
      broker.subscribe(
        { topic: "t", group: "g", metadata: {}, concurrency: 10 },
        async (message) => {
          messages.push(message);
          return "ack";
        },
        {},
      );
    const publish = (text: string, metadata = {}) => broker.publish({ topic: "t", data: bytes(text), metadata }, {});
    return { admin, log, messages, subscribe, publish };
  };

  test("is a stream with data and metadata, which others may read and write", async () => {
    const { admin, messages, subscribe, publish } = await open();
    await publish("plain");
    await publish("rich", { partitionKey: "k" });
    const entries = (await admin.xrange("t", "-", "+")).map(([, fields]) => fields);
    expect(entries).toEqual([
      ["data", "plain"],
      ["data", "rich", "metadata", '{"partitionKey":"k"}'],
    ]);
    await admin.xadd("t", "*", "data", "theirs", "metadata", "no JSON");
    await admin.xadd("t", "*", "other", "field");
    await subscribe();
    await expect.poll(() => messages.length).toBe(4);
    expect(messages.map(({ data }) => Buffer.from(data).toString())).toEqual(["plain", "rich", "theirs", ""]);
    expect(messages[1]?.metadata).toEqual({ partitionKey: "k" });
    await expect.poll(async () => ((await admin.xpending("t", "g")) as unknown[])[0]).toBe(0);
  });

  test("leaves no consumer behind that holds nothing", async () => {
    const { admin, messages, subscribe, publish } = await open();
    const subscription = await subscribe();
    await publish("1");
    await expect.poll(() => messages.length).toBe(1);
    expect(await admin.xinfo("CONSUMERS", "t", "g")).toHaveLength(1);
    await subscription.close();
    expect(await admin.xinfo("CONSUMERS", "t", "g")).toHaveLength(0);
  });

  test("comes to be anew when somebody deletes the stream", async () => {
    const { admin, log, messages, subscribe, publish } = await open();
    await subscribe();
    await publish("1");
    await expect.poll(() => messages.length).toBe(1);
    await admin.del("t");
    await publish("2");
    await expect.poll(() => messages.length).toBe(2);
    expect(log.lines.join("\n")).toMatch(/topic t for g: its consumer group is gone/);
  });

  test("grows no longer than maxLenApprox, and no older than streamTTL", async () => {
    const { admin, publish } = await open({ maxLenApprox: 100 });
    for (let n = 0; n < 500; n += 1) await publish(String(n));
    expect(await admin.xlen("t")).toBeLessThan(300);
    const aged = await open({ streamTTL: 60_000, maxLenApprox: 100_000 });
    for (let n = 0; n < 300; n += 1) await aged.admin.xadd("t", `${1000 + n}-0`, "data", "old");
    await aged.publish("new");
    expect(await aged.admin.xlen("t")).toBeLessThan(150);
  });
});

describe.skipIf(isMissing)("pubsub.redis in a cluster", () => {
  test("delivers topics of every node, and gives back what a closing subscriber has not handled", async () => {
    const { settings } = await startServer("redis", { variant: "cluster" });
    const broker = await openDriver(redisPubsub, { ...settings, ...quick, readTimeout: 500 });
    const topics = Array.from({ length: 6 }, (_, n) => `cluster-topic-${n}`);
    const [first, second]: [string[], string[]] = [[], []];
    let finish = () => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const subscribe = (topic: string, into: string[], before: Promise<void>) =>
      broker.subscribe(
        { topic, group: "g", metadata: {}, concurrency: 1 },
        async ({ data, attempt }) => {
          into.push(`${topic} ${Buffer.from(data).toString()} ${attempt}`);
          await before;
          return "ack";
        },
        {},
      );
    const subscriptions = await Promise.all(topics.map((topic) => subscribe(topic, first, gate)));
    for (const topic of topics) {
      for (const text of ["1", "2"]) await broker.publish({ topic, data: bytes(text), metadata: {} }, {});
    }
    await expect.poll(() => first.length).toBe(topics.length);
    const closing = Promise.all(subscriptions.map((subscription) => subscription.close()));
    finish();
    await closing;
    await Promise.all(topics.map((topic) => subscribe(topic, second, gate)));
    await expect.poll(() => second.length, { timeout: 10_000 }).toBe(topics.length);
    expect([first.sort(), second.sort()]).toEqual([
      topics.map((topic) => `${topic} 1 1`),
      topics.map((topic) => `${topic} 2 1`),
    ]);
  });
});

describe.skipIf(isMissing)("what lock.redis keeps", () => {
  test("is a text with the owner that ends by itself, as others read it", async () => {
    const { admin, settings } = await withServer();
    const locks = await openDriver(redisLock, settings);
    const request = { resource: "lock||app||r", owner: "one", expirySeconds: 100 };
    expect(await locks.tryLock(request, {})).toBe(true);
    expect([await admin.get("lock||app||r"), await admin.ttl("lock||app||r")]).toEqual(["one", 100]);
    await admin.set("lock||app||theirs", "two", "EX", 100);
    expect(await locks.tryLock({ ...request, resource: "lock||app||theirs" }, {})).toBe(false);
    await locks.unlock("lock||app||r", "one", {});
    expect(await admin.keys("lock||app||r*")).toEqual([]);
  });
});

describe.skipIf(isMissing)("configuration.redis", () => {
  test("reads a value and its version, and nothing behind a second mark", async () => {
    const { admin, settings } = await withServer();
    const store = await openDriver(redisConfiguration, settings);
    await admin.mset({ plain: "1", versioned: "2||v2", odd: "3||v3||more" });
    await admin.hset("hash", "a", "b");
    const item = (value: string, version = "") => ({ value, version, metadata: {} });
    expect(await store.get([], {}, {})).toEqual({ plain: item("1"), versioned: item("2", "v2"), odd: item("3", "v3") });
  });

  test("switches the server's notifications on, beside those it had, and says so", async () => {
    const { admin, settings } = await withServer();
    await admin.config("SET", "notify-keyspace-events", "El");
    const log = new KeptLog();
    const store = await openDriver(redisConfiguration, settings, openContext({ log }));
    await store.subscribe(["k"], {}, () => {}, {});
    const [, flags = ""] = (await admin.config("GET", "notify-keyspace-events")) as string[];
    expect([...flags].sort().join("")).toBe([..."ElKg$xe"].sort().join(""));
    expect(log.lines.join("\n")).toMatch(/notify-keyspace-events of Redis at 127.0.0.1:\d+ was .* and is now/);
  });

  test("says what to do where the server does not let it", async () => {
    const { admin, settings } = await withServer();
    await admin.call("ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+@all", "-config");
    const log = new KeptLog();
    const user = { redisUsername: "reader", redisPassword: "secret" };
    const store = await openDriver(redisConfiguration, { ...settings, ...user }, openContext({ log }));
    await store.subscribe(["k"], {}, () => {}, {});
    expect(log.lines.join("\n")).toMatch(/warn .*set notify-keyspace-events to Kg\$xe there/);
  });

  test("tells after a lost connection what has changed meanwhile, and hears on", async () => {
    const { admin, server, settings } = await withServer();
    const proxy = await startTcpProxy(server.port);
    const store = await openDriver(redisConfiguration, { ...settings, redisHost: `127.0.0.1:${proxy.port}` });
    await admin.mset({ a: "1", b: "1" });
    const told: ConfigurationItems[] = [];
    await store.subscribe(["a", "b"], {}, (items) => told.push(items), {});
    proxy.refuse(true);
    await admin.set("a", "2||v2");
    proxy.refuse(false);
    await expect.poll(() => told).toEqual([{ a: { value: "2", version: "v2", metadata: {} } }]);
    await admin.set("b", "2");
    await expect.poll(() => told.length).toBe(2);
  });

  test("hears of the keys of every node of a cluster", async () => {
    const { settings, host, port } = await startServer("redis", { variant: "cluster" });
    const cluster = new Redis.Cluster([{ host, port }]);
    onTestFinished(() => cluster.disconnect());
    const store = await openDriver(redisConfiguration, { ...settings, ...quick });
    const keys = Array.from({ length: 12 }, (_, n) => `item-${n}`);
    const told = new Set<string>();
    await store.subscribe(keys, {}, (items) => Object.keys(items).forEach((key) => void told.add(key)), {});
    await Promise.all(keys.map((key) => cluster.set(key, "1")));
    await expect.poll(() => told.size).toBe(keys.length);
    expect(Object.keys(await store.get([], {}, {})).sort()).toEqual(expect.arrayContaining([...keys].sort()));
  });
});

describe.skipIf(isMissing)("bindings.redis", () => {
  const open = async () => {
    const { admin, settings } = await withServer();
    const binding = await openDriver(redisBindings, settings);
    const invoke = async (operation: string, metadata: BindingRequest["metadata"], text = "") =>
      (
        await binding.invoke?.({ operation, data: bytes(text), metadata: { key: "k", ...metadata } }, {})
      )?.data?.toString();
    return { admin, invoke };
  };

  test("sets, reads and deletes", async () => {
    const { admin, invoke } = await open();
    expect(await invoke("create", {}, "value")).toBeUndefined();
    expect([await admin.get("k"), await admin.ttl("k")]).toEqual(["value", -1]);
    expect(await invoke("get", {})).toBe("value");
    expect(await invoke("delete", {})).toBeUndefined();
    expect(await invoke("get", {})).toBeUndefined();
  });

  test("lets a value end, and takes it out while reading it", async () => {
    const { admin, invoke } = await open();
    await invoke("create", { ttlInSeconds: "100" }, "value");
    expect(await admin.ttl("k")).toBe(100);
    expect(await invoke("get", { delete: "true" })).toBe("value");
    expect(await admin.exists("k")).toBe(0);
  });

  test("counts up and answers the new value", async () => {
    const { admin, invoke } = await open();
    expect(await invoke("increment", {})).toBe("1");
    expect(await invoke("increment", { ttlInSeconds: "100" })).toBe("2");
    expect(await admin.ttl("k")).toBe(100);
  });
});
