import { describe, expect, test } from "vitest";
import type { BulkTopicEvent, Verdict } from "../../../../../sidecar/kernel/app.ts";
import type { Subscription } from "../../../../../sidecar/kernel/config-types.ts";
import { type Given, openFakes, retryPolicy, settled } from "./fakes.ts";

const event = (id: string, parts: object = {}) => Buffer.from(JSON.stringify({ id, type: "t", ...parts }));
const bulk = (maxMessagesCount: number, maxAwaitDurationMs = 1000) => ({
  bulkSubscribe: { enabled: true, maxMessagesCount, maxAwaitDurationMs },
});

const delivering = async (subscription: Partial<Subscription>, given: Given = {}) => {
  const fakes = openFakes({ subscriptions: [subscription], ...given });
  await fakes.block.start();
  await settled();
  const receive = async (...datas: readonly (Buffer | object)[]) => {
    for (const data of datas) fakes.broker.deliver({ topic: "t", ...(data instanceof Buffer ? { data } : data) });
    await settled();
  };
  return { ...fakes, receive };
};

/** Ids of the events of a batch, or their raw texts. */
const idsOf = ({ entries }: BulkTopicEvent) =>
  entries.map(({ event: one }) => ("raw" in one ? Buffer.from(one.raw).toString() : one.envelope["id"]));
/** Answers by the ids of the events. */
const answering =
  (verdicts: Readonly<Record<string, Verdict>>) =>
  async ({ entries }: BulkTopicEvent) =>
    new Map(
      entries.flatMap(({ entryId, event: one }) => {
        const verdict = "raw" in one ? undefined : verdicts[String(one.envelope["id"])];
        return verdict ? [[entryId, verdict] as const] : [];
      }),
    );

describe("when a batch leaves", () => {
  test("as soon as it is full", async () => {
    const { receive, app, broker } = await delivering(bulk(2));
    await receive(event("1"), event("2"), event("3"));
    expect(app.batches.map(idsOf)).toEqual([["1", "2"]]);
    expect(broker.acknowledged).toEqual(["t/m1", "t/m2"]);
  });

  test("after the longest wait, counted from its first message", async () => {
    const { receive, app, clock } = await delivering(bulk(10, 500));
    await receive(event("1"));
    await clock.advance(400);
    await receive(event("2"));
    expect(app.batches).toEqual([]);
    await clock.advance(100);
    expect(app.batches.map(idsOf)).toEqual([["1", "2"]]);
  });

  test("each path has a batch of its own", async () => {
    const routes = [
      { match: 'event.type == "a"', path: "/a" },
      { match: "", path: "/rest" },
    ];
    const { receive, app } = await delivering({ ...bulk(2), routes });
    await receive(event("1"), event("2", { type: "a" }), event("3"), event("4", { type: "a" }));
    expect(app.batches.map((batch) => [batch.path, idsOf(batch)])).toEqual([
      ["/rest", ["1", "3"]],
      ["/a", ["2", "4"]],
    ]);
  });

  test("limits that are zero are 100 messages and 1 s", async () => {
    const { receive, app, clock, broker } = await delivering(bulk(0, 0));
    expect(broker.subscribed[0]?.concurrency).toBe(200);
    await receive(...Array.from({ length: 100 }, (_, i) => event(`${i}`)), event("last"));
    expect(app.batches.map(({ entries }) => entries.length)).toEqual([100]);
    await clock.advance(1000);
    expect(app.batches.map(({ entries }) => entries.length)).toEqual([100, 1]);
  });
});

