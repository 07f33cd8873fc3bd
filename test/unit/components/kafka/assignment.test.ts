import { describe, expect, test } from "vitest";
import { assign, type Member, strategies } from "../../../../components/kafka/assignment.ts";

const member = (id: string, topics = ["t"], owned: Record<string, number[]> = {}, generation = 1): Member => ({
  id,
  topics,
  owned: new Map(Object.entries(owned)),
  generation,
});
const plain = (shares: ReturnType<typeof assign>) =>
  Object.fromEntries([...shares].map(([id, share]) => [id, Object.fromEntries(share)]));
const count = (partitions: number) => new Map([["t", partitions]]);

describe.each(strategies)("shares by %s", (strategy) => {
  test("give each partition to one member", () => {
    const counts = new Map([
      ["t", 7],
      ["u", 3],
    ]);
    const members = ["a", "b", "c"].map((id) => member(id, id === "a" ? ["t"] : ["t", "u"]));
    const shares = assign(strategy, members, counts);
    const given = [...shares.values()].flatMap((share) =>
      [...share].flatMap(([topic, partitions]) => partitions.map((partition) => `${topic}${partition}`)),
    );
    expect(given.sort()).toEqual(["t0", "t1", "t2", "t3", "t4", "t5", "t6", "u0", "u1", "u2"]);
    expect(shares.get("a")?.has("u")).toBe(false);
  });

  test("are nothing for members without partitions", () => {
    expect(plain(assign(strategy, [member("a"), member("b")], count(1)))).toEqual({ a: { t: [0] }, b: {} });
  });

  test("leave out topics that nobody reads, and members that read others", () => {
    const counts = new Map([["other", 2]]);
    expect(plain(assign(strategy, [member("a")], counts))).toEqual({ a: {} });
  });

  test("do not depend on the order of members", () => {
    const members = ["c", "a", "b"].map((id) => member(id));
    const sorted = [...members].sort((left, right) => (left.id < right.id ? -1 : 1));
    expect(plain(assign(strategy, members, count(8)))).toEqual(plain(assign(strategy, sorted, count(8))));
  });
});

test("range gives neighbours, and one more to the first members", () => {
  const members = ["a", "b", "c"].map((id) => member(id));
  expect(plain(assign("range", members, count(7)))).toEqual({
    a: { t: [0, 1, 2] },
    b: { t: [3, 4] },
    c: { t: [5, 6] },
  });
});

test("roundrobin gives one to each in turn", () => {
  const members = ["a", "b"].map((id) => member(id));
  expect(plain(assign("roundrobin", members, count(5)))).toEqual({ a: { t: [0, 2, 4] }, b: { t: [1, 3] } });
});

describe("sticky", () => {
  test("lets members keep what they have, and moves as little as is fair", () => {
    const members = [member("a", ["t"], { t: [0, 1, 2, 3] }), member("b", ["t"], { t: [4, 5] }), member("c")];
    const shares = plain(assign("sticky", members, count(6)));
    expect(shares).toEqual({ a: { t: [0, 1] }, b: { t: [4, 5] }, c: { t: expect.arrayContaining([2, 3]) } });
  });

  test("believes the later one of two who claim a partition", () => {
    const members = [member("a", ["t"], { t: [0, 1] }, 3), member("b", ["t"], { t: [0] }, 4)];
    expect(plain(assign("sticky", members, count(2)))).toEqual({ a: { t: [1] }, b: { t: [0] } });
  });

  test("takes partitions from who no longer reads the topic, and those that are gone from everybody", () => {
    const members = [member("a", ["u"], { t: [0] }), member("b", ["t"], { t: [1, 9] })];
    expect(plain(assign("sticky", members, count(2)))).toEqual({ a: {}, b: { t: [1, 0] } });
  });
});
