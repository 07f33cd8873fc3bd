import { describe, expect, test } from "vitest";
import type { Subscription } from "../../../../../sidecar/kernel/config-types.ts";
import { FakeBroker, failureOf, type Given, openFakes, overGrpc, settled } from "./fakes.ts";

const event = (parts: object = {}) => Buffer.from(JSON.stringify({ id: "e1", type: "t", data: { n: 1 }, ...parts }));
const ordered = (broker: FakeBroker) => ({ ps: { broker, capabilities: ["ordering"] } });

/** A block with one subscription of topic `t`, standing. */
const standing = async (
  metadata: Readonly<Record<string, string>>,
  given: Given = {},
  more: Partial<Subscription> = {},
) => {
  const broker = new FakeBroker();
  const fakes = openFakes({ subscriptions: [{ metadata, ...more }], declared: ordered(broker), ...given });
  await fakes.block.start();
  await settled();
  const receive = async (parts: object = {}) => {
    broker.deliver({ topic: "t", data: event(), ...parts });
    for (let turn = 0; turn < 5; turn++) await settled();
  };
  const call = (name: string, input: object = {}) => {
    const method = fakes.block.methods.find(({ rpcs: [rpc] }) => rpc.name === name);
    if (!method) throw new Error(`there is no method ${name}`);
    return overGrpc(method, { pubsubName: "ps", topic: "t", ...input }) as Promise<never>;
  };
  return { ...fakes, broker, receive, call };
};

describe("attempts of the sidecar", () => {
  test("come after growing pauses, each with its number and the greatest one", async () => {
    const { receive, app, broker, clock } = await standing({ retryBackOff: "constant", retryMaxAttempts: "3" });
    app.answer = async () => (app.delivered.length < 3 ? "retry" : "success");
    await receive();
    await clock.advance(2000);
    expect(app.delivered.map(({ metadata }) => metadata["mecha-delivery-attempt"])).toEqual(["1", "2", "3"]);
    expect(app.delivered[0]?.metadata["mecha-delivery-maximum"]).toBe("3");
    expect(broker.acknowledged).toEqual(["t/m1"]);
  });

  test("that follow those of an earlier run go on counting", async () => {
    const { receive, app, clock } = await standing({ retryBackOff: "constant", retryMaxAttempts: "3" });
    app.answer = async () => "retry";
    await receive({ attempt: 3 });
    await clock.advance(10_000);
    expect(app.delivered).toHaveLength(1);
  });

  test("leave the places at the app to others while they pause", async () => {
    const { receive, app, broker } = await standing({ concurrency: "1", retryMaxAttempts: "5" });
    app.answer = async ({ id }) => (id === "bad" ? "retry" : "success");
    await receive({ data: event({ id: "bad" }) });
    await receive({ data: event({ id: "good" }) });
    expect(broker.acknowledged).toEqual(["t/m2"]);
  });

  test("are with the app at most as many as its concurrency", async () => {
    const { receive, app } = await standing({ concurrency: "2", prefetch: "10" });
    let finish = () => {};
    app.answer = () => new Promise((resolve) => (finish = () => resolve("success")));
    for (let n = 0; n < 4; n++) await receive();
    expect(app.delivered).toHaveLength(2);
    finish();
    await settled();
    expect(app.delivered).toHaveLength(3);
  });
});

describe("the order", () => {
  test("of a key is kept through a failure, and other keys go on", async () => {
    const { receive, app, broker, clock } = await standing({ order: "key" });
    app.answer = async ({ id }) => (id === "a1" && app.ids.length < 4 ? "retry" : "success");
    for (const id of ["a1", "a2", "b1"]) {
      await receive({ data: event({ id }), metadata: { partitionKey: id.slice(0, 1) } });
    }
    expect(app.ids).toEqual(["a1", "b1"]);
    await clock.advance(120_000);
    expect(app.ids.filter((id) => id === "a2")).toHaveLength(1);
    expect(app.ids.at(-1)).toBe("a2");
    expect(broker.acknowledged).toEqual(["t/m3", "t/m1", "t/m2"]);
    expect(broker.subscribed).toMatchObject([{ order: "key" }]);
  });

  test("is refused of a broker that cannot keep it", async () => {
    const broker = new FakeBroker();
    const { block, log } = await standing({ order: "key" }, { declared: { ps: { broker } } });
    expect(block.subscriptions()).toMatchObject([{ state: "failed" }]);
    expect(log.lines.join()).toContain("this broker cannot keep the order key");
  });
});

