import type { IncomingMessage } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { openApp } from "../../../../sidecar/app-channel/open.ts";
import type { App, BulkTopicEvent, Verdict } from "../../../../sidecar/kernel/app.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { Policy } from "../../../../sidecar/kernel/policy.ts";
import { unusedPort } from "../../../support/fake-app.ts";
import { topicEvent } from "../../../support/fake-events.ts";
import { type Reply, startHttpServer } from "../../../support/http-server.ts";

interface Seen {
  readonly verb: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

class Fixture {
  readonly app: App;
  readonly seen: Seen[];
  readonly lines: string[];

  constructor(port: number, seen: Seen[], lines: string[]) {
    this.seen = seen;
    this.lines = lines;
    const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
    const opened = openApp({
      config: {
        port,
        protocol: "http",
        address: "127.0.0.1",
        maxConcurrency: 0,
        healthCheck: { enabled: false, path: "/healthz", intervalMs: 5000, timeoutMs: 500, threshold: 3 },
        bindingOptionsTimeoutMs: 50,
        apiToken: "s3cret",
      },
      appId: "me",
      maxBodyBytes: 4 << 20,
      log: { debug() {}, info() {}, warn: note("warn"), error: note("error") },
      clock: systemClock,
    });
    if (!opened) throw new Error("no port");
    onTestFinished(() => opened.close());
    this.app = opened.app;
  }
}

async function withApp(answer: (request: IncomingMessage, body: string) => Reply | undefined): Promise<Fixture> {
  const seen: Seen[] = [];
  const url = await startHttpServer((request, body) => {
    seen.push({ verb: request.method, url: request.url, headers: request.headers, body });
    return answer(request, body);
  });
  return new Fixture(Number(new URL(url).port), seen, []);
}

const json = (value: unknown, status = 200): Reply => ({ status, body: JSON.stringify(value) });

describe("asking an HTTP app for its subscriptions", () => {
  it("says who asks and carries the token", async () => {
    const { app, seen } = await withApp(() => json([{ pubsubname: "p", topic: "t", route: "/r" }]));
    expect((await app.subscriptions()).map(({ topic }) => topic)).toEqual(["t"]);
    expect(seen[0]).toMatchObject({
      verb: "GET",
      url: "/dapr/subscribe",
      headers: { "dapr-app-id": "me", "dapr-api-token": "s3cret" },
    });
  });

  it("takes 404 for none and other refusals too, which it logs", async () => {
    const none = await withApp(() => ({ status: 404 }));
    expect(await none.app.subscriptions()).toEqual([]);
    expect(none.lines).toEqual([]);
    const broken = await withApp(() => ({ status: 500 }));
    expect(await broken.app.subscriptions()).toEqual([]);
    expect(broken.lines.join()).toContain("500");
  });

  it("rejects when the app cannot be asked", async () => {
    const { app } = new Fixture(await unusedPort(), [], []);
    await expect(app.subscriptions()).rejects.toMatchObject({ reason: "appUnreachable" });
  });
});

describe("delivering an event to an HTTP app", () => {
  it("sends the event's own bytes, the broker's metadata under its own names, and the trace", async () => {
    const { app, seen } = await withApp(() => ({}));
    const text = '{"id":"1","data":{"n":12345678901234567890,"f":1.10}}';
    const event = topicEvent(text, {
      path: "/orders?x=1",
      metadata: { pubsubName: "pubsub", "Content-Length": "3", "bad name": "x", newline: "a\nb" },
      trace: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "k=v" },
    });
    expect(await app.deliver(event)).toBe("success");
    expect(seen[0]).toMatchObject({
      verb: "POST",
      url: "/orders?x=1",
      body: text,
      headers: {
        "content-type": "application/cloudevents+json",
        pubsubname: "pubsub",
        traceparent: event.trace?.traceparent,
        tracestate: "k=v",
        "dapr-api-token": "s3cret",
      },
    });
    expect(seen[0]?.headers["newline"]).toBeUndefined();
  });

  it.each<[string, Reply, Verdict]>([
    ["200 with an empty body", {}, "success"],
    ["204", { status: 204 }, "success"],
    ["200 with something that is not JSON", { body: "thanks" }, "success"],
    ["200 with another JSON", { body: "[1]" }, "success"],
    ["status SUCCESS", json({ status: "SUCCESS" }), "success"],
    ["an empty status", json({ status: "" }), "success"],
    ["status RETRY", json({ status: "RETRY" }), "retry"],
    ["status DROP", json({ status: "DROP" }), "drop"],
    ["a status in lower case", json({ status: "drop" }), "retry"],
    ["an unknown status", json({ status: "LATER" }), "retry"],
    ["404", { status: 404 }, "drop"],
    ["400", { status: 400 }, "retry"],
    ["500", { status: 500 }, "retry"],
    ["a redirect", { status: 302 }, "retry"],
  ])("takes %s for its verdict", async (_, reply, verdict) => {
    const { app } = await withApp(() => reply);
    expect(await app.deliver(topicEvent("{}"))).toBe(verdict);
  });

  it("rejects when the app could not be asked", async () => {
    const { app } = new Fixture(await unusedPort(), [], []);
    await expect(app.deliver(topicEvent("{}"))).rejects.toMatchObject({ reason: "appUnreachable" });
  });
});

