import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import type { IncomingMessage, MessageHandler, Settle } from "../../../../components/contract/pubsub.ts";
import driver from "../../../../components/sqlite/pubsub.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Given, KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const day = 24 * 3_600_000;

/** A broker with a clock of its own on a shared file, as a process of its own has one. */
async function opened(dataDir: string, settings: Given = {}) {
  const clock = new FakeClock();
  const log = new KeptLog();
  // A day of looking for messages of other processes would take the test minutes.
  const broker = await openDriver(driver, { pollInterval: 60_000, ...settings }, openContext({ dataDir, clock, log }));
  const publish = (text: string, topic = "t") => broker.publish({ topic, data: Buffer.from(text), metadata: {} }, {});
  const subscribe = (handler: MessageHandler, group = "g", concurrency = 1) =>
    broker.subscribe({ topic: "t", group, metadata: {}, concurrency }, handler, {});
  return { broker, clock, log, publish, subscribe };
}

function folder() {
  const dataDir = tempFolder();
  let file: DatabaseSync | undefined;
  onTestFinished(() => file?.close());
  const count = (table: string) => {
    file ??= new DatabaseSync(join(dataDir, "mecha.db"), { timeout: 1000 });
    return Number(file.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.["count"]);
  };
  return { dataDir, count };
}