describe("a message whose attempts are used up", () => {
  const parking = async () => {
    const fakes = await standing({ retryMaxAttempts: "1" });
    fakes.app.answer = async ({ id }) => (id.startsWith("bad") ? "retry" : "success");
    return fakes;
  };

  test("goes to the dead letter topic when there is one", async () => {
    const { receive, app, broker } = await standing({ retryMaxAttempts: "1" }, {}, { deadLetterTopic: "dead" });
    app.answer = async () => "retry";
    await receive();
    expect(broker.published).toMatchObject([{ topic: "dead" }]);
    expect(broker.acknowledged).toEqual(["t/m1"]);
  });

  test("is parked, and its neighbours go on", async () => {
    const { receive, broker, call, log } = await parking();
    await receive({ data: event({ id: "bad" }), metadata: { color: "blue" } });
    await receive({ data: event({ id: "good" }) });
    expect(broker.acknowledged).toEqual(["t/m1", "t/m2"]);
    expect(await call("ListParkedMessages")).toMatchObject({
      messages: [
        { attempts: 1, error: "the app did not take it", metadata: { color: "blue" }, data: event({ id: "bad" }) },
      ],
      cursor: "",
    });
    expect(log.lines.join("\n")).toContain("it is parked until it is redriven or dropped");
  });

  test("stays with the broker when it cannot be parked", async () => {
    const { receive, broker, own } = await parking();
    (await own.open()).set = async () => Promise.reject(new Error("the disk is full"));
    await receive({ data: event({ id: "bad" }) });
    expect(broker.returned).toEqual(["t/m1"]);
  });

  test("is delivered once more when it is redriven, and is parked again when it fails again", async () => {
    const { receive, app, call, own } = await parking();
    for (const id of ["bad1", "bad2"]) await receive({ data: event({ id }) });
    app.answer = async ({ id }) => (id === "bad2" ? "retry" : "success");
    expect(await call("RedriveMessages")).toMatchObject({ delivered: 1, failed: 1, held: 0 });
    expect(app.ids).toEqual(["bad1", "bad2", "bad1", "bad2"]);
    expect(await own.keys()).toHaveLength(1);
    app.answer = async () => "success";
    expect(await call("RedriveMessages")).toMatchObject({ delivered: 1, failed: 0 });
    expect(await own.keys()).toEqual([]);
  });

  test("is forgotten when it is dropped, and one that is not there is named", async () => {
    const { receive, call, own } = await parking();
    for (const id of ["bad1", "bad2"]) await receive({ data: event({ id }) });
    const { messages } = (await call("ListParkedMessages", { limit: 1 })) as { messages: { id: string }[] };
    const ids = messages.map(({ id }) => id);
    expect(await call("DropParkedMessages", { ids })).toMatchObject({ dropped: 1 });
    expect(await own.keys()).toHaveLength(1);
    expect(await failureOf(call("DropParkedMessages", { ids }))).toMatchObject({ reason: "parkedNotFound" });
  });
});

describe("dead letters", () => {
  const dying = async () => {
    const fakes = await standing({}, {}, { deadLetterTopic: "dead" });
    // What a broker that keeps its messages would hand over to whoever subscribes.
    const subscribe = fakes.broker.subscribe.bind(fakes.broker);
    fakes.broker.subscribe = async (options, handler) => {
      const subscription = await subscribe(options, handler);
      if (options.topic === "dead") for (const one of [...fakes.broker.published]) fakes.broker.deliver(one);
      return subscription;
    };
    return fakes;
  };

  test("are delivered once more to the subscription, under its topic; what fails again does not go round", async () => {
    const { receive, app, call, clock, broker } = await dying();
    app.answer = async () => "drop";
    for (const id of ["e1", "e2"]) await receive({ data: event({ id }) });
    app.answer = async ({ id }) => (id === "e2" ? "drop" : "success");
    const redriving = call("RedriveMessages", { from: "dead" });
    await clock.advance(4000);
    expect(await redriving).toMatchObject({ delivered: 1, failed: 1 });
    expect(app.delivered.slice(2).map(({ id, topic }) => `${id} ${topic}`)).toEqual(["e1 t", "e2 t"]);
    expect(broker.texts("dead")).toHaveLength(3);
    expect(broker.closed).toMatchObject([{ topic: "dead" }]);
  });

  test("cannot be named together with parked messages, nor be the topic itself", async () => {
    const { call } = await dying();
    for (const input of [{ from: "dead", ids: ["1"] }, { from: "t" }]) {
      expect(await failureOf(call("RedriveMessages", input))).toMatchObject({ reason: "malformedRequest" });
    }
  });
});

