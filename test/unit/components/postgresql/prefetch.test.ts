import { expect, test } from "vitest";
import { Prefetch } from "../../../../components/postgresql/prefetch.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("nothing is taken in advance while handlers are slow", async () => {
  const clock = new FakeClock();
  const prefetch = new Prefetch(100, clock);
  for (let round = 0; round < 3; round += 1) {
    expect(prefetch.wanted(4, 0, 0)).toBe(4);
    prefetch.taken(4, 4);
    await clock.advance(1000);
  }
  expect(prefetch.wanted(0, 0, 0)).toBe(0);
});

test("fast handlers get more and more in advance, up to the limit, and slow ones less again", async () => {
  const clock = new FakeClock();
  const prefetch = new Prefetch(20, clock);
  const rounds = [];
  for (let round = 0; round < 4; round += 1) {
    const wanted = prefetch.wanted(2, 0, 0);
    rounds.push(wanted);
    prefetch.taken(wanted, wanted);
    await clock.advance(10);
  }
  expect(rounds).toEqual([2, 2, 10, 18]);
  expect(prefetch.wanted(2, 0, 0)).toBe(22);
  expect(prefetch.wanted(2, 15, 15)).toBe(0);
  await clock.advance(1000);
  prefetch.taken(22, 22);
  expect(prefetch.wanted(2, 0, 0)).toBe(12);
});

test("messages that wait for their key leave room for those of others, but not without end", () => {
  const prefetch = new Prefetch(20, new FakeClock());
  expect(prefetch.wanted(5, 0, 400)).toBe(5);
  expect(prefetch.wanted(5, 3, 400)).toBe(2);
  expect(prefetch.wanted(5, 5, 400)).toBe(0);
  expect(prefetch.wanted(5, 0, 532)).toBe(0);
});