describe("what is in a batch", () => {
  test("events with their metadata", async () => {
    const { receive, app } = await delivering(bulk(1));
    await receive({ data: event("1"), metadata: { __key: "k" } });
    expect(app.batches).toMatchObject([
      {
        pubsubName: "ps",
        topic: "t",
        path: "/path",
        metadata: { pubsubName: "ps" },
        entries: [
          { contentType: "application/cloudevents+json", metadata: { __key: "k" }, event: { envelope: { id: "1" } } },
        ],
      },
    ]);
  });

  test("raw payloads as they came; rules see them as texts", async () => {
    const routes = [{ match: 'event.startsWith("a")', path: "/a" }];
    const { receive, app, broker } = await delivering({ ...bulk(1), routes, metadata: { rawPayload: "true" } });
    await receive(Buffer.from("abc"), { data: Buffer.from("axy"), contentType: "text/plain" }, Buffer.from("other"));
    expect(app.batches.map(idsOf)).toEqual([["abc"], ["axy"]]);
    expect(app.batches.map(({ entries }) => entries[0]?.contentType)).toEqual([
      "application/octet-stream",
      "text/plain",
    ]);
    expect(broker.acknowledged).toContain("t/m3");
  });

  test("no expired event, and no message that is none", async () => {
    const { receive, app, broker } = await delivering(bulk(1));
    await receive(event("1", { expiration: "2020-01-01T00:00:00Z" }), Buffer.from("{no"));
    expect([app.batches, broker.acknowledged, broker.returned]).toEqual([[], ["t/m1"], ["t/m2"]]);
  });
});

describe("verdicts", () => {
  test("settle each entry by itself; a missing one is RETRY", async () => {
    const { receive, app, broker } = await delivering(bulk(4));
    app.answerMany = answering({ 1: "success", 2: "drop", 3: "retry" });
    await receive(event("1"), event("2"), event("3"), event("4"));
    expect(broker.acknowledged.toSorted()).toEqual(["t/m1", "t/m2"]);
    expect(broker.returned.toSorted()).toEqual(["t/m3", "t/m4"]);
  });

  test("what is not processed goes to the dead letters", async () => {
    const { receive, app, broker } = await delivering({ ...bulk(3), deadLetterTopic: "dead" });
    app.answerMany = answering({ 1: "success", 2: "drop" });
    await receive(event("1"), event("2"), event("3"));
    expect(broker.events("dead").map(({ id }) => id)).toEqual(["2", "3"]);
    expect(broker.acknowledged).toHaveLength(3);
  });

  test("without an answer every entry stays with the broker", async () => {
    const { receive, app, broker } = await delivering(bulk(2));
    app.answerMany = async () => Promise.reject(new Error("refused"));
    await receive(event("1"), event("2"));
    expect(broker.returned).toEqual(["t/m1", "t/m2"]);
  });

  test("a policy tries again those that are not settled yet", async () => {
    const { receive, app, broker, clock } = await delivering(bulk(3), { policy: (time) => retryPolicy(time, 1) });
    app.answerMany = answering({ 1: "success", 2: "drop" });
    await receive(event("1"), event("2"), event("3"));
    expect(broker.acknowledged).toEqual(["t/m1", "t/m2"]);
    app.answerMany = answering({ 3: "success" });
    await clock.advance(1000);
    expect(app.batches.map(idsOf)).toEqual([["1", "2", "3"], ["3"]]);
    expect(broker.acknowledged).toEqual(["t/m1", "t/m2", "t/m3"]);
  });
});

test("closing returns what was not shown to the app and waits for the rest", async () => {
  const { receive, app, broker, block, clock } = await delivering({ ...bulk(2), deadLetterTopic: "dead" });
  let finish = () => {};
  app.answerMany = ({ entries }) =>
    new Promise((resolve) => (finish = () => resolve(new Map(entries.map(({ entryId }) => [entryId, "success"])))));
  await receive(event("1"), event("2"), event("3"));
  const closing = block.close();
  await settled();
  expect([broker.acknowledged, broker.returned]).toEqual([[], ["t/m3"]]);
  finish();
  await closing;
  expect(broker.acknowledged).toEqual(["t/m1", "t/m2"]);
  expect(clock.pending).toBe(0);
});

test("the number of messages and calls is told for metrics", async () => {
  const facts: unknown[] = [];
  const { receive } = await delivering(bulk(2), { ingress: (fact) => facts.push(fact) });
  await receive(event("1"), event("2"));
  expect(facts).toEqual([{ pubsubName: "ps", topic: "t", outcome: "success", ms: 0, count: 2 }]);
});