/** Moves the clocks on until the condition is met. */
async function until(isMet: () => boolean, clocks: readonly FakeClock[] = [], stepMs = 20): Promise<void> {
  for (let step = 0; !isMet(); step += 1) {
    if (step > 3000) throw new Error(`never met: ${isMet}`);
    for (const clock of clocks) await clock.advance(stepMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function keeper(settle: (message: IncomingMessage) => Settle | Promise<Settle> = () => "ack") {
  const messages: IncomingMessage[] = [];
  const handler: MessageHandler = async (message) => {
    messages.push(message);
    return settle(message);
  };
  return { messages, handler, texts: () => messages.map(({ data }) => Buffer.from(data).toString()) };
}

/** A handler that waits until it is released. */
function blocked() {
  let release = () => {};
  const kept = keeper(() => new Promise((resolve) => (release = () => resolve("ack"))));
  return { ...kept, release: () => release() };
}

test("messages of a process that stands still go to another member when its lease has ended, and are settled once", async () => {
  const { dataDir, count } = folder();
  const [still, alive] = [await opened(dataDir), await opened(dataDir)];
  const [first, second] = [blocked(), keeper()];
  await still.subscribe(first.handler);
  await still.publish("1");
  await until(() => first.messages.length === 1);
  await alive.subscribe(second.handler);
  await alive.clock.advance(14_000);
  expect(second.messages).toEqual([]);
  await until(() => second.messages.length === 1, [alive.clock], 500);
  expect(second.messages[0]).toMatchObject({ id: first.messages[0]?.id, attempt: 2 });
  await until(() => count("mecha_deliveries") === 0);

  // The one that stood still finds out, its late answer changes nothing, and it goes on.
  await still.clock.advance(6000);
  await until(() => still.log.lines.length > 0);
  first.release();
  await still.publish("2");
  await until(() => first.messages.length + second.messages.length === 3);
  expect(second.texts().concat(first.texts()).sort()).toEqual(["1", "1", "2"]);
});

test("a handler may take longer than processingTimeout while its process lives", async () => {
  const { dataDir, count } = folder();
  const [busy, other] = [await opened(dataDir), await opened(dataDir)];
  const [first, second] = [blocked(), keeper()];
  await busy.subscribe(first.handler);
  await busy.publish("1");
  await until(() => first.messages.length === 1);
  await other.subscribe(second.handler);
  for (let seconds = 0; seconds < 60; seconds += 1) {
    await busy.clock.advance(1000);
    await other.clock.advance(1000);
  }
  first.release();
  await until(() => count("mecha_deliveries") === 0);
  expect(second.messages).toEqual([]);
});

test("attempts are paused longer each time, up to the longest pause", async () => {
  const { dataDir } = folder();
  const { clock, publish, subscribe } = await opened(dataDir, { redeliverInterval: 1000, maxRedeliverInterval: 3000 });
  const times: number[] = [];
  const { handler } = keeper(() => {
    times.push(clock.now());
    return "retry";
  });
  await subscribe(handler);
  await publish("1");
  await until(() => times.length === 5, [clock]);
  const pauses = times.slice(1).map((time, at) => Math.round((time - (times[at] ?? 0)) / 100) * 100);
  expect(pauses).toEqual([1000, 2000, 3000, 3000]);
});

test("a message is dropped with a warning after maxRetries further attempts", async () => {
  const { dataDir, count } = folder();
  const { clock, log, publish, subscribe } = await opened(dataDir, { maxRetries: 2, redeliverInterval: 10 });
  const { messages, handler } = keeper(() => "retry");
  await subscribe(handler);
  await publish("1");
  await until(() => messages.length === 3, [clock]);
  await until(() => count("mecha_deliveries") === 0);
  expect(log.lines.join()).toContain("is dropped after 3 attempts");
});

test("a settled message is deleted when every group has settled it", async () => {
  const { dataDir, count } = folder();
  const { clock, publish, subscribe } = await opened(dataDir);
  const [fast, slow] = [keeper(), blocked()];
  await subscribe(fast.handler, "fast");
  await subscribe(slow.handler, "slow");
  await publish("1");
  await until(() => fast.messages.length === 1 && slow.messages.length === 1);
  await clock.advance(200_000);
  expect(count("mecha_messages")).toBe(1);
  slow.release();
  await until(() => count("mecha_messages") === 0, [clock], 1000);
});

test("with consumedRetention, a later group gets settled messages too", async () => {
  const { dataDir, count } = folder();
  const { clock, publish, subscribe } = await opened(dataDir, { consumedRetention: day });
  const [first, second] = [keeper(), keeper()];
  await subscribe(first.handler, "first");
  await publish("1");
  await until(() => first.messages.length === 1 && count("mecha_deliveries") === 0);
  await clock.advance(200_000);
  await subscribe(second.handler, "second");
  await until(() => second.messages.length === 1);
  await until(() => count("mecha_messages") === 0, [clock], day / 10);
});

test("messages that no group asks for are kept for retention, then deleted", async () => {
  const { dataDir, count } = folder();
  const { clock, publish, subscribe } = await opened(dataDir, { retention: day });
  const { handler } = keeper();
  await subscribe(handler);
  await publish("1", "unread");
  await clock.advance(day - 3_600_000);
  expect(count("mecha_messages")).toBe(1);
  await until(() => count("mecha_messages") === 0, [clock], 600_000);
});

test("a group that lost its subscriber is kept for groupRetention, then forgotten with its messages", async () => {
  const { dataDir, count } = folder();
  const { clock, log, publish, subscribe } = await opened(dataDir, { groupRetention: day });
  const subscription = await subscribe(keeper(() => "retry").handler, "left");
  await subscribe(keeper().handler, "stays");
  await publish("1");
  await until(() => count("mecha_deliveries") === 1, [clock]);
  await subscription.close();
  await clock.advance(day / 2);
  expect(count("mecha_groups")).toBe(2);
  await until(() => count("mecha_groups") === 1, [clock], 600_000);
  await until(() => count("mecha_messages") === 0 && count("mecha_deliveries") === 0, [clock], 60_000);
  expect(log.lines.join()).toContain("group left of topic t is forgotten");
  await clock.advance(2 * day);
  expect(count("mecha_groups")).toBe(1);
});

test("nothing of a closed broker is left behind", async () => {
  const { dataDir } = folder();
  const { broker, clock, publish, subscribe } = await opened(dataDir);
  const { messages, handler } = keeper();
  await subscribe(handler);
  await publish("1");
  await until(() => messages.length === 1);
  await broker.close();
  expect(clock.pending).toBe(0);
});