describe("duplicates", () => {
  test("of a handled message are acknowledged without a delivery, for as long as it is remembered", async () => {
    const { receive, app, broker, clock } = await standing({ dedupeKey: "id", dedupeTtl: "1h" });
    await receive();
    await receive();
    expect([app.ids, broker.acknowledged]).toEqual([["e1"], ["t/m1", "t/m2"]]);
    await clock.advance(3_601_000);
    await receive();
    expect(app.ids).toEqual(["e1", "e1"]);
  });

  test("of a message that failed are delivered", async () => {
    const { receive, app, broker } = await standing({ dedupeKey: "id" });
    app.answer = async () => (app.delivered.length === 1 ? "retry" : "success");
    await receive();
    await receive();
    expect([broker.returned, broker.acknowledged]).toEqual([["t/m1"], ["t/m2"]]);
  });

  test("that come while the first one is with the app wait for what becomes of it", async () => {
    const { receive, app, broker } = await standing({ dedupeKey: "id" });
    let finish = () => {};
    app.answer = () => new Promise((resolve) => (finish = () => resolve("success")));
    await receive();
    await receive();
    finish();
    for (let turn = 0; turn < 5; turn++) await settled();
    expect([app.ids, broker.acknowledged]).toEqual([["e1"], ["t/m1", "t/m2"]]);
  });

  test("are found by metadata of the broker too, and messages that lack the key are delivered", async () => {
    const { receive, app } = await standing({ dedupeKey: "orderid" });
    await receive({ metadata: { orderid: "7" } });
    await receive({ metadata: { orderid: "7" } });
    await receive();
    await receive();
    expect(app.delivered).toHaveLength(3);
  });

  test("carry no mark when the store is the sidecar's own, which no transaction can reach", async () => {
    const { receive, app } = await standing({ dedupeKey: "id" });
    await receive();
    expect(Object.keys(app.delivered[0]?.metadata ?? {})).not.toContain("mecha-dedupe-mark");
  });

  test("cannot be told while the store is away, and messages are kept", async () => {
    const { receive, app, broker, own } = await standing({ dedupeKey: "id" });
    (await own.open()).get = async () => Promise.reject(new Error("away"));
    await receive();
    expect([app.delivered, broker.returned]).toEqual([[], ["t/m1"]]);
  });
});

describe("a paused subscription", () => {
  test("takes no message until it is resumed", async () => {
    const { call, broker, block, receive, app } = await standing({});
    await call("PauseSubscription");
    expect(broker.closed).toHaveLength(1);
    expect(block.subscriptions()).toMatchObject([{ state: "paused" }]);
    await call("ResumeSubscription");
    await settled();
    await receive();
    expect(app.ids).toEqual(["e1"]);
    expect(await call("ListSubscriptions")).toMatchObject({
      subscriptions: [{ pubsubName: "ps", topic: "t", origin: "DECLARATIVE", state: "attached" }],
    });
  });

  test("may begin paused", async () => {
    const { block, broker } = await standing({ paused: "true" });
    expect([block.subscriptions()[0]?.state, broker.subscribed]).toEqual(["paused", []]);
  });

  test("redrives nothing", async () => {
    const { call } = await standing({ paused: "true" });
    expect(await failureOf(call("RedriveMessages"))).toMatchObject({
      reason: "subscriptionNotFound",
      message: expect.stringContaining("it is paused; resume it first"),
    });
  });

  test("that is not there is named with those that are", async () => {
    const { call } = await standing({});
    expect(await failureOf(call("PauseSubscription", { topic: "x" }))).toMatchObject({
      httpStatus: 404,
      message: expect.stringContaining("the app subscribes to ps/t"),
    });
  });
});

