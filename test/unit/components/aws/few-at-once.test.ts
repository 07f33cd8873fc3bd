import { expect, test } from "vitest";
import { fewAtOnce } from "../../../../components/aws/few-at-once.ts";

test("no more than the limit is done at once, and results keep the order of the items", async () => {
  let [active, most] = [0, 0];
  const results = await fewAtOnce([5, 1, 4, 2, 3], 2, async (turns) => {
    active += 1;
    most = Math.max(most, active);
    for (let turn = 0; turn < turns; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    active -= 1;
    return turns * 2;
  });
  expect([results, most]).toEqual([[10, 2, 8, 4, 6], 2]);
});

test("after a failure no other work begins", async () => {
  const begun: number[] = [];
  const failing = fewAtOnce([1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (item === 2) throw new Error("not 2");
    return item;
  });
  await expect(failing).rejects.toThrow("not 2");
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(begun.length).toBeLessThan(5);
});
