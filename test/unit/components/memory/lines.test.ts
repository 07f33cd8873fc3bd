import { expect, test } from "vitest";
import type { MessageHandler, Order, Settle } from "../../../../components/contract/pubsub.ts";
import driver from "../../../../components/memory/pubsub.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Given, KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";
import { OrderWatch } from "../../../support/order-watch.ts";

async function opened(settings: Given = {}) {
  const clock = new FakeClock();
  const log = new KeptLog();
  const broker = await openDriver(driver, settings, openContext({ clock, log }));
  const publish = (text: string) =>
    broker.publish({ topic: "t", data: Buffer.from(text), metadata: { partitionKey: text.split(":")[0] ?? "" } }, {});
  const subscribe = (handler: MessageHandler, order: Order = "key", concurrency = 4) =>
    broker.subscribe({ topic: "t", group: "g", metadata: {}, concurrency, order }, handler, {});
  return { broker, clock, log, publish, subscribe };
}

/** Answers each message of a handler when the test says so. */
function answers() {
  const waiting = new Map<string, (settled: Settle) => void>();
  const texts: string[] = [];
  const attempts = new Map<string, number>();
  const handler: MessageHandler = ({ data, attempt }) => {
    const text = Buffer.from(data).toString();
    texts.push(text);
    attempts.set(text, attempt);
    return new Promise((resolve) => waiting.set(text, resolve));
  };
  const answer = (text: string, settled: Settle) => waiting.get(text)?.(settled);
  return { texts, attempts, handler, answer };
}

test.each([1, 2, 3, 4, 5])("whatever happens, keys keep their order and their holder (%i)", async (seed) => {
  const { clock, publish, subscribe } = await opened();
  let state = seed;
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const watch = new OrderWatch();
  const decide = async (): Promise<Settle> => {
    for (let turns = random(4); turns > 0; turns -= 1) await new Promise<void>((resolve) => setImmediate(resolve));
    return random(5) === 0 ? "retry" : "ack";
  };
  const join = (name: string) => subscribe(watch.member(name, decide), "key", 1 + random(5));
  let members = await Promise.all(["a", "b", "c"].map(join));
  const places = [0, 0, 0, 0, 0, 0];
  for (let n = 0; n < 400; n += 1) {
    const key = random(places.length);
    const text = `k${key}:${places[key]}`;
    places[key] = (places[key] ?? 0) + 1;
    watch.sent(text);
    await publish(text);
    if (random(10) === 0) await clock.advance(random(100));
    if (random(50) === 0) {
      const [leaving, ...others] = members;
      members = [...others, await join(`member${n}`)];
      await leaving?.close();
    }
  }
  while (!watch.isComplete) await clock.advance(100);
  expect(watch.violations).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("while messages of one key wait to come again those of others go on, and those behind count no attempt", async () => {
  const { clock, publish, subscribe } = await opened({ redeliverInterval: 1000 });
  const { texts, attempts, handler, answer } = answers();
  await subscribe(handler);
  for (const text of ["a:1", "a:2", "b:1", "a:3", "b:2"]) await publish(text);
  await clock.advance(1);
  expect(texts).toEqual(["a:1", "a:2", "b:1", "a:3"]);
  answer("a:1", "retry");
  await clock.advance(1);
  expect(texts.slice(4)).toEqual(["b:2"]);
  answer("a:2", "retry");
  await clock.advance(2000);
  // The third may still be handled: nothing of the key comes before it is settled.
  expect(texts).toHaveLength(5);
  answer("a:3", "ack");
  await clock.advance(1000);
  expect(texts.slice(5)).toEqual(["a:1", "a:2"]);
  expect([attempts.get("a:1"), attempts.get("a:2")]).toEqual([2, 1]);
  for (const text of ["a:1", "a:2", "b:1", "b:2"]) answer(text, "ack");
});

test("messages without a key go to any member, at once", async () => {
  const { broker, clock, subscribe } = await opened();
  const [one, two] = [answers(), answers()];
  await subscribe(one.handler, "key", 1);
  await subscribe(two.handler, "key", 1);
  for (const text of ["1", "2"]) await broker.publish({ topic: "t", data: Buffer.from(text), metadata: {} }, {});
  await clock.advance(1);
  expect([...one.texts, ...two.texts].sort()).toEqual(["1", "2"]);
  expect(one.texts).toHaveLength(1);
  one.answer(one.texts[0] ?? "", "retry");
  two.answer(two.texts[0] ?? "", "ack");
  await clock.advance(1000);
  expect(one.texts.length + two.texts.length).toBe(3);
  for (const { answer } of [one, two]) for (const text of ["1", "2"]) answer(text, "ack");
});

test("the strictest order that a member asks for holds for the group, and what waits comes along", async () => {
  const { clock, publish, subscribe } = await opened();
  const [one, two] = [answers(), answers()];
  const first = await subscribe(one.handler, "key", 1);
  for (const text of ["a:1", "a:2", "b:1", "b:2"]) await publish(text);
  await clock.advance(1);
  await subscribe(two.handler, "topic", 4);
  await clock.advance(1);
  expect([one.texts, two.texts]).toEqual([["a:1"], ["a:2", "b:1", "b:2"]]);
  const closing = first.close();
  one.answer("a:1", "retry");
  await closing;
  await publish("a:3");
  for (const text of ["a:2", "b:1", "b:2"]) two.answer(text, "ack");
  await clock.advance(1000);
  expect(two.texts.slice(3)).toEqual(["a:3", "a:1"]);
  for (const text of ["a:1", "a:3"]) two.answer(text, "ack");
});

test("waiting messages of an order make room when nobody reads, and a message past its time holds up nobody", async () => {
  const { broker, clock, publish, subscribe } = await opened({ queueDepth: 3 });
  const one = answers();
  const leaving = await subscribe(one.handler, "topic", 1);
  await publish("a:1");
  await clock.advance(1);
  const closing = leaving.close();
  const other = answers();
  const second = await subscribe(other.handler, "topic", 1);
  const short = { topic: "t", data: Buffer.from("a:2"), metadata: { partitionKey: "a", ttlInSeconds: "1" } };
  await broker.publish(short, {});
  await publish("a:3");
  await clock.advance(1);
  await second.close();
  for (const text of ["a:4", "a:5"]) await publish(text);
  one.answer("a:1", "ack");
  await closing;
  await clock.advance(1500);
  const third = answers();
  await subscribe(third.handler, "topic", 4);
  await clock.advance(1);
  expect([other.texts, third.texts]).toEqual([[], ["a:3", "a:4", "a:5"]]);
  for (const text of third.texts) third.answer(text, "ack");
});

test("a message is dropped after its last attempt, and those behind it go on with all of theirs", async () => {
  const { clock, log, publish, subscribe } = await opened({ maxRetries: 0 });
  const texts: string[] = [];
  await subscribe(async ({ data }) => {
    const text = Buffer.from(data).toString();
    texts.push(text);
    return text === "a:1" || texts.length < 3 ? "retry" : "ack";
  });
  for (const text of ["a:1", "a:2"]) await publish(text);
  await clock.advance(10_000);
  expect(texts).toEqual(["a:1", "a:2", "a:2"]);
  expect(log.lines).toHaveLength(1);
});
