import { expect, test } from "vitest";
import { Batches } from "../../../../components/aws/batches.ts";

test("what is added in one turn goes together, in batches of the limit, and each entry learns what became of it", async () => {
  const sent: (readonly number[])[] = [];
  const batches = new Batches<number>(3, async (entries) => {
    sent.push(entries);
    return new Map(entries.flatMap((entry, at) => (entry === 4 ? [[at, new Error("not 4")]] : [])));
  });
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map((entry) => batches.add(entry)));
  expect(sent).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled"]);
});

test("a request that fails fails all its entries", async () => {
  const batches = new Batches<number>(3, () => Promise.reject(new Error("down")));
  await expect(batches.add(1)).rejects.toThrow("down");
});
