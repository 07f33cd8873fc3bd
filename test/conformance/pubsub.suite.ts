import { expect, test } from "vitest";
import type { MessageHandler, PubsubCapability, PubsubDriver, Settle } from "../../components/contract/pubsub.ts";
import { keeper, type OpenPubsub, options, toTopic } from "./pubsub-bench.ts";
import { pubsubCloseCases, pubsubDurableCases } from "./pubsub-close.suite.ts";
import { pubsubOrderCases } from "./pubsub-order.suite.ts";
import { fresh, large, openBench, type Target, toText } from "./target.ts";

export interface PubsubTarget extends Target<PubsubDriver> {
  /** Messages may overtake each other even with a concurrency of 1. */
  readonly unordered?: boolean;
  /** A message that is not settled holds up those behind it. */
  readonly holdsUp?: boolean;
  /** A message is kept for the groups that there are when it is published, and for no later ones. */
  readonly forgetsUnheard?: boolean;
  /** No name of a topic holds a star. */
  readonly refusesStars?: boolean;
  /** Messages are bytes under a topic; what else the publisher says of them does not arrive. */
  readonly bytesOnly?: boolean;
  /** How the levels of a topic are told apart, and what stands for any of them; default: `.` and `*`. */
  readonly levels?: { readonly separator: string; readonly any: string };
  /** Capabilities of the driver that it does not have with these settings. */
  readonly without?: readonly PubsubCapability[];
}

/** What every broker must do. */
export function pubsubSuite(target: PubsubTarget): void {
  const { driver } = target;
  const open = () => openBench(target) as ReturnType<OpenPubsub>;
  const has = (capability: PubsubCapability) =>
    driver.capabilities.includes(capability) && !target.without?.includes(capability);

  publishCases(open, target);
  groupCases(open);
  redeliveryCases(open, target);
  if (has("bulkPublish")) bulkCases(open, target);
  else noBulkCase(open);
  if (has("ttl")) ttlCases(open);
  if (has("wildcards")) wildcardCases(open, target);
  else if (target.refusesStars) noStarCase(open);
  else noWildcardCase(open);
  if (has("ordering")) pubsubOrderCases(open);
  pubsubCloseCases(open);
  if (has("durable")) pubsubDurableCases(open, target);
}

function publishCases(open: OpenPubsub, target: PubsubTarget): void {
  test("a message arrives with its bytes, its topic and what the publisher said about it", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { messages, handler } = keeper();
    await opened.subscribe(options(topic), handler, {});
    const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await opened.publish({ topic, data, contentType: "application/x-test", metadata: { color: "blue" } }, {});
    await until(() => messages.length === 1);
    const [message] = messages;
    expect(message && Buffer.compare(message.data, data)).toBe(0);
    const metadata = target.bytesOnly ? {} : { color: "blue" };
    expect(message).toMatchObject({ topic, attempt: 1, metadata, id: expect.any(String) });
    expect(["application/x-test", undefined]).toContain(message?.contentType);
  });

  test.each([
    ["no bytes", Buffer.alloc(0)],
    ["many bytes", large(target)],
  ])("a message of %s arrives", async (_, data) => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { messages, handler } = keeper();
    await opened.subscribe(options(topic), handler, {});
    await opened.publish({ topic, data, metadata: {} }, {});
    await until(() => messages.length === 1);
    expect(messages[0] && Buffer.compare(messages[0].data, data)).toBe(0);
  });

  test("messages of other topics do not arrive", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { handler, texts } = keeper();
    await opened.subscribe(options(topic), handler, {});
    await opened.publish(toTopic(`${topic}x`, "other"), {});
    await opened.publish(toTopic(topic, "mine"), {});
    await until(() => texts().length > 0);
    expect(texts()).toEqual(["mine"]);
  });

  test("publishing to a topic that nobody reads succeeds", async () => {
    const { opened } = await open();
    await opened.publish(toTopic(fresh("t"), "1"), {});
  });

  test("every message arrives once and has an id of its own", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { messages, handler, texts } = keeper();
    await opened.subscribe(options(topic), handler, {});
    const sent = Array.from({ length: 300 }, (_, n) => String(n));
    await Promise.all(sent.map((text) => opened.publish(toTopic(topic, text), {})));
    await until(() => messages.length >= sent.length);
    expect(texts().sort()).toEqual([...sent].sort());
    expect(new Set(messages.map(({ id }) => id)).size).toBe(sent.length);
  });

  test.skipIf(target.unordered)(
    "with a concurrency of 1 messages arrive in the order of their publication",
    async () => {
      const { opened, until } = await open();
      const topic = fresh("t");
      const { handler, texts } = keeper();
      await opened.subscribe(options(topic, { concurrency: 1 }), handler, {});
      const sent = Array.from({ length: 100 }, (_, n) => String(n));
      for (const text of sent) await opened.publish(toTopic(topic, text), {});
      await until(() => texts().length >= sent.length);
      expect(texts()).toEqual(sent);
    },
  );

  test.skipIf(target.holdsUp)("as many messages as the concurrency are handled at once, and no more", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    let [active, most, done] = [0, 0, 0];
    const waiting: (() => void)[] = [];
    const handler: MessageHandler = async () => {
      active += 1;
      most = Math.max(most, active);
      await new Promise<void>((resolve) => waiting.push(resolve));
      active -= 1;
      done += 1;
      return "ack";
    };
    await opened.subscribe(options(topic, { concurrency: 4 }), handler, {});
    for (let n = 0; n < 12; n += 1) await opened.publish(toTopic(topic, String(n)), {});
    await until(() => active === 4);
    await until(() => {
      waiting.shift()?.();
      return done === 12;
    });
    expect(most).toBe(4);
  });
}

