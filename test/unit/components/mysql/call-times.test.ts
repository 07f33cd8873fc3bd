import { expect, test } from "vitest";
import { durationText, measureCall } from "../../../../components/mysql/call-times.ts";

test.each([
  [0n, "0ns"],
  [999n, "999ns"],
  [1_500n, "1.5µs"],
  [1_500_000n, "1.5ms"],
  [59_000_000_000n, "59s"],
  [123_000_000_000n, "2m3s"],
  [3_723_500_000_000n, "1h2m3.5s"],
])("%d nanoseconds are written as Go does", (nanoseconds, text) => {
  expect(durationText(nanoseconds)).toBe(text);
});

test("a call ends when it has begun and lasted", () => {
  const times = measureCall()();
  expect(Date.parse(times["end-time"])).toBeGreaterThanOrEqual(Date.parse(times["start-time"]));
});
