import { describe, expect, test } from "vitest";
import {
  type BulkEvent,
  type CloudEvent,
  createApp,
  type Handled,
  type TopicSubscription,
} from "../../../../sdk/src/index.ts";
import { openChannel, pathsOf, type ServerName, servers, startApp } from "./start-app.ts";

interface Order {
  readonly item: string;
}

const envelope = (data: unknown, more: object = {}) => ({
  ...{ id: "1", source: "shop", type: "t", specversion: "1.0", datacontenttype: "application/json" },
  ...{ pubsubname: "bus", topic: "orders", time: "2026-01-01T00:00:00Z", traceparent: "00-1", data },
  ...more,
});

/** A running app with one subscription, and the sidecar's delivery to its default path. */
async function subscribed(subscription: Omit<TopicSubscription, "pubsub" | "topic">, server?: ServerName) {
  const errors: unknown[] = [];
  const { port } = await startApp(
    { subscriptions: [{ pubsub: "bus", topic: "orders", ...subscription }], onError: (error) => errors.push(error) },
    server,
  );
  const { app } = await openChannel(port);
  const [found] = await app.subscriptions();
  const path = found ? pathsOf(found)[""] : undefined;
  return {
    errors,
    found,
    deliver: (event: Readonly<Record<string, unknown>>, at = path ?? "") =>
      app.deliver({
        ...{ id: "1", pubsubName: "bus", topic: "orders", path: at, json: Buffer.from(JSON.stringify(event)) },
        ...{ envelope: event, metadata: { partition: "3" }, trace: undefined },
      }),
    deliverMany: (entries: readonly { entryId: string; event: object | Buffer }[]) =>
      app.deliverMany({
        ...{ id: "b", pubsubName: "bus", topic: "orders", path: path ?? "", metadata: {} },
        entries: entries.map(({ entryId, event }) => ({
          ...{ entryId, contentType: "", metadata: { k: "v" } },
          event: Buffer.isBuffer(event)
            ? { raw: event }
            : { json: Buffer.from(JSON.stringify(event)), envelope: event as Record<string, unknown> },
        })),
      }),
  };
}

describe.each(servers)("an event for an app on %s", (server) => {
  test("comes decoded, with what the broker said", async () => {
    const seen: unknown[] = [];
    const { deliver } = await subscribed(
      {
        handle: (event: CloudEvent<Order>, request) => {
          seen.push(event, request.headers["partition"]);
        },
      },
      server,
    );
    expect(await deliver(envelope({ item: "apple" }, { subject: "s", custom: 1 }))).toBe("success");
    expect(seen).toEqual([
      {
        ...{ id: "1", source: "shop", type: "t", specVersion: "1.0", dataContentType: "application/json" },
        ...{ data: { item: "apple" }, pubsubName: "bus", topic: "orders", subject: "s", time: "2026-01-01T00:00:00Z" },
        extensions: { traceparent: "00-1", custom: 1 },
      },
      "3",
    ]);
  });

  test.each([
    [undefined, "success"],
    ["success", "success"],
    ["retry", "retry"],
    ["drop", "drop"],
  ] as const)("has the verdict of a handler that gives %s", async (handled, verdict) => {
    const { deliver } = await subscribed({ handle: async (): Promise<Handled> => handled }, server);
    expect(await deliver(envelope(1))).toBe(verdict);
  });

  test("comes again when its handler throws", async () => {
    const broken = () => {
      throw new Error("no database");
    };
    const { deliver, errors } = await subscribed({ handle: broken }, server);
    expect(await deliver(envelope(1))).toBe("retry");
    expect(errors).toEqual([new Error("no database")]);
  });
});