function groupCases(open: OpenPubsub): void {
  test("each group gets every message", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const [one, two] = [keeper(), keeper()];
    await opened.subscribe(options(topic, { group: "one" }), one.handler, {});
    await opened.subscribe(options(topic, { group: "two" }), two.handler, {});
    for (const text of ["a", "b", "c"]) await opened.publish(toTopic(topic, text), {});
    await until(() => one.messages.length + two.messages.length === 6);
    expect(one.texts().sort()).toEqual(["a", "b", "c"]);
    expect(two.texts().sort()).toEqual(["a", "b", "c"]);
  });

  test("the members of a group share its messages", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const sent = Array.from({ length: 60 }, (_, n) => String(n));
    const members = [keeper(), keeper(), keeper()];
    for (const { handler } of members) await opened.subscribe(options(topic), handler, {});
    await Promise.all(sent.map((text) => opened.publish(toTopic(topic, text), {})));
    const all = () => members.flatMap(({ texts }) => texts());
    await until(() => all().length >= sent.length);
    expect(all().sort()).toEqual([...sent].sort());
  });
}

function redeliveryCases(open: OpenPubsub, { holdsUp = false, unordered = false }: PubsubTarget): void {
  const failures: [string, () => Settle][] = [
    ["asks for a retry", () => "retry"],
    [
      "fails",
      () => {
        throw new Error("the app is down");
      },
    ],
  ];
  test.each(failures)("a message whose handler %s comes again, as the same message", async (_, fails) => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { messages, handler, texts } = keeper(({ attempt }) => (attempt < 3 ? fails() : "ack"));
    await opened.subscribe(options(topic), handler, {});
    await opened.publish(toTopic(topic, "1"), {});
    await until(() => messages.length >= 3, 60_000);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(1);
    expect(messages.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(texts()).toEqual(["1", "1", "1"]);
  });

  test.skipIf(holdsUp)(
    "a settled message never comes again, and one that waits for a retry does not hold up others",
    async () => {
      const { opened, until } = await open();
      const topic = fresh("t");
      const { handler, texts } = keeper(({ data, attempt }) =>
        toText(data) === "bad" && attempt === 1 ? "retry" : "ack",
      );
      await opened.subscribe(options(topic, { concurrency: 1 }), handler, {});
      for (const text of ["bad", "a", "b"]) await opened.publish(toTopic(topic, text), {});
      await until(() => texts().length >= 4, 60_000);
      if (unordered) expect(texts().sort()).toEqual(["a", "b", "bad", "bad"]);
      else expect(texts()).toEqual(["bad", "a", "b", "bad"]);
    },
  );
}

