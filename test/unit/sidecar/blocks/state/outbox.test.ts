import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { OutboxPubsub } from "../../../../../sidecar/blocks/state/outbox.ts";
import { openOutbox } from "../../../../../sidecar/blocks/state/outbox.ts";
import type { Planned } from "../../../../../sidecar/blocks/state/writes.ts";
import type { TopicEvent, Verdict } from "../../../../../sidecar/kernel/app.ts";
import type { Component } from "../../../../../sidecar/kernel/components.ts";
import { Request } from "../../../../../sidecar/kernel/request.ts";
import { StateItemSchema } from "../../../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { topicEvent } from "../../../../support/fake-events.ts";
import { KeptLog } from "../../../../support/open-driver.ts";
import { type Given, openStores } from "./store-under-test.ts";

type Publication = Parameters<OutboxPubsub["publish"]>[0];

class FakePubsub implements OutboxPubsub {
  readonly published: Publication[] = [];
  readonly subscribed: { readonly pubsubName: string; readonly topic: string }[] = [];
  deliver: (event: TopicEvent) => Promise<Verdict> = async () => "drop";
  closed = 0;
  refuse: Error | undefined;

  async publish(publication: Publication): Promise<void> {
    if (this.refuse) throw this.refuse;
    this.published.push(publication);
  }

  subscribeInternal(
    subscription: { pubsubName: string; topic: string },
    deliver: (event: TopicEvent) => Promise<Verdict>,
  ) {
    this.subscribed.push(subscription);
    this.deliver = deliver;
    return { close: async () => void this.closed++ };
  }
}

