import { expect, test } from "vitest";
import { FirstKeys } from "../../../../components/aws.dynamodb/first-keys.ts";

test("the first keys in the order of their bytes are kept, however many are offered", () => {
  const keys = Array.from({ length: 5000 }, (_, n) => String((n * 7919) % 5000).padStart(4, "0"));
  const first = new FirstKeys(3, "0009");
  for (const key of keys) first.offer(key);
  expect(first.take()).toEqual(["0010", "0011", "0012"]);
});

test("keys beyond the last plane of JavaScript's order are in their place", () => {
  const first = new FirstKeys(10, undefined);
  for (const key of ["\u{1f511}", "\uffef", "a"]) first.offer(key);
  expect(first.take()).toEqual(["a", "\uffef", "\u{1f511}"]);
});
