import { describe, expect, test } from "vitest";
import type { Subscription } from "../../../../../sidecar/kernel/config-types.ts";
import { fail } from "../../../../../specs/errors.ts";
import { type FakeApp, type Given, openFakes, retryPolicy, settled } from "./fakes.ts";

const event = (parts: object = {}) => Buffer.from(JSON.stringify({ id: "e1", type: "t", data: { n: 1 }, ...parts }));

/** A block with one subscription of topic `t`, standing. */
const delivering = async (subscription: Partial<Subscription> = {}, given: Given = {}) => {
  const facts: string[] = [];
  const ingress: Given["ingress"] = ({ topic, outcome }) => facts.push(`${topic} ${outcome}`);
  const fakes = openFakes({ subscriptions: [subscription], ingress, ...given });
  await fakes.block.start();
  await settled();
  const receive = async (parts: Parameters<typeof fakes.broker.deliver>[0] | object = {}) => {
    fakes.broker.deliver({ topic: "t", data: event(), ...parts });
    await settled();
  };
  return { ...fakes, receive, facts };
};

describe("what the app answers", () => {
  test("SUCCESS acknowledges", async () => {
    const { receive, broker, app, facts } = await delivering();
    await receive();
    expect(app.delivered).toMatchObject([{ id: "e1", topic: "t", pubsubName: "ps", path: "/path" }]);
    expect(Buffer.from(app.delivered[0]?.json ?? []).toString()).toBe(event().toString());
    expect(broker.acknowledged).toEqual(["t/m1"]);
    expect(facts).toEqual(["t success"]);
  });

  test("DROP warns and acknowledges", async () => {
    const { receive, broker, app, log, facts } = await delivering();
    app.answer = async () => "drop";
    await receive();
    expect(broker.acknowledged).toEqual(["t/m1"]);
    expect(log.lines.filter((line) => line.startsWith("warn the event is dropped"))).toHaveLength(1);
    expect(facts).toEqual(["t drop"]);
  });

  test("RETRY leaves the message to the broker", async () => {
    const { receive, broker, app, facts } = await delivering();
    app.answer = async () => "retry";
    await receive();
    expect([broker.acknowledged, broker.returned]).toEqual([[], ["t/m1"]]);
    expect(facts).toEqual(["t retry"]);
  });

  test("no answer leaves the message to the broker", async () => {
    const { receive, broker, app } = await delivering();
    app.answer = async () => {
      throw fail("appUnreachable", { cause: "refused" });
    };
    await receive();
    expect(broker.returned).toEqual(["t/m1"]);
  });
});

