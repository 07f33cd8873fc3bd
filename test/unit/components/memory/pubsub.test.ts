import { expect, test } from "vitest";
import type { MessageHandler } from "../../../../components/contract/pubsub.ts";
import driver from "../../../../components/memory/pubsub.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Given, KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";

async function opened(settings: Given = {}) {
  const clock = new FakeClock();
  const log = new KeptLog();
  const broker = await openDriver(driver, settings, openContext({ clock, log }));
  const publish = (text: string, signal?: AbortSignal) =>
    broker.publish({ topic: "t", data: Buffer.from(text), metadata: {} }, { signal });
  const subscribe = (handler: MessageHandler) =>
    broker.subscribe({ topic: "t", group: "g", metadata: {}, concurrency: 1 }, handler, {});
  return { broker, clock, log, publish, subscribe };
}

/** A handler that waits for a release per message. */
function blocked() {
  const texts: string[] = [];
  const waiting: (() => void)[] = [];
  const handler: MessageHandler = ({ data }) => {
    texts.push(Buffer.from(data).toString());
    return new Promise((resolve) => waiting.push(() => resolve("ack")));
  };
  return { texts, handler, release: () => waiting.shift()?.() };
}

test("a publisher waits while queueDepth messages wait for a group, and goes on when there is room", async () => {
  const { clock, publish, subscribe } = await opened({ queueDepth: 2 });
  const { texts, handler, release } = blocked();
  await subscribe(handler);
  await publish("1");
  await clock.advance(1);
  await publish("2");
  await publish("3");
  let isTaken = false;
  const fourth = publish("4").then(() => {
    isTaken = true;
  });
  await clock.advance(1000);
  expect([texts, isTaken]).toEqual([["1"], false]);
  release();
  await fourth;
  for (let left = 3; left > 0; left -= 1) {
    await clock.advance(1);
    release();
  }
  await clock.advance(1);
  expect(texts).toEqual(["1", "2", "3", "4"]);
  expect(clock.pending).toBe(0);
});

test("a publisher that finds no room for publishTimeout is told so, and one whose caller leaves waits no longer", async () => {
  const { clock, publish, subscribe } = await opened({ queueDepth: 1, publishTimeout: 1000 });
  const { handler, release } = blocked();
  await subscribe(handler);
  await publish("1");
  await clock.advance(1);
  await publish("2");
  const caller = new AbortController();
  const results = Promise.allSettled([publish("3"), publish("4", caller.signal)]);
  caller.abort(new Error("left"));
  await clock.advance(1000);
  expect(await results).toMatchObject([{ reason: { reason: "backendUnavailable" } }, { reason: { message: "left" } }]);
  expect(clock.pending).toBe(0);
  release();
  await clock.advance(1);
  release();
});

test("while a group has no member its oldest messages make room", async () => {
  const { clock, log, publish, subscribe } = await opened({ queueDepth: 2 });
  await (await subscribe(blocked().handler)).close();
  for (const text of ["1", "2", "3", "4"]) await publish(text);
  const { texts, handler, release } = blocked();
  await subscribe(handler);
  await clock.advance(1);
  release();
  await clock.advance(1);
  expect(texts).toEqual(["3", "4"]);
  expect(log.lines).toHaveLength(1);
  release();
});

test("pauses between attempts double up to the longest, and maxRetries ends them", async () => {
  const { clock, log, publish, subscribe } = await opened({
    redeliverInterval: 100,
    maxRedeliverInterval: 300,
    maxRetries: 4,
  });
  const times: number[] = [];
  await subscribe(async () => {
    times.push(clock.now());
    return "retry";
  });
  await publish("1");
  await clock.advance(60_000);
  expect(times.slice(1).map((time, at) => time - (times[at] ?? 0))).toEqual([100, 200, 300, 300]);
  expect(log.lines.join()).toContain("is dropped after 5 attempts");
});

test("a handler that throws at once counts as one that asks for a retry", async () => {
  const { clock, publish, subscribe } = await opened();
  let calls = 0;
  await subscribe(() => {
    calls += 1;
    if (calls === 1) throw new Error("no");
    return Promise.resolve("ack");
  });
  await publish("1");
  await clock.advance(1000);
  expect(calls).toBe(2);
});

test("nothing is delivered after the broker is closed, and nothing of it is left", async () => {
  const { broker, clock, publish, subscribe } = await opened();
  const { texts, handler, release } = blocked();
  await subscribe(handler);
  await publish("1");
  await clock.advance(1);
  await publish("2");
  const closing = broker.close();
  release();
  await closing;
  await clock.advance(60_000);
  expect(texts).toEqual(["1"]);
  expect(clock.pending).toBe(0);
  await expect(publish("3")).rejects.toMatchObject({ reason: "backendUnavailable" });
});