describe("delivering many events to an HTTP app", () => {
  const entry = (entryId: string) => ({
    entryId,
    event: { json: Buffer.from('{"n":12345678901234567890}'), envelope: {} },
    contentType: "",
    metadata: {},
  });
  const bulk = (part: Partial<BulkTopicEvent> = {}): BulkTopicEvent => ({
    id: "b1",
    pubsubName: "pubsub",
    topic: "orders",
    path: "/bulk",
    entries: [entry("a"), entry("b"), entry("c")],
    metadata: {},
    ...part,
  });

  it("sends one body with every event in it, digits and raw payloads kept", async () => {
    const { app, seen } = await withApp(() => json({ statuses: [] }));
    const raw = { entryId: "r", event: { raw: Buffer.from("raw") }, contentType: "", metadata: { k: "v" } };
    await app.deliverMany(bulk({ entries: [entry("a"), raw], metadata: { m: "1" } }));
    expect(seen[0]?.headers["content-type"]).toBe("application/json");
    expect(seen[0]?.body).toContain('"event":{"n":12345678901234567890}');
    expect(JSON.parse(seen[0]?.body ?? "")).toMatchObject({
      id: "b1",
      type: "com.dapr.event.sent.bulk",
      topic: "orders",
      pubsubname: "pubsub",
      metadata: { m: "1" },
      entries: [
        { entryId: "a", contentType: "application/cloudevents+json", metadata: {} },
        {
          entryId: "r",
          event: Buffer.from("raw").toString("base64"),
          contentType: "application/octet-stream",
          metadata: { k: "v" },
        },
      ],
    });
  });

  it("takes each entry's status, and retry for those without one", async () => {
    const statuses = [
      { entryId: "a", status: "SUCCESS" },
      { entryId: "b", status: "DROP" },
      { entryId: "c", status: "" },
      { entryId: "unknown", status: "SUCCESS" },
    ];
    const { app } = await withApp(() => json({ statuses }));
    expect([...(await app.deliverMany(bulk()))]).toEqual([
      ["a", "success"],
      ["b", "drop"],
      ["c", "retry"],
    ]);
  });

  it.each<[string, Reply, Verdict]>([
    ["an answer that is not JSON", { body: "x" }, "retry"],
    ["an answer without statuses", json({}), "retry"],
    ["404", { status: 404 }, "drop"],
    ["500", { status: 500 }, "retry"],
  ])("takes %s for all of them", async (_, reply, verdict) => {
    const { app } = await withApp(() => reply);
    expect([...(await app.deliverMany(bulk())).values()]).toEqual([verdict, verdict, verdict]);
  });
});

describe("bindings of an HTTP app", () => {
  it.each([
    [200, true],
    [204, true],
    [405, true],
    [404, false],
    [500, false],
  ])("are wanted when OPTIONS answers %i: %s", async (status, wanted) => {
    const { app, seen } = await withApp(() => ({ status }));
    expect(await app.wantsBinding("cron", "/my/route")).toBe(wanted);
    expect(seen[0]).toMatchObject({ verb: "OPTIONS", url: "/my/route" });
  });

  it("are not wanted when the app does not answer in time", async () => {
    const { app, lines } = await withApp(() => undefined);
    expect(await app.wantsBinding("cron", "cron")).toBe(false);
    expect(lines.join()).toContain("binding cron");
  });

  it("get the data as it is, metadata as headers, and may answer", async () => {
    const { app, seen } = await withApp((request) => ({ body: request.url === "/quiet" ? "" : "answer" }));
    const event = { name: "cron", route: "cron", data: Buffer.from("data"), metadata: { readTimeUTC: "now" } };
    expect(Buffer.from((await app.bindingEvent(event)) ?? []).toString()).toBe("answer");
    expect(seen[0]).toMatchObject({
      verb: "POST",
      url: "/cron",
      body: "data",
      headers: { readtimeutc: "now", "content-type": "application/json" },
    });
    expect(await app.bindingEvent({ ...event, route: "quiet" })).toBeUndefined();
  });

  it("refuse an event by any status that is not successful, which policies can read", async () => {
    const { app } = await withApp(() => ({ status: 503 }));
    const event = { name: "cron", route: "cron", data: Buffer.alloc(0), metadata: {} };
    await expect(app.bindingEvent(event)).rejects.toMatchObject({ name: "StatusFailure", httpStatus: 503 });
  });
});

describe("configuration changes", () => {
  const items = { a: { value: "1", version: "v", metadata: {} }, "b/c": { value: "2", version: "", metadata: {} } };

  it("are told one key at a time, each with the whole update", async () => {
    const { app, seen } = await withApp(() => ({}));
    await app.configurationChanged("store", "sub1", items);
    expect(seen.map(({ url }) => url).sort()).toEqual(["/configuration/store/a", "/configuration/store/b%2Fc"]);
    for (const { verb, body } of seen) expect([verb, JSON.parse(body)]).toEqual(["POST", { id: "sub1", items }]);
  });

  it("reject when the app answers anything but 200, after every key was told", async () => {
    const { app, seen } = await withApp((request) => ({ status: request.url?.endsWith("a") ? 204 : 200 }));
    await expect(app.configurationChanged("store", "sub1", items)).rejects.toThrow("204");
    expect(seen).toHaveLength(2);
  });

  it("are told under a policy, each key by itself", async () => {
    const { app, seen } = await withApp((request) => ({ status: request.url?.endsWith("a") ? 500 : 200 }));
    const twice: Policy = { retries: true, run: (attempt) => attempt(undefined, 1).catch(() => attempt(undefined, 2)) };
    await expect(app.configurationChanged("store", "sub1", items, twice)).rejects.toThrow("500");
    expect(seen.filter(({ url }) => url?.endsWith("a"))).toHaveLength(2);
    expect(seen).toHaveLength(3);
  });
});
