import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import configurationDriver from "../../components/sqlite/configuration.ts";
import pubsubDriver from "../../components/sqlite/pubsub.ts";
import stateDriver from "../../components/sqlite/state.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { type Child, concurrency, openShared, processingTimeout, startChild } from "./sqlite-child.ts";

const rounds = 20;

/** Settles when the condition is met; rejects after `withinMs`. */
async function until(isMet: () => boolean, withinMs = 20_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!isMet()) {
    if (Date.now() > end) throw new Error(`not met within ${withinMs} ms: ${isMet}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}

const told = (lines: readonly string[], what: string) =>
  lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));

test("nothing that was acknowledged is lost when the process is killed at any moment", {
  timeout: 120_000,
}, async () => {
  const dataDir = tempFolder();
  const lines: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const child = startChild("victim", dataDir, String(round));
    const enough = 1 + Math.floor(Math.random() * 400);
    await until(() => child.lines.length >= enough);
    child.kill();
    await child.exit;
    lines.push(...child.lines);
  }

  const state = await openShared(stateDriver, dataDir);
  const stored = told(lines, "stored");
  const entries = (await state.getMany?.(stored, {}, {})) ?? [];
  const lostValues = stored.filter((name, at) => String(entries[at] && Buffer.from(entries[at].data)) !== name);
  await state.close();
  expect(stored.length).toBeGreaterThan(rounds);
  expect(lostValues).toEqual([]);

  const published = told(lines, "published");
  const delivered = told(lines, "delivered");
  const pubsub = await openShared(pubsubDriver, dataDir, { processingTimeout });
  const handler = async ({ data }: { data: Uint8Array }) => {
    delivered.push(String(Buffer.from(data)));
    return "ack" as const;
  };
  await pubsub.subscribe({ topic: "t", group: "g", metadata: {}, concurrency }, handler, {});
  const lost = () => {
    const seen = new Set(delivered);
    return published.filter((name) => !seen.has(name));
  };
  await until(() => lost().length === 0);
  // Until the leases of all who were killed have ended and what they held has been settled.
  const file = new DatabaseSync(join(dataDir, "mecha.db"), { readOnly: true, timeout: 1000 });
  const held = file.prepare("SELECT count(*) AS count FROM mecha_deliveries");
  await until(() => held.get()?.["count"] === 0);
  file.close();
  await pubsub.close();
  expect(lost()).toEqual([]);
  const duplicates = delivered.length - new Set(delivered).size;
  expect(duplicates).toBeLessThanOrEqual(rounds * concurrency);
});

test("two processes that count up by etag lose no update", async () => {
  const dataDir = tempFolder();
  const children = [startChild("increment", dataDir, "300"), startChild("increment", dataDir, "300")];
  await Promise.all(children.map(({ exit }) => exit));
  const state = await openShared(stateDriver, dataDir);
  const entry = await state.get("counter", {}, {});
  await state.close();
  expect(String(entry && Buffer.from(entry.data))).toBe("600");
});

test("two processes that count up under a lock never hold it both", async () => {
  const dataDir = tempFolder();
  const children = [startChild("lock", dataDir, "100"), startChild("lock", dataDir, "100")];
  await Promise.all(children.map(({ exit }) => exit));
  const state = await openShared(stateDriver, dataDir);
  const entry = await state.get("locked", {}, {});
  await state.close();
  expect(String(entry && Buffer.from(entry.data))).toBe("200");
});

test("two processes in one consumer group settle each message once", async () => {
  const dataDir = tempFolder();
  const children: Child[] = [startChild("consume", dataDir), startChild("consume", dataDir)];
  await until(() => children.every(({ lines }) => lines.includes("subscribed")));
  const pubsub = await openShared(pubsubDriver, dataDir);
  const sent = Array.from({ length: 3000 }, (_, n) => String(n));
  for (let at = 0; at < sent.length; at += 20) {
    const batch = sent.slice(at, at + 20);
    await Promise.all(
      batch.map((text) => pubsub.publish({ topic: "race", data: Buffer.from(text), metadata: {} }, {})),
    );
  }
  const delivered = () => children.flatMap(({ lines }) => told(lines, "delivered"));
  await until(() => delivered().length >= sent.length);
  for (const { finish } of children) finish();
  await Promise.all(children.map(({ exit }) => exit));
  await pubsub.close();
  expect(delivered().sort()).toEqual([...sent].sort());
  // Both took part: neither waited for the other to leave.
  for (const { lines } of children) expect(told(lines, "delivered").length).toBeGreaterThan(0);
});

test("processes in one consumer group keep the order of each key, and of each key one at a time holds messages", {
  timeout: 90_000,
}, async () => {
  const dataDir = tempFolder();
  const children: Child[] = [1, 2, 3].map(() => startChild("order", dataDir));
  await until(() => children.every(({ lines }) => lines.includes("subscribed")));
  const pubsub = await openShared(pubsubDriver, dataDir);
  const [keys, each] = [6, 100];
  for (let n = 0; n < each; n += 1) {
    const texts = Array.from({ length: keys }, (_, key) => `k${key}:${n}`);
    await Promise.all(
      texts.map((text) => {
        const metadata = { partitionKey: text.slice(0, 2) };
        return pubsub.publish({ topic: "o", data: Buffer.from(text), metadata }, {});
      }),
    );
  }
  const of = (what: string) =>
    children
      .flatMap(({ lines }) => told(lines, what))
      .map((line) => {
        const [text = "", came = "", went = ""] = line.split(" ");
        const [key, n] = text.split(":");
        return { key, n: Number(n), came: BigInt(came), went: BigInt(went) };
      });
  await until(() => of("handled").length >= keys * each, 60_000);
  for (const { finish } of children) finish();
  await Promise.all(children.map(({ exit }) => exit));
  await pubsub.close();
  for (const { lines } of children) expect(told(lines, "handled").length).toBeGreaterThan(0);
  for (let key = 0; key < keys; key += 1) {
    const all = [...of("handled"), ...of("refused")]
      .filter((one) => one.key === `k${key}`)
      .sort((left, right) => (left.came < right.came ? -1 : 1));
    const handled = of("handled").filter((one) => one.key === `k${key}`).length;
    expect(handled).toBe(each);
    expect([...new Set(all.map(({ n }) => n))]).toEqual(Array.from({ length: each }, (_, n) => n));
    expect(all.filter(({ n }, at) => n < (all[at - 1]?.n ?? 0))).toEqual([]);
    expect(all.filter(({ came }, at) => came < (all[at - 1]?.went ?? 0n))).toEqual([]);
  }
});

test("a subscriber hears of configuration that another process writes and deletes", async () => {
  const dataDir = tempFolder();
  const store = await openShared(configurationDriver, dataDir);
  const heard: string[] = [];
  const keep = (items: Readonly<Record<string, { readonly value: string }>>) =>
    void heard.push(...Object.values(items).map(({ value }) => value));
  await store.subscribe(["k"], {}, keep, {});
  const child = startChild("configure", dataDir, "k");
  await until(() => heard.length === 1);
  child.finish();
  await until(() => heard.length === 2);
  await child.exit;
  await store.close();
  expect(heard).toEqual(["1", ""]);
});
