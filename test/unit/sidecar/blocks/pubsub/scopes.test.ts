import { expect, test } from "vitest";
import { readScopes } from "../../../../../sidecar/blocks/pubsub/scopes.ts";

type Row = readonly [why: string, runtime: Record<string, string>, topic: string, publish: boolean, subscribe: boolean];

const rows: readonly Row[] = [
  ["nothing is set", {}, "t", true, true],
  ["a topic is not among the allowed ones", { allowedTopics: "a, b" }, "t", false, false],
  ["a topic is among the allowed ones", { allowedTopics: "a, t" }, "t", true, true],
  ["the app is scoped to the topic", { publishingScopes: "app1=t,u" }, "t", true, true],
  ["the app is scoped to others for publishing", { publishingScopes: "app1=u" }, "t", false, true],
  ["the app is scoped to others for subscribing", { subscriptionScopes: "app1=u" }, "t", true, false],
  ["the app may use nothing", { publishingScopes: "app1=;app2=t", subscriptionScopes: "app1=" }, "t", false, false],
  ["another app is scoped", { publishingScopes: "app2=u", subscriptionScopes: "app2=" }, "t", true, true],
  ["the topic is protected", { protectedTopics: "t" }, "t", false, false],
  ["another topic is protected", { protectedTopics: "u" }, "t", true, true],
  [
    "the topic is protected and the app scoped to it",
    { protectedTopics: "t", publishingScopes: "app1=t" },
    "t",
    true,
    false,
  ],
  ["the topic is scoped but not allowed", { allowedTopics: "a", publishingScopes: "app1=t" }, "t", false, false],
  ["spaces stand in the scopes", { publishingScopes: " app1 = u , v ; app2 = t " }, "t", false, true],
  ["the app's id is written in another case", { publishingScopes: "APP1=u" }, "t", false, true],
  ["an entry has no equals sign", { publishingScopes: "app1;app2=u" }, "t", true, true],
  ["the app is listed twice", { publishingScopes: "app1=t;app1=u" }, "t", true, true],
];

test.each(rows)("when %s", (_, runtime, topic, publish, subscribe) => {
  const scopes = readScopes(runtime, "app1");
  expect({ publish: scopes.mayPublish(topic), subscribe: scopes.maySubscribe(topic) }).toEqual({ publish, subscribe });
});
