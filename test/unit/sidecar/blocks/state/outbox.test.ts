import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { OutboxPubsub } from "../../../../../sidecar/blocks/state/outbox.ts";
import { openOutbox } from "../../../../../sidecar/blocks/state/outbox.ts";
import type { Planned } from "../../../../../sidecar/blocks/state/writes.ts";
import type { TopicEvent, Verdict } from "../../../../../sidecar/kernel/app.ts";
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
  return { clock, log, store, opened, pubsub, outbox, prepare, back };
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

  it("a message that cannot be parked stops the transaction", async () => {
    const { prepare, pubsub } = await open();
    pubsub.refuse = new Error("broker is down");
    await expect(prepare(upsert("a", "1"))).rejects.toMatchObject({
      reason: "outboxPublish",
      params: { cause: "broker is down" },
    });
  });
});

describe("a message that comes back", () => {
  it("leaves as it is when its mark is there, which is then gone", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
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

  it("before its transaction has committed comes again later", async () => {
    const { prepare, pubsub, back } = await open();
    await prepare(upsert("a", "1"));
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("retry");
    expect(pubsub.published).toHaveLength(1);
  });

  it("of a transaction that failed goes nowhere", async () => {
    const { prepare, pubsub, back } = await open();
    const { discard } = await prepare(upsert("a", "1"));
    discard();
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("success");
    expect(pubsub.published).toHaveLength(1);
  });

  it("of a sidecar that died before it committed is given up after five minutes", async () => {
    const { prepare, pubsub, back, clock, log } = await open();
    await prepare(upsert("a", "1"));
    const event = back(pubsub.published[0] as Publication);
    await clock.advance(5 * 60_000);
    expect(await pubsub.deliver(event)).toBe("retry");
    await clock.advance(1);
    expect(await pubsub.deliver(event)).toBe("success");
    expect(pubsub.published).toHaveLength(1);
    expect(log.lines.join()).toContain("its transaction has not committed");
  });

  it("is given up at once where the store says so", async () => {
    const { prepare, pubsub, back } = await open({ runtime: { outboxDiscardWhenMissingState: true } });
    await prepare(upsert("a", "1"));
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("success");
    expect(pubsub.published).toHaveLength(1);
  });

  it("stays with the broker while it cannot be published or the mark cannot be read", async () => {
    const { prepare, pubsub, opened, back } = await open();
    const { marks } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
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
    const { marks } = await prepare(upsert("a", "1"));
    await opened.transact?.(marks, {});
    expect(await pubsub.deliver(back(pubsub.published[0] as Publication))).toBe("success");
    expect(log.lines.join()).toContain("could not be deleted");
  });

  it("without a readable time is not given up", async () => {
    const { pubsub } = await open();
    expect(await pubsub.deliver(topicEvent('{"id":"x","time":"never"}', { id: "x" }))).toBe("retry");
  });
});
