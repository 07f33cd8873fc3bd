import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkTopic, fits, parseFilter } from "../../../../components/mqtt3/topics.ts";

describe("a topic of MQTT", () => {
  test.each([
    ["a/b", "a/b", true],
    ["a/b", "a/c", false],
    ["a/b", "a", false],
    ["a", "a/b", false],
    ["a/+", "a/b", true],
    ["a/+", "a/b/c", false],
    ["a/+", "a/", true],
    ["a/+", "a", false],
    ["+/+", "/b", true],
    ["a/#", "a", true],
    ["a/#", "a/b/c", true],
    ["a/#", "ab", false],
    ["#", "a/b", true],
    ["#", "$SYS/load", false],
    ["+/load", "$SYS/load", false],
    ["$SYS/#", "$SYS/load", true],
  ])("%s takes %s: %s", (pattern, topic, answer) => {
    expect(fits(pattern, topic)).toBe(answer);
  });

  test("takes itself, and is taken by itself with any level left open", () => {
    const level = fc.stringMatching(/^[a-z]{0,3}$/);
    const levels = fc.array(level, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(levels, fc.nat(4), (all, n) => {
        const topic = all.join("/");
        const at = n % all.length;
        expect(fits(topic, topic)).toBe(true);
        expect(fits(all.with(at, "+").join("/"), topic)).toBe(true);
        expect(fits([...all.slice(0, at), "#"].join("/"), topic)).toBe(true);
      }),
    );
  });

  test("may be shared", () => {
    expect(parseFilter("$share/g/a/+")).toEqual({ text: "$share/g/a/+", pattern: "a/+", isShared: true });
    expect(parseFilter("a/#")).toEqual({ text: "a/#", pattern: "a/#", isShared: false });
    expect(parseFilter("$shared/g")).toMatchObject({ isShared: false });
  });

  test.each(["", "a+", "a/#/b", "a/b#", "$share/", "$share/g", "$share/g/", "$share/+/a", "a\0b"])(
    "%j cannot be subscribed",
    (text) => {
      expect(() => parseFilter(text)).toThrow(/^metadata topic: /);
    },
  );

  test.each(["", "a/+", "#", "a\0", "$share/g/a", "x".repeat(65_536)])("%.20j cannot be published to", (topic) => {
    expect(() => checkTopic(topic)).toThrow(/^metadata topic: /);
  });
});
