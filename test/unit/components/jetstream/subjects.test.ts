import { describe, expect, test } from "vitest";
import { covers, subjectProblem, toName } from "../../../../components/jetstream/subjects.ts";

describe("subjects of NATS", () => {
  test.each([
    ["a.b", "a.b", true],
    ["a.b", "a.c", false],
    ["a.b", "a.b.c", false],
    ["a.b.c", "a.b", false],
    ["a.*", "a.b", true],
    ["a.*", "a.*", true],
    ["a.*", "a.>", false],
    ["a.b", "a.*", false],
    ["a.>", "a.b.c", true],
    ["a.>", "a.>", true],
    ["a.>", "a.*", true],
    ["a.>", "a", false],
    [">", "a", true],
    ["*.b", "a.b", true],
  ])("%j covers %j: %s", (pattern, topic, isCovered) => {
    expect(covers(pattern, topic)).toBe(isCovered);
  });

  test.each([
    ["orders", false],
    ["orders.new/é", false],
    ["a*b", false],
    ["a.*", true],
    ["a.>", true],
    ["", true],
    ["a.", true],
    ["a b", true],
    ["a\tb", true],
    ["a\u0000", true],
  ])("the topic %j has a problem for publishing: %s", (topic, hasProblem) => {
    expect(subjectProblem(topic, { wildcards: false }) !== undefined).toBe(hasProblem);
  });

  test("a subscription may hold wildcards, > at the end alone", () => {
    expect(subjectProblem("a.*.b.>", { wildcards: true })).toBeUndefined();
    expect(subjectProblem("a.>.b", { wildcards: true })).toMatch(/before its end/);
  });
});

test("names are valid, short, and tell apart what looks alike", () => {
  const names = [["a.b"], ["a_b"], ["a", "b"], ["x".repeat(300)], ["ä é/\\>*"]].map((parts) => toName(...parts));
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{1,120}$/);
  expect(names[0]).toMatch(/^a_b_/);
});
