import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationHint, findDurationMs, formatDuration, parseDurationMs } from "../../../../sidecar/kernel/duration.ts";

describe("reading a duration", () => {
  test.each([
    ["1h2m3.5s", 3_723_500],
    ["500ms", 500],
    ["1.001s", 1001],
    ["10us", 0.01],
    ["10\u00b5s", 0.01],
    ["10\u03bcs", 0.01],
    ["3ns", 3e-6],
    [".5s", 500],
    ["5.s", 5000],
    ["-1m", -60_000],
    ["+5s", 5000],
    [" 5s ", 5000],
    ["0", 0],
    ["0s", 0],
    ["1s1s", 2000],
  ])("%j is %d ms", (text, ms) => {
    expect(findDurationMs(text)).toBe(ms);
  });

  test.each(["", "-", "s", "5", "5 s", "1d", "1h 2m", "5s!", "..5s", "1,5s", "3000000h", "--1s", "NaN", "Infinitys"])(
    "%j is no duration",
    (text) => {
      expect(findDurationMs(text)).toBeUndefined();
    },
  );

  test("a bare number has the unit that the place gives it", () => {
    expect(findDurationMs("30", "s")).toBe(30_000);
    expect(findDurationMs("-1.5", "ms")).toBe(-1.5);
    expect(findDurationMs("3000000", "h")).toBeUndefined();
  });

  test("a wrong text is quoted in the error, with the text that was meant", () => {
    expect(() => parseDurationMs("5 seconds")).toThrow('"5 seconds" is not a duration; write "5s"');
    expect(parseDurationMs("2s")).toBe(2000);
  });

  test.each([
    ["5", 'write "5s"'],
    ["5sec", 'write "5s"'],
    ["10 minutes", 'write "10m"'],
    ["2 Hours", 'write "2h"'],
    ["250 millis", 'write "250ms"'],
    ["1d", 'write "24h"'],
    ["2 weeks", 'write "336h"'],
    ["9000000h", "the longest duration is about 292 years"],
    ["soon", 'such as "1h30m", "5s" or "500ms"'],
  ])("%j is met with the hint %s", (text, hint) => {
    expect(durationHint(text)).toContain(hint);
  });

  test("no text makes it throw anything but its own error", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const found = findDurationMs(text);
        expect(found === undefined || Number.isFinite(found)).toBe(true);
        expect(durationHint(text)).not.toBe("");
      }),
    );
  });
});

describe("writing a duration", () => {
  test.each([
    [0, "0s"],
    [1e-6, "1ns"],
    [0.5, "500\u00b5s"],
    [1.5, "1.5ms"],
    [1000, "1s"],
    [61_500, "1m1.5s"],
    [3_600_000, "1h0m0s"],
    [90_061_001, "25h1m1.001s"],
    [-250, "-250ms"],
  ])("%d ms is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("what was written is read as the same whole milliseconds", () => {
    fc.assert(
      fc.property(fc.integer({ min: -4e12, max: 4e12 }), (ms) => {
        expect(findDurationMs(formatDuration(ms))).toBe(ms === 0 ? 0 : ms);
      }),
    );
  });

  test("the terms of a duration add up", () => {
    const terms = fc.record({ h: fc.nat(1000), m: fc.nat(59), s: fc.nat(59), ms: fc.nat(999) });
    fc.assert(
      fc.property(terms, ({ h, m, s, ms }) => {
        expect(findDurationMs(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1000 + ms);
      }),
    );
  });
});