describe("a delayed message", () => {
  const publish = (fakes: Awaited<ReturnType<typeof standing>>, metadata: Readonly<Record<string, string>>) =>
    fakes.call("PublishEvent", { data: Buffer.from("1"), dataContentType: "text/plain", metadata });

  test.each([{ delay: "5m" }, { delay: "300" }, { deliverAfter: "5m" }, { deliverAt: "2026-01-01T00:05:00Z" }])(
    "with %j is published when it is due, and not before",
    async (metadata) => {
      const fakes = await standing({}, { subscriptions: [] });
      await publish(fakes, { ...metadata, color: "blue" } as Readonly<Record<string, string>>);
      await fakes.clock.advance(299_000);
      expect(fakes.broker.published).toEqual([]);
      await fakes.clock.advance(2000);
      expect(fakes.broker.published).toMatchObject([{ topic: "t", metadata: { color: "blue" } }]);
      expect(Object.keys(fakes.broker.published[0]?.metadata ?? {})).toEqual(["color"]);
      expect(await fakes.own.keys()).toEqual([]);
    },
  );

  test("whose time has passed is published at once", async () => {
    const fakes = await standing({}, { subscriptions: [] });
    await publish(fakes, { deliverAt: "2020-01-01T00:00:00Z" });
    expect(fakes.broker.published).toHaveLength(1);
  });

  test("lives from the time at which it is due", async () => {
    const fakes = await standing({}, { subscriptions: [] });
    await publish(fakes, { delay: "1h", ttlInSeconds: "60" });
    await fakes.clock.advance(3_601_000);
    expect(fakes.broker.events("t")).toMatchObject([{ expiration: "2026-01-01T01:01:00.000Z" }]);
  });

  test("that the broker does not take is tried again", async () => {
    const fakes = await standing({}, { subscriptions: [] });
    let refusals = 0;
    fakes.broker.refusePublish = () => (refusals++ === 0 ? new Error("away") : undefined);
    await publish(fakes, { delay: "1s" });
    await fakes.clock.advance(60_000);
    expect([fakes.broker.published.length, refusals]).toEqual([1, 2]);
  });

  test("of an earlier run is found when the sidecar starts", async () => {
    const before = await standing({}, { subscriptions: [] });
    await publish(before, { delay: "1h" });
    await before.block.close();
    const after = await standing({}, { subscriptions: [], own: before.own });
    await after.clock.advance(3_700_000);
    expect(after.broker.published).toHaveLength(1);
  });

  test("is published once by two sidecars that look at the same time", async () => {
    const broker = new FakeBroker();
    const first = await standing({}, { subscriptions: [], declared: { ps: { broker } } });
    const second = await standing({}, { subscriptions: [], declared: { ps: { broker } }, own: first.own });
    for (let n = 0; n < 20; n++) await publish(first, { delay: "1s" });
    await Promise.all([first.clock.advance(30_000), second.clock.advance(30_000)]);
    expect(broker.published).toHaveLength(20);
  });

  test("among several is kept, and the others go at once", async () => {
    const fakes = await standing({}, { subscriptions: [] });
    await fakes.call("BulkPublishEvent", {
      entries: [
        { entryId: "1", event: Buffer.from("now"), contentType: "text/plain" },
        { entryId: "2", event: Buffer.from("later"), contentType: "text/plain", metadata: { delay: "1s" } },
      ],
    });
    expect(fakes.broker.events("t").map(({ data }) => data)).toEqual(["now"]);
    await fakes.clock.advance(1500);
    expect(fakes.broker.events("t").map(({ data }) => data)).toEqual(["now", "later"]);
  });

  test.each([
    [{ delay: "soon" }, 'delay must be a duration such as "30s", or a number of seconds, got "soon"'],
    [{ deliverAt: "tomorrow" }, 'deliverAt must be a time such as "2030-01-31T08:00:00Z", got "tomorrow"'],
  ])("with %j is refused", async (metadata, message) => {
    const fakes = await standing({}, { subscriptions: [] });
    const failure = await failureOf(publish(fakes, metadata as Readonly<Record<string, string>>));
    expect(failure).toMatchObject({ reason: "pubsubMetadata", message: expect.stringContaining(message) });
  });

  test("is refused when the store that the component names is not there", async () => {
    const broker = new FakeBroker();
    const declared = { ps: { broker, runtime: { deliveryStore: "orders" } } };
    const fakes = await standing({}, { subscriptions: [], declared });
    expect(await failureOf(publish(fakes, { delay: "1s" }))).toMatchObject({
      reason: "deliveryStore",
      message: expect.stringContaining("deliveryStore names orders, which is not declared"),
    });
  });
});
