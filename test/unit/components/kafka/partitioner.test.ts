import { murmur2 } from "@platformatic/kafka";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashKey, Partitioner } from "../../../../components/kafka/partitioner.ts";

describe("the partition of a key", () => {
  // What Kafka's own clients find, from the tests of their Utils.murmur2.
  test.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("%s hashes as elsewhere", (key, hash) => {
    expect(hashKey(Buffer.from(key))).toBe(hash & 0x7fffffff);
  });

  test("is the one that the library finds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
        const bytes = Buffer.from(key);
        expect(hashKey(bytes)).toBe(murmur2(bytes) & 0x7fffffff);
      }),
    );
  });

  test("stays the same", () => {
    const partitioner = new Partitioner();
    const key = Buffer.from("blue");
    expect(new Set([1, 2, 3].map(() => partitioner.choose(key, 100, 7))).size).toBe(1);
  });
});

test("messages without a key stay in one partition for some kilobytes, then go to the next", () => {
  const partitioner = new Partitioner();
  const chosen = Array.from({ length: 40 }, () => partitioner.choose(undefined, 4096, 4));
  for (let at = 0; at < chosen.length; at += 4) expect(new Set(chosen.slice(at, at + 4)).size).toBe(1);
  expect(new Set(chosen).size).toBe(4);
});

test("a large message without a key does not leave a partition empty", () => {
  const partitioner = new Partitioner();
  const chosen = Array.from({ length: 8 }, () => partitioner.choose(undefined, 2 ** 20, 4));
  expect(new Set(chosen.slice(0, 4)).size).toBe(4);
});
