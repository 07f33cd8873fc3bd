import { expect, test } from "vitest";
import { Attempts } from "../../../../components/pluggable/attempts.ts";

test("deliveries of one message are counted until it is forgotten", () => {
  const attempts = new Attempts();
  expect([attempts.next("a"), attempts.next("b"), attempts.next("a")]).toEqual([1, 1, 2]);
  attempts.forget("a");
  expect([attempts.next("a"), attempts.next("b")]).toEqual([1, 2]);
});

test("of too many messages those are forgotten that were not seen for longest", () => {
  const attempts = new Attempts();
  for (let n = 0; n < 10_000; n += 1) attempts.next(String(n));
  expect(attempts.next("0")).toBe(2);
  attempts.next("one more");
  expect([attempts.next("0"), attempts.next("1")]).toEqual([3, 1]);
});
