import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import type { MessageHandler, Order, Settle } from "../../../../components/contract/pubsub.ts";
import driver from "../../../../components/sqlite/pubsub.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Given, KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";
import { OrderWatch } from "../../../support/order-watch.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

/** A broker with a clock of its own on a shared file, as a process of its own has one. */
async function opened(dataDir: string, settings: Given = {}, clock = new FakeClock()) {
  const log = new KeptLog();
  const context = openContext({ dataDir, clock, log });
  const broker = await openDriver(driver, { pollInterval: 60_000, ...settings }, context);
  const publish = (text: string) => {
    const metadata = text.startsWith(":") ? {} : { partitionKey: text.split(":")[0] ?? "" };
    return broker.publish({ topic: "t", data: Buffer.from(text), metadata }, {});
  };
  const subscribe = (handler: MessageHandler, order: Order = "key", concurrency = 4) =>
    broker.subscribe({ topic: "t", group: "g", metadata: {}, concurrency, order }, handler, {});
  return { broker, clock, log, publish, subscribe };
}

async function until(isMet: () => boolean, clocks: readonly FakeClock[], stepMs = 20): Promise<void> {
  for (let step = 0; !isMet(); step += 1) {
    if (step > 3000) throw new Error(`never met: ${isMet}`);
    for (const clock of clocks) await clock.advance(stepMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Answers each message of a handler when the test says so. */
function answers() {
  const waiting = new Map<string, (settled: Settle) => void>();
  const texts: string[] = [];
  const attempts: number[] = [];
  const handler: MessageHandler = ({ data, attempt }) => {
    const text = Buffer.from(data).toString();
    texts.push(text);
    attempts.push(attempt);
    return new Promise((resolve) => waiting.set(text, resolve));
  };
  const answer = (settled: Settle, ...which: string[]) => {
    for (const text of which) waiting.get(text)?.(settled);
  };
  return { texts, attempts, handler, answer };
}

function countRows(dataDir: string, sql: string): number {
  const file = new DatabaseSync(join(dataDir, "mecha.db"), { timeout: 1000 });
  onTestFinished(() => file.close());
  return Number(file.prepare(`SELECT count(*) AS count FROM ${sql}`).get()?.["count"]);
}

test.each([1, 2, 3, 4, 5, 6])("whatever happens, keys keep their order and their holder (%i)", async (seed) => {
  const dataDir = tempFolder();
  const clock = new FakeClock();
  const settings = { redeliverInterval: 100, processingTimeout: 1000, queueDepth: 16 };
  const { publish, subscribe } = await opened(dataDir, settings, clock);
  let state = seed;
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const watch = new OrderWatch();
  const decide = async (): Promise<Settle> => {
    for (let turns = random(6); turns > 0; turns -= 1) await new Promise<void>((resolve) => setImmediate(resolve));
    return random(6) === 0 ? "retry" : "ack";
  };
  const join = (name: string) => subscribe(watch.member(name, decide), "key", 1 + random(8));
  // One that takes messages and never answers, on a clock that stands still.
  const frozen = await opened(dataDir, settings, new FakeClock(clock.now()));
  let thaw = () => {};
  const thawed = new Promise<Settle>((resolve) => (thaw = () => resolve("ack")));
  const freeze = watch.member("frozen", () => thawed);
  await frozen.subscribe(freeze, "key", 1);
  watch.sent("k0:0");
  await publish("k0:0");
  await until(() => watch.arrivals.length === 1, []);
  let members = await Promise.all(["a", "b", "c"].map(join));
  const places = [1, 0, 0, 0, 0, 0, 0];
  for (let n = 0; n < 300; n += 1) {
    const key = random(places.length);
    const text = `k${key}:${places[key]}`;
    places[key] = (places[key] ?? 0) + 1;
    watch.sent(text);
    await publish(text);
    if (n === 150) watch.gone("frozen");
    else if (n > 150 && random(5) === 0) await clock.advance(random(50));
    if (random(50) === 0) {
      const [leaving, ...others] = members;
      members = [...others, await join(`member${n}`)];
      await leaving?.close();
    }
  }
  await until(() => watch.isComplete, [clock], 50);
  expect(watch.violations).toEqual([]);
  thaw();
  await until(() => countRows(dataDir, "mecha_deliveries") === 0, [clock, frozen.clock]);
});

test("while messages of one key wait to come again those of others go on, and those behind count no attempt", async () => {
  const settings = { redeliverInterval: 5000 };
  const { clock, publish, subscribe } = await opened(tempFolder(), settings);
  const { texts, attempts, handler, answer } = answers();
  await subscribe(handler);
  for (const text of ["a:1", "a:2", "b:1", "a:3", "b:2"]) await publish(text);
  await until(() => texts.length === 4, []);
  expect(texts).toEqual(["a:1", "a:2", "b:1", "a:3"]);
  answer("retry", "a:1");
  answer("ack", "b:1");
  await until(() => texts.length === 5, []);
  expect(texts[4]).toBe("b:2");
  answer("retry", "a:2");
  await clock.advance(4000);
  // The third may still be handled: nothing of the key comes before it is settled.
  expect(texts).toHaveLength(5);
  answer("ack", "a:3", "b:2");
  await publish("a:4");
  await clock.advance(500);
  expect(texts).toHaveLength(5);
  await until(() => texts.length === 8, [clock]);
  expect(texts.slice(5)).toEqual(["a:1", "a:2", "a:4"]);
  expect(attempts.slice(5)).toEqual([2, 1, 1]);
  answer("ack", ...texts);
});

test("what one member lets sleep wakes when another one is done with its key", async () => {
  const { publish, subscribe } = await opened(tempFolder(), { queueDepth: 0 });
  const [one, two] = [answers(), answers()];
  await subscribe(one.handler, "key", 1);
  await publish("a:1");
  await until(() => one.texts.length === 1, []);
  await subscribe(two.handler, "key", 1);
  for (const text of ["a:2", "a:3", "b:1"]) await publish(text);
  await until(() => two.texts.length === 1, []);
  expect(two.texts).toEqual(["b:1"]);
  one.answer("ack", "a:1");
  await until(() => one.texts.length === 2, []);
  one.answer("ack", "a:2");
  await until(() => one.texts.length === 3, []);
  expect(one.texts).toEqual(["a:1", "a:2", "a:3"]);
  for (const { answer } of [one, two]) answer("ack", "a:3", "b:1");
});

test("messages without a key go to any member, at once", async () => {
  const { publish, subscribe } = await opened(tempFolder());
  const [one, two] = [answers(), answers()];
  await subscribe(one.handler, "key", 1);
  await subscribe(two.handler, "key", 1);
  for (const text of [":1", ":2"]) await publish(text);
  await until(() => one.texts.length + two.texts.length === 2, []);
  expect(one.texts).toHaveLength(1);
  for (const { answer } of [one, two]) answer("ack", ":1", ":2");
});

test("what a process held that stands still comes before later messages of its keys, and others do not wait", async () => {
  const dataDir = tempFolder();
  const [still, alive] = [await opened(dataDir), await opened(dataDir)];
  const [one, two] = [answers(), answers()];
  await still.subscribe(one.handler, "key", 1);
  for (const text of ["a:1", "a:2"]) await still.publish(text);
  await until(() => one.texts.length === 1, []);
  await alive.subscribe(two.handler);
  for (const text of ["a:3", "b:1"]) await alive.publish(text);
  await until(() => two.texts.length > 0, []);
  await alive.clock.advance(14_000);
  expect(two.texts).toEqual(["b:1"]);
  await until(() => two.texts.length === 4, [alive.clock], 500);
  expect(two.texts).toEqual(["b:1", "a:1", "a:2", "a:3"]);
  expect(two.attempts).toEqual([1, 2, 1, 1]);
  two.answer("ack", ...two.texts);
  one.answer("ack", "a:1");
});

test("a member that waits for the line of its topic writes nothing while another one holds it", async () => {
  const dataDir = tempFolder();
  const { clock, publish, subscribe } = await opened(dataDir);
  const [one, two] = [answers(), answers()];
  await subscribe(one.handler, "topic", 1);
  await publish("a:1");
  await until(() => one.texts.length === 1, []);
  await subscribe(two.handler, "topic", 1);
  for (const text of ["b:1", "c:1"]) await publish(text);
  await clock.advance(200);
  expect(countRows(dataDir, "mecha_deliveries WHERE owner IS NULL")).toBe(0);
  one.answer("retry", "a:1");
  await until(() => one.texts.length + two.texts.length === 2, [clock]);
  const [next] = two.texts.length > 0 ? [two] : [one];
  expect(next?.texts.at(-1)).toBe("a:1");
  for (const text of ["a:1", "b:1", "c:1"]) {
    await until(() => [...one.texts, ...two.texts].includes(text), [clock]);
    for (const { answer } of [one, two]) answer("ack", text);
  }
});

test.each<[Order, Order]>([
  ["none", "key"],
  ["key", "topic"],
  ["topic", "key"],
  ["key", "none"],
])("a group may change from the order %s to %s, with what waits", async (before, after) => {
  const { clock, publish, subscribe } = await opened(tempFolder());
  const [one, two, three] = [answers(), answers(), answers()];
  const first = await subscribe(one.handler, before, 2);
  for (const text of ["a:1", "a:2"]) await publish(text);
  await until(() => one.texts.length === 2, []);
  // The claim of another one lets sleep what follows those.
  const second = await subscribe(two.handler, before, 1);
  for (const text of ["b:1", "a:3"]) await publish(text);
  await clock.advance(100);
  const closing = Promise.all([first.close(), second.close()]);
  one.answer("retry", ...one.texts);
  two.answer("retry", ...two.texts);
  await closing;
  await subscribe(three.handler, after, 8);
  await until(() => three.texts.length === 4, [clock]);
  expect(three.texts.toSorted()).toEqual(["a:1", "a:2", "a:3", "b:1"]);
  if (after !== "none") expect(three.texts.filter((text) => text !== "b:1")).toEqual(["a:1", "a:2", "a:3"]);
  three.answer("ack", ...three.texts);
});
