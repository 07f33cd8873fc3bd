import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { fromTopicSubscription, parseSubscriptions } from "../../../../sidecar/app-channel/subscriptions.ts";
import { TopicSubscriptionSchema } from "../../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";

const parse = (list: unknown) => {
  const skipped: string[] = [];
  return { found: parseSubscriptions(JSON.stringify(list), (why) => void skipped.push(why)), skipped };
};

describe("the answer of /dapr/subscribe", () => {
  it("takes a single route", () => {
    expect(parse([{ pubsubname: "p", topic: "t", route: "/orders" }]).found).toEqual([
      { pubsubName: "p", topic: "t", routes: [{ match: "", path: "/orders" }], metadata: {} },
    ]);
  });

  it("puts the default behind the rules, and prefers it to a single route", () => {
    const routes = { rules: [{ match: 'event.type == "a"', path: "/a" }, { path: "/any" }], default: "/rest" };
    expect(parse([{ pubsubname: "p", topic: "t", route: "/old", routes }]).found[0]?.routes).toEqual([
      { match: 'event.type == "a"', path: "/a" },
      { match: "", path: "/any" },
      { match: "", path: "/rest" },
    ]);
  });

  it("reads names in any case, and everything else a subscription may say", () => {
    const { found } = parse([
      {
        pubsubName: "p",
        Topic: "t",
        route: "r",
        metadata: { rawPayload: true, n: 1 },
        deadLetterTopic: "dead",
        bulkSubscribe: { enabled: true, maxMessagesCount: 5 },
      },
    ]);
    expect(found).toEqual([
      {
        pubsubName: "p",
        topic: "t",
        routes: [{ match: "", path: "r" }],
        metadata: { rawPayload: "true", n: "1" },
        deadLetterTopic: "dead",
        bulkSubscribe: { enabled: true, maxMessagesCount: 5, maxAwaitDurationMs: 1000 },
      },
    ]);
  });

  it("leaves out what has no route and says so", () => {
    const { found, skipped } = parse([
      { pubsubname: "p", topic: "t" },
      { pubsubname: "p", topic: "u", route: "u" },
    ]);
    expect(found.map(({ topic }) => topic)).toEqual(["u"]);
    expect(skipped).toEqual(["subscription to topic t of pubsub p has no route; add route or routes.default"]);
  });

  it("may be null, but nothing else that is not a list", () => {
    expect(parse(null).found).toEqual([]);
    expect(() => parse({})).toThrow("JSON array");
    expect(() => parseSubscriptions("nope", () => {})).toThrow("not JSON");
    expect(() => parse([{ topic: "t", route: "r" }])).toThrow("[0] needs pubsubname and topic");
  });
});

describe("an entry of ListTopicSubscriptions", () => {
  it("needs no route", () => {
    const entry = create(TopicSubscriptionSchema, { pubsubName: "p", topic: "t" });
    expect(fromTopicSubscription(entry)).toEqual({
      pubsubName: "p",
      topic: "t",
      routes: [{ match: "", path: "" }],
      metadata: {},
    });
  });

  it("has rules, metadata, a dead letter topic and bulk settings", () => {
    const entry = create(TopicSubscriptionSchema, {
      pubsubName: "p",
      topic: "t",
      metadata: { rawPayload: "true" },
      routes: { rules: [{ match: "m", path: "a" }], default: "b" },
      deadLetterTopic: "dead",
      bulkSubscribe: { enabled: true, maxMessagesCount: 7, maxAwaitDurationMs: 9 },
    });
    expect(fromTopicSubscription(entry)).toEqual({
      pubsubName: "p",
      topic: "t",
      routes: [
        { match: "m", path: "a" },
        { match: "", path: "b" },
      ],
      metadata: { rawPayload: "true" },
      deadLetterTopic: "dead",
      bulkSubscribe: { enabled: true, maxMessagesCount: 7, maxAwaitDurationMs: 9 },
    });
  });
});
