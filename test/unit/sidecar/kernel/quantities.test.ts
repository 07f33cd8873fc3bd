import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesHint, findBytes } from "../../../../sidecar/kernel/quantities.ts";

test.each([
  ["4096", 4096],
  ["4Mi", 4 * 2 ** 20],
  ["4Ki", 4096],
  ["1.5Gi", 1.5 * 2 ** 30],
  ["2k", 2000],
  ["2M", 2e6],
  ["1e3", 1000],
  ["100m", 1],
  [" 8Mi ", 8 * 2 ** 20],
  ["-1", -1],
])("%j is %d bytes", (text, bytes) => {
  expect(findBytes(text)).toBe(bytes);
});

test.each(["", "Mi", "4 Mi", "4MB", "4mi", "4MiB", "1,5Gi", "9999Ei", "four"])("%j is no size", (text) => {
  expect(findBytes(text)).toBeUndefined();
});

test.each([
  ["4MB", 'write "4Mi"'],
  ["16 kb", 'write "16Ki"'],
  ["4mi", 'write "4Mi"'],
  ["512 bytes", 'write "512"'],
  ["four", 'such as "4Mi"'],
])("%j is met with the hint %s", (text, hint) => {
  expect(bytesHint(text)).toContain(hint);
});

test("whole binary sizes are exact", () => {
  fc.assert(
    fc.property(fc.nat(4096), fc.constantFrom(["Ki", 10], ["Mi", 20], ["Gi", 30]), (amount, [suffix, power]) => {
      expect(findBytes(`${amount}${suffix}`)).toBe(amount * 2 ** Number(power));
    }),
  );
});
