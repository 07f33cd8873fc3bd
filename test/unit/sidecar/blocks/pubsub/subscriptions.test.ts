import { describe, expect, test } from "vitest";
import type { Subscription } from "../../../../../sidecar/kernel/config-types.ts";
import { fail } from "../../../../../specs/errors.ts";
import { FakeApp, FakeBroker, FakeHealth, type Given, openFakes, settled, subscription } from "./fakes.ts";

const to = (path: string, parts: Partial<Subscription> = {}) =>
  subscription({ routes: [{ match: "", path }], ...parts });
const event = Buffer.from('{"id":"e1"}');

const started = async (given: Given = {}) => {
  const fakes = openFakes(given);
  await fakes.block.start();
  await settled();
  const pathOf = async (topic = "t") => {
    fakes.app.delivered.length = 0;
    fakes.broker.deliver({ topic, data: event });
    await settled();
    return fakes.app.paths;
  };
  const states = () => fakes.block.subscriptions().map(({ topic, origin, state }) => `${topic} ${origin} ${state}`);
  return { ...fakes, pathOf, states };
};
const appWith = (...subscriptions: readonly Subscription[]) => {
  const app = new FakeApp();
  app.subscribesTo = async () => subscriptions;
  return app;
};

describe("precedence per component and topic", () => {
  test.each<[string, Subscription[], Subscription[], string[]]>([
    ["an app's word goes over files", [to("/file")], [to("/app")], ["/app"]],
    ["of several files the first counts", [to("/1"), to("/2")], [], ["/1"]],
    ["of several words of the app the last", [], [to("/1"), to("/2")], ["/2"]],
    ["topics do not touch one another", [to("/file")], [to("/app", { topic: "u" })], ["/file"]],
  ])("%s", async (_, declared, programmatic, expected) => {
    const { pathOf } = await started({ subscriptions: declared, app: appWith(...programmatic) });
    expect(await pathOf()).toEqual(expected);
  });

  test("what the metadata API says", async () => {
    const { block } = await started({
      subscriptions: [to("/file", { deadLetterTopic: "dead" })],
      app: appWith(to("/app", { topic: "u", metadata: { a: "b" } })),
    });
    expect(block.subscriptions()).toEqual([
      { ...to("/file", { deadLetterTopic: "dead" }), origin: "DECLARATIVE", state: "attached", why: undefined },
      {
        ...to("/app", { topic: "u", metadata: { a: "b" } }),
        origin: "PROGRAMMATIC",
        state: "attached",
        why: undefined,
      },
    ]);
  });
});

describe("what the broker is asked for", () => {
  test.each<[string, Partial<Subscription>, Given, object]>([
    ["group and default concurrency", {}, {}, { topic: "t", group: "app1", concurrency: 100, metadata: {} }],
    ["a concurrency of its own", { metadata: { concurrency: "7" } }, {}, { concurrency: 7 }],
    ["one at a time", { metadata: { concurrency: "single" } }, {}, { concurrency: 1 }],
    ["metadata as declared", { metadata: { queueType: "quorum" } }, {}, { metadata: { queueType: "quorum" } }],
  ])("%s", async (_, parts, given, expected) => {
    const { broker } = await started({ subscriptions: [parts], ...given });
    expect(broker.subscribed).toMatchObject([expected]);
  });

  test("the consumer group of the component", async () => {
    const broker = new FakeBroker();
    await started({ subscriptions: [{}], declared: { ps: { broker, runtime: { consumerID: "g" } } } });
    expect(broker.subscribed).toMatchObject([{ group: "g" }]);
  });
});

