import { expect, test } from "vitest";
import { compileTrip } from "../../../../sidecar/host/trip.ts";

const counts = { requests: 10, totalSuccesses: 4, totalFailures: 6, consecutiveSuccesses: 0, consecutiveFailures: 6 };

test.each([
  ["consecutiveFailures > 5", true],
  ["consecutiveFailures > 6", false],
  ["requests >= 10 && totalFailures * 100 / requests > 50", true],
  ["double(totalFailures) / double(requests) >= 0.6", true],
  ["totalSuccesses == 4 && consecutiveSuccesses == 0", true],
])("%s: %s", (text, expected) => {
  expect(compileTrip(text)(counts)).toBe(expected);
});

test("a condition that cannot be decided at some counts does not trip there", () => {
  const trip = compileTrip("requests / (totalFailures - 6) > 1");
  expect(trip(counts)).toBe(false);
  expect(trip({ ...counts, totalFailures: 7 })).toBe(true);
});

test.each([
  ["consecutiveFailures >", "Unexpected token"],
  ["failures > 5", "Unknown variable: failures"],
  ["consecutiveFailures", "it gives int, not true or false"],
])("%s is refused with a reason", (text, why) => {
  expect(() => compileTrip(text)).toThrow(why);
  expect(() => compileTrip(text)).toThrow(
    "a condition over requests, totalSuccesses, totalFailures, consecutiveSuccesses, consecutiveFailures",
  );
});
