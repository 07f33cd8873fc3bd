import { describe, expect, test } from "vitest";
import { withNeeded } from "../../../../components/redis/key-events.ts";
import { FirstKeys } from "../../../../components/redis/keys.ts";

describe("FirstKeys", () => {
  test("are the first in byte order, each once, however they come", () => {
    const first = new FirstKeys(3, undefined);
    first.offer(["d", "\u{1f511}", "a"]);
    first.offer(["a", "c", "\u{ffef}", "b", "c"]);
    expect(first.take()).toEqual(["a", "b", "c"]);
  });

  test("are those behind a key", () => {
    const first = new FirstKeys(10, "b");
    first.offer(["c", "b", "a", "\u{1f511}", "\u{ffef}"]);
    expect(first.take()).toEqual(["c", "\u{ffef}", "\u{1f511}"]);
  });

  test("stay few in memory while many are offered", () => {
    const first = new FirstKeys(2, undefined);
    const name = (n: number) => String(n).padStart(5, "0");
    for (let n = 20_000; n > 0; n -= 100) first.offer(Array.from({ length: 100 }, (_, m) => name(n - m)));
    expect(first.take()).toEqual([name(1), name(2)]);
  });
});

describe("withNeeded", () => {
  test.each([
    ["", "Kg$xe"],
    ["KEA", "KEA"],
    ["A", "AK"],
    ["El", "ElKg$xe"],
    ["Kg$xe", "Kg$xe"],
  ])("makes of %j %j", (flags, wanted) => {
    expect(withNeeded(flags)).toBe(wanted);
  });
});