describe("subscriptions that cannot work as they are written", () => {
  test.each<[string, Partial<Subscription>, Record<string, string>, RegExp]>([
    ["a scope denies", {}, { subscriptionScopes: "app1=u" }, /topic t is not allowed for app id app1/],
    [
      "a scope denies the dead letter topic",
      { deadLetterTopic: "dead" },
      { publishingScopes: "app1=" },
      /topic dead is not allowed/,
    ],
    ["the dead letter topic is the topic", { deadLetterTopic: "t" }, {}, /deadLetterTopic is the topic itself/],
    ["there is no route", { routes: [] }, {}, /it has no route; add route/],
    ["a rule is no CEL", { routes: [{ match: "event.", path: "/a" }] }, {}, /the rule "event." is not usable/],
    [
      "rawPayload is no flag",
      { metadata: { rawPayload: "x" } },
      {},
      /metadata rawPayload must be "true" or "false", got "x"/,
    ],
    [
      "concurrency is no number",
      { metadata: { concurrency: "many" } },
      {},
      /metadata concurrency must be a whole number/,
    ],
  ])("%s: it fails alone", async (_, parts, runtime, why) => {
    const broker = new FakeBroker();
    const declared = { ps: { broker, runtime }, other: { broker: new FakeBroker() } };
    const { block, clock, log } = await started({ subscriptions: [parts, { pubsubName: "other" }], declared });
    expect(block.subscriptions()).toMatchObject([
      { state: "failed", why: expect.stringMatching(why) },
      { state: "attached" },
    ]);
    await clock.advance(60_000);
    expect(broker.subscribed).toEqual([]);
    expect(log.lines.filter((line) => line.startsWith("error"))).toHaveLength(1);
  });

  test("an app that speaks gRPC needs no route", async () => {
    const app = new FakeApp();
    app.speaksGrpc = true;
    const { pathOf } = await started({ subscriptions: [{ routes: [] }], app });
    expect(await pathOf()).toEqual([""]);
  });
});

describe("a broker that refuses", () => {
  test("is tried again with growing pauses; siblings are not touched", async () => {
    const broker = new FakeBroker();
    let tries = 0;
    broker.refuseSubscribe = ({ topic }) => (topic === "t" && ++tries < 4 ? new Error("not yet") : undefined);
    const { states, clock } = await started({ subscriptions: [{}, { topic: "u" }], declared: { ps: { broker } } });
    expect(states()).toEqual(["t DECLARATIVE attaching", "u DECLARATIVE attached"]);
    await clock.advance(500);
    await clock.advance(999);
    expect(tries).toBe(2);
    await clock.advance(1);
    await clock.advance(2000);
    expect([tries, states()[0]]).toEqual([4, "t DECLARATIVE attached"]);
  });

  test("is left alone once the block is closed", async () => {
    const broker = new FakeBroker();
    broker.refuseSubscribe = () => new Error("never");
    const { block, clock } = await started({ subscriptions: [{}], declared: { ps: { broker } } });
    await block.close();
    expect(clock.pending).toBe(0);
  });
});