const configured = { outboxPublishPubsub: "pubsub", outboxPublishTopic: "orders" };
const request = new Request(
  "http",
  { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  () => {},
);
const upsert = (key: string, value: string, metadata: Record<string, string> = {}): Planned => ({
  type: "upsert",
  item: create(StateItemSchema, { key, value: Buffer.from(value), metadata }),
});
const remove = (key: string): Planned => ({ type: "delete", item: create(StateItemSchema, { key }) });
const textOf = ({ data }: Publication) => Buffer.from(data).toString();

async function open(given: Given = {}) {
  const clock = new FakeClock();
  const log = new KeptLog();
  const { components, stores, store, opened } = await openStores({
    clock,
    ...given,
    runtime: { ...configured, ...given.runtime },
  });
  const pubsub = new FakePubsub();
  const storeOf = (component: Parameters<typeof stores.of>[0]) => stores.of(component);
  const outbox = openOutbox({ components, pubsub, storeOf, appId: "app", namespace: "default", clock, log });
  const prepare = (...operations: Planned[]) => {
    const own = outbox.of(store);
    if (!own) throw new Error("the store has no outbox");
    return own.prepare(operations, request);
  };
  /** What comes back from the internal topic for a message that was parked there. */
  const back = (publication: Publication) => {
    const id = publication.metadata?.["cloudevent.id"] ?? "";
    return topicEvent(JSON.stringify({ id, data: textOf(publication), time: new Date(clock.now()).toISOString() }), {
      id,
    });
  };
  /** A message that another sidecar of the app has parked. */
  const foreign = () => topicEvent(JSON.stringify({ id: "f", time: new Date(clock.now()).toISOString() }), { id: "f" });
  return { clock, log, store, opened, pubsub, outbox, prepare, back, foreign };
}

describe("a store's outbox", () => {
  it("is there only when pubsub and topic are configured", async () => {
    for (const runtime of [
      {},
      { outboxPublishPubsub: "pubsub" },
      { outboxPublishTopic: "orders" },
      { outboxPublishPubsub: "", outboxPublishTopic: "" },
    ]) {
      const { components, stores, store } = await openStores({ runtime });
      const pubsub = new FakePubsub();
      const parts = {
        components,
        pubsub,
        storeOf: () => store,
        appId: "app",
        namespace: "default",
        clock: new FakeClock(),
        log: new KeptLog(),
      };
      expect(openOutbox(parts).of(stores.require("store"))).toBeUndefined();
      expect(pubsub.subscribed).toEqual([]);
    }
  });

  it("listens to a topic of its own, on a pubsub of its own where one is named", async () => {
    expect((await open()).pubsub.subscribed).toEqual([{ pubsubName: "pubsub", topic: "defaultappordersoutbox" }]);
    expect((await open({ runtime: { outboxPubsub: "other" } })).pubsub.subscribed[0]?.pubsubName).toBe("other");
  });

  it("of a store that is opened anew takes the place of the old one", async () => {
    const { components, stores } = await openStores({ runtime: configured });
    let follow = (_: Component<"state">) => {};
    const pubsub = new FakePubsub();
    const outbox = openOutbox({
      components: {
        ...components,
        onOpen(kind, listener) {
          follow = listener as unknown as typeof follow;
          return components.onOpen(kind, listener);
        },
      },
      pubsub,
      storeOf: (component) => stores.of(component),
      appId: "app",
      namespace: "default",
      clock: new FakeClock(),
      log: new KeptLog(),
    });
    const [component] = components.all("state");
    if (!component) throw new Error("no store");
    const before = outbox.of(stores.of(component));
    follow({ ...component });
    const after = outbox.of(stores.of(component));
    expect([pubsub.closed, pubsub.subscribed.length, after === before]).toEqual([1, 2, false]);
    follow({ ...component, runtime: {} });
    expect([pubsub.closed, outbox.of(stores.of(component))]).toEqual([2, undefined]);
    await outbox.close();
  });

  it("ends its subscription when it is closed", async () => {
    const { outbox, pubsub } = await open();
    await outbox.close();
    expect(pubsub.closed).toBe(1);
  });
});

describe("before the transaction", () => {
  it("a message per upsert is parked, and a mark per message is added", async () => {
    const { prepare, pubsub } = await open();
    const operations = [upsert("a", '{"n":1}'), remove("b"), upsert("c", '{"n":2}')];
    const { writes, marks } = await prepare(...operations);
    expect(writes).toEqual(operations);
    expect(pubsub.published.map((one) => [one.topic, textOf(one), one.contentType, one.trace])).toEqual([
      ["defaultappordersoutbox", '{"n":1}', "application/json", request.trace],
      ["defaultappordersoutbox", '{"n":2}', "application/json", request.trace],
    ]);
    const ids = pubsub.published.map(({ metadata }) => metadata?.["cloudevent.id"]);
    expect(new Set(ids).size).toBe(2);
    expect(marks.map(({ key }) => key)).toEqual(ids.map((id) => `app||outbox-${id}`));
  });

  it("a projection replaces the message and is not written", async () => {
    const { prepare, pubsub } = await open();
    const { writes } = await prepare(
      upsert("a", "1"),
      upsert("a", "instead", { "outbox.projection": "true" }),
      upsert("b", "2"),
    );
    expect(writes.map(({ item }) => Buffer.from(item.value).toString())).toEqual(["1", "2"]);
    expect(pubsub.published.map(textOf)).toEqual(["instead", "2"]);
  });

  it("metadata shapes the event, except what the outbox decides", async () => {
    const { prepare, pubsub } = await open();
    await prepare(
      upsert("a", "1", {
        "cloudevent.type": "own",
        "cloudevent.id": "mine",
        "cloudevent.data": "x",
        datacontenttype: "text/plain",
        other: "x",
      }),
    );
    const [publication] = pubsub.published;
    expect(publication?.contentType).toBe("text/plain");
    expect(publication?.metadata).toEqual({
      "cloudevent.type": "own",
      "cloudevent.id": expect.not.stringMatching(/^mine$/),
    });
  });

  it("a message that cannot be parked stops the transaction and takes those along that could", async () => {
    const { prepare, pubsub, back } = await open();
    pubsub.refuse = new Error("broker is down");
    await expect(prepare(upsert("a", "1"))).rejects.toMatchObject({
      reason: "outboxPublish",
      params: { cause: "broker is down" },
    });
    pubsub.refuse = undefined;
    const publish = pubsub.publish.bind(pubsub);
    pubsub.publish = async (one) => (textOf(one) === "2" ? Promise.reject(new Error("down")) : publish(one));
    await expect(prepare(upsert("a", "1"), upsert("b", "2"))).rejects.toMatchObject({ reason: "outboxPublish" });
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("success");
    expect(pubsub.published).toHaveLength(1);
  });
});

describe("a message that comes back", () => {
  it("leaves as it is when its mark is there, which is then gone", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks, settle } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
    settle(false);
    const event = back(pubsub.published[0] as Publication);
    expect(await pubsub.deliver(event)).toBe("success");
    expect(pubsub.published[1]).toMatchObject({
      pubsubName: "pubsub",
      topic: "orders",
      contentType: "application/cloudevents+json",
      data: event.json,
    });
    expect(await opened.get((marks[0] as { key: string }).key, {}, {})).toBeUndefined();
  });

  it("before its transaction has ended waits for that", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks, settle } = await prepare(upsert("a", "1"));
    const verdict = pubsub.deliver(back(pubsub.published[0] as Publication));
    await opened.transact?.(marks, {});
    expect(pubsub.published).toHaveLength(1);
    settle(false);
    expect(await verdict).toBe("success");
    expect(pubsub.published).toHaveLength(2);
  });

  it("is held when it is called off before its transaction has ended", async () => {
    const { prepare, pubsub, back } = await open();
    await prepare(upsert("a", "1"));
    const controller = new AbortController();
    const event = { ...back(pubsub.published[0] as Publication), signal: controller.signal };
    const verdict = pubsub.deliver(event);
    controller.abort(new Error("closing"));
    await expect(verdict).rejects.toThrow("closing");
    await expect(pubsub.deliver(event)).rejects.toThrow("closing");
  });

  it("of another sidecar's transaction that has not committed comes again later", async () => {
    const { pubsub, foreign } = await open();
    expect(await pubsub.deliver(foreign())).toBe("retry");
    expect(pubsub.published).toEqual([]);
  });

  it("of a transaction that was refused goes nowhere, be it before or after", async () => {
    const { prepare, pubsub, back } = await open();
    const { settle } = await prepare(upsert("a", "1"));
    const event = back(pubsub.published[0] as Publication);
    const verdict = pubsub.deliver(event);
    settle(true);
    expect(await verdict).toBe("success");
    const later = await prepare(upsert("b", "2"));
    later.settle(true);
    expect(await pubsub.deliver(back(pubsub.published[1] as Publication))).toBe("success");
    expect(pubsub.published).toHaveLength(2);
  });

  it("leaves when its mark is there although an attempt was refused", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks, settle } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
    settle(true);
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("success");
    expect(pubsub.published).toHaveLength(2);
  });

  it("of a transaction whose end is not known comes again until its mark is there", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks, settle } = await prepare(upsert("a", "1"));
    settle(false);
    const event = back(pubsub.published[0] as Publication);
    expect(await pubsub.deliver(event)).toBe("retry");
    await opened.transact?.(marks, {});
    expect(await pubsub.deliver(event)).toBe("success");
    expect(pubsub.published).toHaveLength(2);
  });

  it("of a sidecar that died before it committed is given up after five minutes", async () => {
    const { pubsub, foreign, clock, log } = await open();
    const event = foreign();
    await clock.advance(5 * 60_000);
    expect(await pubsub.deliver(event)).toBe("retry");
    await clock.advance(1);
    expect(await pubsub.deliver(event)).toBe("success");
    expect(pubsub.published).toEqual([]);
    expect(log.lines.join()).toContain("its transaction has not committed");
  });

  it("is given up at once where the store says so", async () => {
    const { pubsub, foreign } = await open({ runtime: { outboxDiscardWhenMissingState: true } });
    expect(await pubsub.deliver(foreign())).toBe("success");
    expect(pubsub.published).toEqual([]);
  });

  it("stays with the broker while it cannot be published or the mark cannot be read", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks, settle } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
    settle(false);
    const event = back(pubsub.published[0] as Publication);
    pubsub.refuse = new Error("down");
    await expect(pubsub.deliver(event)).rejects.toThrow("down");
    pubsub.refuse = undefined;
    expect(await pubsub.deliver(event)).toBe("success");
  });

  it("is done even when its mark cannot be deleted", async () => {
    const { prepare, pubsub, opened, back, log } = await open({
      opened: { delete: () => Promise.reject(new Error("disk")) },
    });
    const { marks, settle } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
    settle(false);
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("success");
    expect(log.lines.join()).toContain("could not be deleted");
  });

  it("without a readable time is not given up", async () => {
    const { pubsub } = await open();
    expect(await pubsub.deliver(topicEvent('{"id":"x","time":"never"}', { id: "x" }))).toBe("retry");
  });
});