describe("with a dead letter topic", () => {
  const dead = { deadLetterTopic: "dead" };
  const metadata = { __key: "k", rawKey: "v" };

  test.each<[string, (app: FakeApp) => void, object]>([
    ["the app answers DROP", (app) => (app.answer = async () => "drop"), {}],
    ["the app answers RETRY", (app) => (app.answer = async () => "retry"), {}],
    ["the app does not answer", (app) => (app.answer = async () => Promise.reject(new Error("refused"))), {}],
    ["the event has expired", () => {}, { data: event({ expiration: "2020-01-01T00:00:00Z" }) }],
    ["the message is no event", () => {}, { data: Buffer.from("{no") }],
  ])("the message as it came goes there when %s", async (_, prepare, parts) => {
    const { receive, broker, app } = await delivering(dead);
    prepare(app);
    await receive({ metadata, contentType: "x/y", ...parts });
    const { data = event() } = parts as { data?: Buffer };
    expect(broker.published).toEqual([{ topic: "dead", data, contentType: "x/y", metadata }]);
    expect(broker.acknowledged).toEqual(["t/m1"]);
  });

  test("the original is kept until the dead letter topic has confirmed", async () => {
    const { receive, broker, app } = await delivering(dead);
    app.answer = async () => "drop";
    let confirm = () => {};
    broker.publish = () => new Promise((resolve) => (confirm = resolve));
    await receive();
    expect(broker.acknowledged).toEqual([]);
    confirm();
    await settled();
    expect(broker.acknowledged).toEqual(["t/m1"]);
  });

  test("the original is kept when the dead letter topic refuses", async () => {
    const { receive, broker, app, log } = await delivering(dead);
    app.answer = async () => "drop";
    broker.refusePublish = () => new Error("full");
    await receive();
    expect(broker.returned).toEqual(["t/m1"]);
    expect(log.lines.join()).toContain("full");
  });

  test("the original is kept when the dead letter topic has not confirmed for 30 s", async () => {
    const { receive, broker, app, clock } = await delivering(dead);
    app.answer = async () => "drop";
    broker.publish = () => new Promise(() => {});
    await receive();
    await clock.advance(30_000);
    expect(broker.returned).toEqual(["t/m1"]);
  });

  test("an app that is not healthy has not judged: nothing goes there", async () => {
    const { receive, broker, app } = await delivering(dead);
    app.answer = async () => Promise.reject(fail("appUnhealthy", {}));
    await receive();
    expect([broker.published, broker.returned]).toEqual([[], ["t/m1"]]);
  });

  test("the namespace stands before its name too", async () => {
    const { broker, app } = await delivering(dead, {
      namespace: "prod-",
      resources: [{ name: "ps", metadata: [{ name: "consumerID", value: "x-{namespace}", line: 1 }] }],
    });
    app.answer = async () => "drop";
    broker.deliver({ topic: "prod-t", data: event() });
    await settled();
    expect(app.delivered[0]?.topic).toBe("t");
    expect(broker.published.map(({ topic }) => topic)).toEqual(["prod-dead"]);
  });
});

describe("without a dead letter topic", () => {
  test.each([
    ["an expired event is dropped", { data: event({ expiration: "2020-01-01T00:00:00Z" }) }, ["t/m1"], []],
    ["a message that is no event stays with the broker", { data: Buffer.from("{no") }, [], ["t/m1"]],
  ])("%s", async (_, parts, acknowledged, returned) => {
    const { receive, broker, app } = await delivering();
    await receive(parts);
    expect({ acknowledged: broker.acknowledged, returned: broker.returned }).toEqual({ acknowledged, returned });
    expect(app.delivered).toEqual([]);
  });
});

describe("routing", () => {
  const routes = [
    { match: 'event.type == "a"', path: "/a" },
    { match: "event.data.n > 10", path: "/many" },
  ];

  test("the first rule that matches names the path", async () => {
    const { receive, app } = await delivering({ routes });
    await receive({ data: event({ type: "a", data: { n: 11 } }) });
    await receive({ data: event({ data: { n: 11 } }) });
    expect(app.paths).toEqual(["/a", "/many"]);
  });

  test("an event that no rule matches is done, with a copy to the dead letters", async () => {
    const { receive, app, broker } = await delivering({ routes, deadLetterTopic: "dead" });
    await receive();
    expect([app.delivered.length, broker.texts("dead").length, broker.acknowledged]).toEqual([0, 1, ["t/m1"]]);
  });

  test("an event on which a rule cannot be decided has failed", async () => {
    const { receive, broker, log } = await delivering({ routes });
    await receive({ data: event({ data: {} }) });
    expect(broker.returned).toEqual(["t/m1"]);
    expect(log.lines.join()).toContain("No such key: n");
  });

  test("rules see raw payloads as events of bytes", async () => {
    const rules = [{ match: "has(event.data_base64)", path: "/raw" }];
    const { receive, app } = await delivering({ routes: rules, metadata: { rawPayload: "true" } });
    await receive({ data: Buffer.from("hi") });
    expect(app.delivered).toMatchObject([{ path: "/raw", envelope: { data_base64: "aGk=", topic: "t" } }]);
  });
});