describe("events", () => {
  test("that hold bytes come as bytes", async () => {
    const seen: unknown[] = [];
    const { deliver, found } = await subscribed({
      raw: true,
      metadata: { m: "1" },
      handle: ({ data }: CloudEvent<Uint8Array>) => void seen.push(String(data)),
    });
    expect(found?.metadata).toEqual({ m: "1", rawPayload: "true" });
    const { data: _, ...rest } = envelope(0, { datacontenttype: "application/octet-stream", data_base64: "cmF3" });
    await deliver(rest);
    expect(seen).toEqual(["raw"]);
  });

  test("go by rules, else to the default", async () => {
    const seen: string[] = [];
    const { deliver, found } = await subscribed({
      deadLetterTopic: "dead",
      rules: [
        { match: "event.data.large", handle: () => void seen.push("large") },
        { match: "event.data.small", path: "small", handle: () => void seen.push("small") },
      ],
      handle: () => void seen.push("other"),
    });
    const paths = found ? pathsOf(found) : {};
    expect(paths).toEqual({
      "event.data.large": "/events/bus/orders/rule-1",
      "event.data.small": "/small",
      "": "/events/bus/orders",
    });
    expect(found?.deadLetterTopic).toBe("dead");
    for (const path of Object.values(paths)) await deliver(envelope(1), path);
    expect(seen).toEqual(["large", "small", "other"]);
  });

  test("that no rule matches need no handler", async () => {
    const { found } = await subscribed({ rules: [{ match: "true", handle: () => {} }] });
    expect(found && pathsOf(found)).toEqual({ true: "/events/bus/orders/rule-1" });
  });

  test("of a bulk get a verdict each from a handler of one", async () => {
    const { deliverMany, found, errors } = await subscribed({
      bulk: { maxMessages: 50, maxAwaitMs: 20 },
      handle: ({ data }: CloudEvent<number>) => {
        if (data === 3) throw new Error("three");
        return data === 2 ? "drop" : undefined;
      },
    });
    expect(found?.bulkSubscribe).toEqual({ enabled: true, maxMessagesCount: 50, maxAwaitDurationMs: 20 });
    const entries = [1, 2, 3].map((data) => ({ entryId: `e${data}`, event: envelope(data) }));
    expect(await deliverMany(entries)).toEqual(
      new Map([
        ["e1", "success"],
        ["e2", "drop"],
        ["e3", "retry"],
      ]),
    );
    expect(errors).toHaveLength(1);
  });

  test.each([
    [undefined, "success", "success"],
    ["drop", "drop", "drop"],
    [{ e2: "retry" }, "success", "retry"],
  ] as const)("of a bulk get their verdicts from a handler that gives %o", async (handled, first, second) => {
    const seen: unknown[] = [];
    const { deliverMany } = await subscribed({
      bulk: true,
      handleBulk: (events: readonly BulkEvent[]) => {
        seen.push(...events.map(({ entryId, data, metadata }) => [entryId, data, metadata]));
        return handled;
      },
    });
    const entries = [
      { entryId: "e1", event: envelope({ n: 1 }) },
      { entryId: "e2", event: Buffer.from("raw") },
    ];
    expect([...(await deliverMany(entries)).values()]).toEqual([first, second]);
    expect(seen).toEqual([
      ["e1", { n: 1 }, { k: "v" }],
      ["e2", Buffer.from("raw"), { k: "v" }],
    ]);
  });

  test("of a bulk all come again when their handler throws", async () => {
    const { deliverMany } = await subscribed({
      bulk: true,
      handleBulk: () => {
        throw new Error("no database");
      },
    });
    expect([...(await deliverMany([{ entryId: "e1", event: envelope(1) }])).values()]).toEqual(["retry"]);
  });

  test("that come alone reach a handler of bulks too", async () => {
    const { deliver } = await subscribed({ bulk: true, handleBulk: ([event]) => ({ [event?.entryId ?? ""]: "drop" }) });
    expect(await deliver(envelope(1))).toBe("drop");
  });

  test("that are not JSON are refused", async () => {
    const { url } = await startApp({ subscriptions: [{ pubsub: "bus", topic: "t", handle: () => {} }] });
    const response = await fetch(`${url}/events/bus/t`, { method: "POST", body: "{" });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("the body is not JSON");
  });
});

describe("the list of subscriptions", () => {
  test("gives each a path of its own, whatever the names", async () => {
    const handle = () => {};
    const { port } = await startApp({
      subscriptions: ["a/b", "a-b", "a:*"].map((topic) => ({ pubsub: "bus", topic, handle })),
    });
    const { app } = await openChannel(port);
    expect((await app.subscriptions()).map((one) => pathsOf(one)[""])).toEqual([
      "/events/bus/a-b",
      "/events/bus/a-b-2",
      "/events/bus/a-",
    ]);
  });

  test("leaves out what a resource declares", async () => {
    const seen: unknown[] = [];
    const { found, deliver } = await subscribed({
      ...{ declared: true, path: "/on-order" },
      handle: ({ data }: CloudEvent) => void seen.push(data),
    });
    expect(found).toBeUndefined();
    expect(await deliver(envelope(1), "/on-order")).toBe("success");
    expect(seen).toEqual([1]);
  });

  const handle = () => {};
  test.each([
    [{}, "the subscription to orders of bus has no handler; give handle or rules"],
    [{ handleBulk: handle }, "the subscription to orders of bus has handleBulk without bulk; add bulk: true"],
    [
      { declared: true, handle },
      "the subscription to orders of bus is declared elsewhere; give the path that stands there",
    ],
    [{ path: "/a/:b", handle }, "the subscription to orders of bus: the path /a/:b must be without placeholders"],
  ])("refuses %o", (subscription, message) => {
    const subscriptions = [{ pubsub: "bus", topic: "orders", ...subscription }];
    expect(() => createApp({ subscriptions })).toThrow(message);
  });
});
