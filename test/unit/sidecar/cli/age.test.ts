import { expect, test } from "vitest";
import { formatAge } from "../../../../sidecar/cli/age.ts";

test.each([
  [0, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [61_000, "1m 1s"],
  [3_660_000, "1h 1m"],
  [90_000_000, "1d 1h"],
])("%i ms is said in the two largest units", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
