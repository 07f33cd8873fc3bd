import { describe, expect, test } from "vitest";
import type { StateDriver } from "../../components/contract/state.ts";
import configurationDriver from "../../components/postgresql/configuration.ts";
import pubsubDriver from "../../components/postgresql/pubsub.ts";
import stateDriver from "../../components/postgresql/state.ts";
import stateV2Driver from "../../components/postgresql/state.v2.ts";
import { openContext, openDriver } from "../support/open-driver.ts";
import { requireService, type Server, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { runSql, until } from "./postgresql-sql.ts";

const isMissing = !(await requireService("postgres"));

/** A server of the test's own, and a way to it that can be cut. `text` gives each name connections of its own. */
async function faulty() {
  const server = await startServer("postgres", { own: true });
  const proxy = await startTcpProxy(server.port);
  const text = (name: string) =>
    `postgres://postgres@127.0.0.1:${proxy.port}/postgres?sslmode=disable&application_name=${name}`;
  return { server, proxy, text };
}

/** Does the work while faults happen, one after the other, spread over its steps. */
async function under(
  faults: readonly (() => unknown)[],
  steps: number,
  progress: () => number,
  work: Promise<unknown>,
) {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  for (const [at, fault] of faults.entries()) {
    await until(() => isDone || progress() >= ((at + 1) * steps) / (faults.length + 1), 60_000);
    await fault();
  }
  await done;
}

const crash = async (server: Server) => {
  await server.kill9();
  await server.restart();
};

describe.skipIf(isMissing)("PostgreSQL that fails", () => {
  test("loses no acknowledged message, repeats no more than was in flight, and keeps the order of each key", {
    timeout: 120_000,
  }, async () => {
    const { server, proxy, text } = await faulty();
    const [count, keys, concurrency] = [10_000, 20, 8];
    const open = (name: string) => openDriver(pubsubDriver, { connectionString: text(name), pollInterval: 200 });
    const publisher = await open("publisher");
    const members = await Promise.all([open("one"), open("two")]);
    const delivered: { id: string; key: string; n: number }[] = [];
    for (const member of members) {
      const handler = async ({ id, data }: { id: string; data: Uint8Array }) => {
        const [key = "", n] = Buffer.from(data).toString().split(":");
        delivered.push({ id, key, n: Number(n) });
        return "ack" as const;
      };
      await member.subscribe({ topic: "t", group: "g", metadata: {}, concurrency, order: "key" }, handler, {});
    }

    let published = 0;
    const publishAll = async (key: string) => {
      for (let n = 0; n < count / keys; n += 1) {
        const message = { topic: "t", data: Buffer.from(`${key}:${n}`), metadata: { partitionKey: key } };
        for (;;) {
          try {
            await publisher.publish(message, {});
            break;
          } catch (error) {
            expect(error).toMatchObject({ reason: "backendUnavailable" });
            await new Promise<void>((resolve) => setTimeout(resolve, 20));
          }
        }
        published += 1;
      }
    };
    const names = Array.from({ length: keys }, (_, n) => `key${n}`);
    const cut = () => proxy.cut();
    const faults = [cut, () => server.restart(), cut, () => crash(server), cut, () => crash(server), cut];
    const seen = () => new Set(delivered.map(({ key, n }) => `${key}:${n}`)).size;
    const work = Promise.all([...names.map(publishAll), until(() => seen() === count, 100_000)]);
    await under(faults, 2 * count, () => published + seen(), work);
    const remaining = async () => (await runSql(server.port, "SELECT count(*) FROM mecha_deliveries"))[0]?.["count"];
    await until(async () => (await remaining()) === "0", 30_000);
    expect(seen()).toBe(count);
    const duplicates = delivered.length - new Set(delivered.map(({ id }) => id)).size;
    expect(duplicates).toBeLessThanOrEqual(faults.length * concurrency * members.length);
    for (const name of names) {
      const numbers = delivered.filter(({ key }) => key === name).map(({ n }) => n);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }
  });

  test.each([
    ["v1", stateDriver],
    ["v2", stateV2Driver],
  ] as const)("loses no increment of 8 clients that write by etag (%s)", { timeout: 120_000 }, async (_, either) => {
    const driver: StateDriver = either;
    const { server, proxy, text } = await faulty();
    const each = 60;
    let written = 0;
    const names = Array.from({ length: 8 }, (_, n) => `client${n}`);
    const stores = await Promise.all(names.map((name) => openDriver(driver, { connectionString: text(name) })));
    const increment = async (store: (typeof stores)[number], name: string) => {
      for (;;) {
        try {
          const entry = await store.get("counter", {}, {});
          const by = entry ? (JSON.parse(Buffer.from(entry.data).toString()) as Record<string, number>) : {};
          // What an answer that got lost had done shows here.
          const done = by[name] ?? 0;
          if (done === each) return;
          const next = Buffer.from(JSON.stringify({ ...by, [name]: done + 1 }));
          await store.set("counter", next, { etag: entry?.etag, concurrency: "first-write" }, {});
          written += 1;
        } catch (error) {
          expect(["etagMismatch", "backendUnavailable"]).toContain((error as { reason?: string }).reason);
          await new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 10));
        }
      }
    };
    const faults = [() => proxy.cut(), () => server.restart(), () => crash(server), () => proxy.cut()];
    await under(
      faults,
      each * names.length,
      () => written,
      Promise.all(stores.map((store, n) => increment(store, names[n] ?? ""))),
    );
    const store = await openDriver(driver, { connectionString: text("reader") });
    const total = JSON.parse(Buffer.from((await store.get("counter", {}, {}))?.data ?? []).toString());
    expect(total).toEqual(Object.fromEntries(names.map((name) => [name, each])));
  });

  test("a change of configuration that no notification told of is told when the connection is back", async () => {
    const { server, proxy, text } = await faulty();
    await runSql(
      server.port,
      "CREATE TABLE items (key VARCHAR NOT NULL, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON NOT NULL)",
    );
    await runSql(server.port, `INSERT INTO items VALUES ('a', '1', '1', '{}'), ('b', '1', '1', '{"x": "y"}')`);
    const store = await openDriver(configurationDriver, { connectionString: text("conf"), table: "items" });
    const heard: unknown[] = [];
    await store.subscribe(["a", "b", "c"], { pgNotifyChannel: "items" }, (items) => heard.push(items), {});
    // A table without a trigger: nothing is notified at all.
    await runSql(
      server.port,
      `INSERT INTO items VALUES ('a', '2', '10', '{}'), ('a', '3', '9', '{}'), ('d', '1', '1', '{}')`,
    );
    await runSql(server.port, `DELETE FROM items WHERE key = 'b'`);
    proxy.cut();
    await until(() => heard.length > 0);
    expect(heard).toEqual([
      { a: { value: "2", version: "10", metadata: {} }, b: { value: "", version: "", metadata: {} } },
    ]);
  });

  test("a way that lets nothing through ends calls in time, and serves again when it lets them", async () => {
    const { proxy, text } = await faulty();
    const store = await openDriver(stateV2Driver, { connectionString: text("held"), timeout: 500 });
    await store.set("k", Buffer.from("1"), {}, {});
    proxy.hold(true);
    await expect(store.get("k", {}, {})).rejects.toMatchObject({ reason: "deadlineExceeded" });
    await expect(store.get("k", {}, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    proxy.hold(false);
    expect(Buffer.from((await store.get("k", {}, {}))?.data ?? []).toString()).toBe("1");
  });

  test("a server that is away is named as such at once, and used again when it is back", async () => {
    const { server, text } = await faulty();
    const context = openContext({ name: "my-store" });
    const store = await openDriver(stateV2Driver, { connectionString: text("away") }, context);
    await server.kill9();
    const calls = [store.get("k", {}, {}), store.set("k", Buffer.from("1"), {}, {}), store.ping?.({})];
    const refusal = { reason: "backendUnavailable", message: expect.stringContaining("my-store does not answer") };
    expect(await Promise.allSettled(calls)).toMatchObject(calls.map(() => ({ reason: refusal })));
    await server.restart();
    await store.set("k", Buffer.from("2"), {}, {});
    expect(Buffer.from((await store.get("k", {}, {}))?.data ?? []).toString()).toBe("2");
  });
});
