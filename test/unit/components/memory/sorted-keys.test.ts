import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../../components/contract/byte-order.ts";
import { SortedKeys } from "../../../../components/memory/sorted-keys.ts";

const key = fc.string({ unit: fc.constantFrom("a", "b", "\u{ffef}", "🔑"), maxLength: 3 });
const step = fc.record({
  kind: fc.constantFrom("toggle", "toggle", "list"),
  key,
  after: fc.option(key, { nil: undefined }),
});

test("whatever came and went, keys are listed in byte order, each once", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const live = new Set<string>();
      const keys = new SortedKeys((one) => live.has(one));
      for (const { kind, key: one, after } of steps) {
        if (kind === "toggle" && live.delete(one)) keys.remove(one);
        else if (kind === "toggle") {
          live.add(one);
          keys.add(one);
        } else {
          const expected = [...live]
            .filter((other) => other.startsWith(one) && (after === undefined || compareBytes(other, after) > 0))
            .sort(compareBytes);
          expect([...keys.from(one, after)]).toEqual(expected);
        }
      }
    }),
  );
});
