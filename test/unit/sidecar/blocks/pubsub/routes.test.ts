import { describe, expect, test, vi } from "vitest";
import { celView, compileRoutes } from "../../../../../sidecar/blocks/pubsub/routes.ts";

const matches = (match: string, event: unknown) => compileRoutes([{ match, path: "/yes" }])(() => event) === "/yes";

describe("the order of rules", () => {
  const router = compileRoutes([
    { match: 'event.type == "a"', path: "/a" },
    { match: 'event.type.startsWith("a")', path: "/starts" },
    { match: "", path: "/default" },
  ]);

  test.each([
    ["a", "/a"],
    ["ab", "/starts"],
    ["b", "/default"],
  ])("an event of type %s goes to %s", (type, path) => {
    expect(router(() => ({ type }))).toBe(path);
  });

  test("an event that no rule matches goes nowhere", () => {
    expect(compileRoutes([{ match: "event.n > 1", path: "/a" }])(() => ({ n: 1 }))).toBeUndefined();
  });

  test("a rule that always matches does not look at the event", () => {
    const read = vi.fn();
    expect(
      compileRoutes([
        { match: " ", path: "/all" },
        { match: "event.x", path: "/x" },
      ])(read),
    ).toBe("/all");
    expect(read).not.toHaveBeenCalled();
  });
});

describe("expressions", () => {
  test.each([
    ["has(event.data.f)", { data: { f: 1 } }, true],
    ["has(event.data.f)", { data: {} }, false],
    ['has(event.data.f) && event.data.f == "x"', { data: {} }, false],
    ["event.data.n == 5", { data: { n: 5 } }, true],
    ["event.data.n == 5.0", { data: { n: 5 } }, true],
    ["event.data.n > 4.5", { data: { n: 5 } }, true],
    ["5 < event.data.n", { data: { n: 5.5 } }, true],
    ["event.data.n % 2 == 0", { data: { n: 4 } }, true],
    ["event.data.n * 2 + 1 == 9", { data: { n: 4 } }, true],
    ["event.data.n in [1, 2]", { data: { n: 2 } }, true],
    ['"k" in event.data', { data: { k: null } }, true],
    ['event.data.exists(x, x == "a")', { data: ["b", "a"] }, true],
    ['timestamp(event.time) < timestamp("2030-01-01T00:00:00Z")', { time: "2024-01-01T00:00:00Z" }, true],
    ['event.contains("raw")', "some raw text", true],
  ])("%s", (match, event, expected) => {
    expect(matches(match, event)).toBe(expected);
  });

  test("whole numbers that a double rounds are compared exactly", () => {
    const text = '{"data":{"n":9007199254740993}}';
    const event = celView(text, JSON.parse(text));
    expect(matches("event.data.n == 9007199254740993", event)).toBe(true);
    expect(matches("event.data.n == 9007199254740992", event)).toBe(false);
    expect(matches("event.data.n > 5.5", event)).toBe(true);
  });
});

describe("what goes wrong", () => {
  test.each([
    ["event.type ==", /the rule "event.type ==" is not usable/],
    ["evnt.type == 1", /Unknown variable: evnt/],
    ['1 + "a" == 2', /no such overload/],
    ["5", /it gives int, not true or false/],
  ])("%s is refused when it is compiled", (match, message) => {
    expect(() => compileRoutes([{ match, path: "/a" }])).toThrow(message);
  });

  test.each([
    ["event.missing == 1", /cannot be decided: No such key: missing/],
    ["event.type", /gives string, not true or false/],
  ])("%s fails for an event that does not fit", (match, message) => {
    expect(() => compileRoutes([{ match, path: "/a" }])(() => ({ type: "a" }))).toThrow(message);
  });
});