describe("the inbound policy", () => {
  const retries: Given = { policy: (clock) => retryPolicy(clock, 2) };
  const attemptsOf = (app: FakeApp) => app.delivered.map(({ metadata }) => metadata["mecha-delivery-attempt"]);

  test("tries again, and tells the app which attempt it is", async () => {
    const { receive, app, broker, clock } = await delivering({}, retries);
    app.answer = async () => (app.delivered.length < 3 ? "retry" : "success");
    await receive();
    await clock.advance(2000);
    expect(attemptsOf(app)).toEqual(["1", "2", "3"]);
    expect(broker.acknowledged).toEqual(["t/m1"]);
  });

  test("a redelivery of the broker goes on counting", async () => {
    const { receive, app } = await delivering({}, retries);
    await receive({ attempt: 4 });
    expect(attemptsOf(app)).toEqual(["4"]);
  });

  test("when it is exhausted the dead letter topic has its turn", async () => {
    const { receive, app, broker, clock } = await delivering({ deadLetterTopic: "dead" }, retries);
    app.answer = async () => "retry";
    await receive();
    expect(broker.texts("dead")).toHaveLength(0);
    await clock.advance(2000);
    expect([app.delivered.length, broker.texts("dead").length, broker.acknowledged]).toEqual([3, 1, ["t/m1"]]);
  });

  test("DROP is final", async () => {
    const { receive, app, clock } = await delivering({}, retries);
    app.answer = async () => "drop";
    await receive();
    await clock.advance(10_000);
    expect(app.delivered).toHaveLength(1);
  });

  test("an app that is not healthy is not tried again", async () => {
    const { receive, app, broker } = await delivering({}, retries);
    app.answer = async () => Promise.reject(fail("appUnhealthy", {}));
    await receive();
    expect(broker.returned).toEqual(["t/m1"]);
  });

  test("closing ends the pause between attempts and keeps the message", async () => {
    const { receive, app, broker, block } = await delivering({ deadLetterTopic: "dead" }, retries);
    app.answer = async () => "retry";
    await receive();
    await block.close();
    expect([broker.returned, broker.published, app.delivered.length]).toEqual([["t/m1"], [], 1]);
  });
});

describe("closing", () => {
  test("waits for what is with the app, and settles it", async () => {
    const { receive, app, broker, block } = await delivering();
    let finish = (_: "success") => {};
    app.answer = () => new Promise((resolve) => (finish = resolve));
    await receive();
    let closed = false;
    const closing = block.close().then(() => (closed = true));
    await settled();
    expect(closed).toBe(false);
    finish("success");
    await closing;
    expect(broker.acknowledged).toEqual(["t/m1"]);
  });

  test("a failure meanwhile keeps the message, without dead letter", async () => {
    const { receive, app, broker, block } = await delivering({ deadLetterTopic: "dead" });
    let finish = (_: "retry") => {};
    app.answer = () => new Promise((resolve) => (finish = resolve));
    await receive();
    const closing = block.close();
    finish("retry");
    await closing;
    expect([broker.returned, broker.published]).toEqual([["t/m1"], []]);
  });

  test("takes back after 30 s what the app does not finish", async () => {
    const { receive, app, broker, block, clock } = await delivering();
    app.answer = ({ signal }) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));
    await receive();
    const closing = block.close();
    await clock.advance(30_000);
    await closing;
    expect(broker.returned).toEqual(["t/m1"]);
    expect(clock.pending).toBe(0);
  });
});

test("what the sidecar itself subscribes to needs no app", async () => {
  const { block, broker } = openFakes({ app: null });
  const got: unknown[] = [];
  await block.start();
  const subscription = block.subscribeInternal({ pubsubName: "ps", topic: "outbox" }, async ({ envelope }) => {
    got.push(envelope);
    return "success";
  });
  await settled();
  broker.deliver({ topic: "outbox", data: event() });
  await settled();
  expect(got).toMatchObject([{ id: "e1" }]);
  await subscription.close();
  expect(broker.closed).toMatchObject([{ topic: "outbox" }]);
});