describe("the app's health", () => {
  test("nothing is attached before the app is healthy, and all is detached when it is not", async () => {
    const health = new FakeHealth(false);
    const { states, broker, block } = await started({ subscriptions: [{}], health });
    expect(states()).toEqual(["t DECLARATIVE waiting"]);
    expect(block.subscriptions()[0]?.why).toBe("the app is not ready");
    await health.set(true);
    expect(states()).toEqual(["t DECLARATIVE attached"]);
    await health.set(false);
    expect([states(), broker.closed.length]).toEqual([["t DECLARATIVE waiting"], 1]);
  });

  test("the app is asked each time it has become healthy, and its new word counts", async () => {
    const health = new FakeHealth();
    const app = appWith(to("/old"));
    const { pathOf } = await started({ health, app });
    expect(await pathOf()).toEqual(["/old"]);
    app.subscribesTo = async () => [to("/new")];
    await health.set(false);
    await health.set(true);
    expect([await pathOf(), app.asked]).toEqual([["/new"], 2]);
  });

  test("an answer that comes after the app has gone is not used", async () => {
    const health = new FakeHealth();
    const app = new FakeApp();
    let answer = (_: readonly Subscription[]) => {};
    app.subscribesTo = () => new Promise((resolve) => (answer = resolve));
    const { broker } = await started({ health, app });
    await health.set(false);
    answer([to("/late")]);
    await settled();
    expect(broker.subscribed).toEqual([]);
  });

  test("an app that cannot be asked is asked three times more, then gets what is declared", async () => {
    const app = new FakeApp();
    app.subscribesTo = async () => Promise.reject(new Error("nobody there"));
    const { states, log, clock } = await started({ subscriptions: [{}], app });
    expect([app.asked, states()]).toEqual([1, ["t DECLARATIVE waiting"]]);
    for (let seconds = 0; seconds < 5; seconds++) await clock.advance(1000);
    expect([app.asked, states()]).toEqual([4, ["t DECLARATIVE attached"]]);
    expect(log.lines.join()).toContain("nobody there");
  });

  test("an answer that makes no sense is not asked for twice", async () => {
    const app = new FakeApp();
    app.subscribesTo = async () => Promise.reject(fail("malformedRequest", { why: "no JSON" }));
    const { states, log } = await started({ subscriptions: [{}], app });
    expect([app.asked, states()]).toEqual([1, ["t DECLARATIVE attached"]]);
    expect(log.lines.join()).toContain("no JSON");
  });

  test("an app is not asked any more once the block is closed", async () => {
    const app = new FakeApp();
    app.subscribesTo = async () => Promise.reject(new Error("nobody there"));
    const { block, clock } = await started({ app });
    await block.close();
    await clock.advance(10_000);
    expect(app.asked).toBe(1);
  });

  test("an app whose init endpoint is switched off is not asked", async () => {
    const app = appWith(to("/app"));
    const { states } = await started({ subscriptions: [{}], app, disableInitEndpoints: ["subscribe"] });
    expect([states(), app.asked]).toEqual([["t DECLARATIVE attached"], 0]);
  });

  test("without an app nothing is attached, and the log says so", async () => {
    const { states, log } = await started({ subscriptions: [{}], app: null });
    expect(states()).toEqual(["t DECLARATIVE waiting"]);
    expect(log.lines.join()).toContain("no --app-port is given");
  });
});

describe("components", () => {
  test("a subscription waits for its component", async () => {
    const { states, components, block } = await started({ subscriptions: [{}], closedAtFirst: true });
    expect([states(), block.subscriptions()[0]?.why]).toEqual([["t DECLARATIVE waiting"], "pubsub ps is not open"]);
    components.open("ps");
    await settled();
    expect(states()).toEqual(["t DECLARATIVE attached"]);
  });

  test("a component that is opened anew gets its subscriptions again", async () => {
    const { states, components, broker } = await started({ subscriptions: [{}] });
    const next = new FakeBroker();
    components.open("ps", { broker: next });
    await settled();
    expect([broker.closed.length, next.subscribed.length, states()]).toEqual([1, 1, ["t DECLARATIVE attached"]]);
  });

  test("an unknown component is named, with what was meant", async () => {
    const { log } = await started({ subscriptions: [{ pubsubName: "pss" }] });
    expect(log.lines.join()).toContain('pubsub pss is not found; did you mean "ps"?');
  });
});

describe("declaring anew", () => {
  test("adds, removes and leaves alone", async () => {
    const { block, broker, states } = await started({ subscriptions: [{}, { topic: "u" }] });
    block.declare([subscription({ topic: "u" }), subscription({ topic: "v" })]);
    await settled();
    expect(states()).toEqual(["u DECLARATIVE attached", "v DECLARATIVE attached"]);
    expect(broker.subscribed.map(({ topic }) => topic)).toEqual(["t", "u", "v"]);
    expect(broker.closed.map(({ topic }) => topic)).toEqual(["t"]);
  });
});

test("closing closes every subscription, and twice is once", async () => {
  const { block, broker } = await started({ subscriptions: [{}, { topic: "u" }] });
  await Promise.all([block.close(), block.close()]);
  await block.close();
  expect(broker.closed).toHaveLength(2);
});