function bulkCases(open: OpenPubsub, { unordered = false }: PubsubTarget): void {
  test("several messages are published at once, in their order", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { handler, texts } = keeper();
    await opened.subscribe(options(topic, { concurrency: 1 }), handler, {});
    const sent = Array.from({ length: 50 }, (_, n) => String(n));
    const failed = await opened.publishMany?.(
      sent.map((text) => toTopic(topic, text)),
      {},
    );
    expect(failed).toEqual([]);
    await until(() => texts().length >= sent.length);
    if (unordered) expect(texts().sort()).toEqual([...sent].sort());
    else expect(texts()).toEqual(sent);
  });

  test("publishing no messages succeeds", async () => {
    const { opened } = await open();
    expect(await opened.publishMany?.([], {})).toEqual([]);
  });
}

function noBulkCase(open: OpenPubsub): void {
  test("the broker offers no bulk publishing", async () => {
    expect((await open()).opened.publishMany).toBeUndefined();
  });
}

function ttlCases(open: OpenPubsub): void {
  test("a message whose time to live has passed is not delivered, one within it is", async () => {
    const { opened, until, pass } = await open();
    const topic = fresh("t");
    let release = () => {};
    const { handler, texts } = keeper(({ data }) =>
      toText(data) === "first" ? new Promise((resolve) => (release = () => resolve("ack"))) : "ack",
    );
    await opened.subscribe(options(topic, { concurrency: 1 }), handler, {});
    await opened.publish(toTopic(topic, "first"), {});
    await until(() => texts().length === 1);
    await opened.publish(toTopic(topic, "short", { metadata: { ttlInSeconds: "1" } }), {});
    await opened.publish(toTopic(topic, "long", { metadata: { ttlInSeconds: "100" } }), {});
    await opened.publish(toTopic(topic, "endless"), {});
    await pass(1200);
    release();
    await until(() => texts().length >= 3);
    expect(texts()).toEqual(["first", "long", "endless"]);
  });

  test("a message with the longest time to live is delivered, and those behind it", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { handler, texts } = keeper();
    await opened.subscribe(options(topic), handler, {});
    await opened.publish(toTopic(topic, "age", { metadata: { ttlInSeconds: "250000000000" } }), {});
    await opened.publish(toTopic(topic, "next"), {});
    await until(() => texts().length === 2);
    expect(texts()).toEqual(["age", "next"]);
  });

  test.each(["soon", "0", "-1", "1.5", "1e3", "250000000001"])(
    "a time to live of %j is refused",
    async (ttlInSeconds) => {
      const { opened } = await open();
      const message = toTopic(fresh("t"), "1", { metadata: { ttlInSeconds } });
      await expect(opened.publish(message, {})).rejects.toMatchObject({ reason: "requestMetadataInvalid" });
      const failed = await opened.publishMany?.([toTopic(fresh("t"), "1"), message], {});
      if (failed) expect(failed).toMatchObject([{ index: 1, cause: { reason: "requestMetadataInvalid" } }]);
    },
  );
}

function wildcardCases(open: OpenPubsub, target: PubsubTarget): void {
  const { separator, any } = target.levels ?? { separator: ".", any: "*" };
  test("a subscription with a wildcard gets the messages of every topic that fits, under their topics", async () => {
    const { opened, until } = await open();
    const prefix = fresh("t");
    const { messages, handler } = keeper();
    await opened.subscribe(options(`${prefix}${separator}${any}`), handler, {});
    const [a, other, b] = [`${prefix}${separator}a`, `${prefix}x`, `${prefix}${separator}b`];
    for (const topic of [a, other, b]) await opened.publish(toTopic(topic, "1"), {});
    await until(() => messages.length >= 2);
    expect(messages.map(({ topic }) => topic)).toEqual([a, b]);
  });
}

function noStarCase(open: OpenPubsub): void {
  test("a star in a topic is refused", async () => {
    const { opened } = await open();
    const topic = `${fresh("t")}.*`;
    const refused = { reason: "malformedRequest" };
    await expect(opened.publish(toTopic(topic, "1"), {})).rejects.toMatchObject(refused);
    await expect(opened.subscribe(options(topic), keeper().handler, {})).rejects.toMatchObject(refused);
  });
}

function noWildcardCase(open: OpenPubsub): void {
  test("a star in a topic stands for itself", async () => {
    const { opened, until } = await open();
    const prefix = fresh("t");
    const { handler, texts } = keeper();
    await opened.subscribe(options(`${prefix}.*`), handler, {});
    await opened.publish(toTopic(`${prefix}.a`, "other"), {});
    await opened.publish(toTopic(`${prefix}.*`, "mine"), {});
    await until(() => texts().length > 0);
    expect(texts()).toEqual(["mine"]);
  });
}
