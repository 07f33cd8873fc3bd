import { expect, test } from "vitest";
import { Prefetch } from "../../../../components/sqlite/prefetch.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("nothing is taken in advance at first, and while handlers are slow", async () => {
  const clock = new FakeClock();
  const prefetch = new Prefetch(100, clock);
  for (let round = 0; round < 5; round += 1) {
    expect(prefetch.wanted(1, 0)).toBe(1);
    prefetch.taken(1, 1);
    expect(prefetch.wanted(0, 0)).toBe(0);
    await clock.advance(300);
  }
});

test("more is taken in advance the faster batches are used up, up to the limit", async () => {
  const clock = new FakeClock();
  const prefetch = new Prefetch(100, clock);
  for (let round = 0; round < 10; round += 1) {
    const wanted = prefetch.wanted(1, 0);
    expect(wanted).toBeLessThanOrEqual(101);
    prefetch.taken(wanted, wanted);
    await clock.advance(1);
  }
  expect(prefetch.wanted(1, 0)).toBe(101);
  expect(prefetch.wanted(1, 50)).toBe(51);
  expect(prefetch.wanted(1, 51)).toBe(0);
});

test("batches that were not full do not grow", async () => {
  const clock = new FakeClock();
  const prefetch = new Prefetch(100, clock);
  for (let round = 0; round < 5; round += 1) {
    prefetch.taken(3, 10);
    await clock.advance(1);
  }
  expect(prefetch.wanted(10, 0)).toBe(10);
});

test("batches shrink again when handlers become slow", async () => {
  const clock = new FakeClock();
  const prefetch = new Prefetch(100, clock);
  for (let round = 0; round < 10; round += 1) prefetch.taken(1, 1);
  for (let round = 0; round < 10; round += 1) {
    await clock.advance(300);
    prefetch.taken(1, 1);
  }
  expect(prefetch.wanted(1, 0)).toBe(1);
});
