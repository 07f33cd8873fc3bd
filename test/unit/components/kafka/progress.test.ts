import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeProgress, encodeProgress } from "../../../../components/kafka/progress.ts";

describe("progress", () => {
  test("comes back as it was written", () => {
    const after = fc.integer({ min: 1, max: 2047 });
    const ahead = fc.uniqueArray(fc.tuple(after, fc.integer({ min: 1, max: 1e6 })), {
      maxLength: 200,
      selector: ([at]) => at,
    });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), fc.uniqueArray(after), ahead, (next, settled, failed) => {
        const failures = failed.map(([at, times]) => [next + at, times] as const);
        const sorted = (numbers: readonly number[]) => [...numbers].sort((left, right) => left - right);
        const text = encodeProgress(next, new Set(settled.map((at) => next + at)), failures);
        const read = decodeProgress(next, text);
        expect(read.next).toBe(next);
        expect(read.settled).toEqual(sorted(settled.map((at) => next + at)));
        expect(read.failures).toEqual([...failures].sort(([left], [right]) => left - right));
      }),
    );
  });

  test("is no longer than brokers take, whatever there is to say", () => {
    const all = Array.from({ length: 2048 }, (_, n) => n + 1);
    const failures = all.map((offset) => [offset, 1_000_000] as const);
    expect(encodeProgress(0, new Set(all), failures).length).toBeLessThan(4096);
    const far = new Set([1, 10_000_000]);
    expect(decodeProgress(0, encodeProgress(0, far, [])).settled).toEqual([1]);
  });

  test.each([null, undefined, "", "of another client", "mecha2 //8= 1:1", "mecha1 x ?:!,-1:1,1:0"])(
    "reads nothing from %j",
    (text) => {
      expect(decodeProgress(7, text)).toMatchObject({ next: 7, failures: [] });
    },
  );
});
