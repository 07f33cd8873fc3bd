import { describe, expect, it } from "vitest";
import { Concurrency } from "../../../../sidecar/app-channel/concurrency.ts";

describe("places for calls to the app", () => {
  it("gives as many as there are and lets the rest wait in order", async () => {
    const places = new Concurrency(2);
    const [first, second] = [await places.take(undefined), await places.take(undefined)];
    const order: string[] = [];
    const third = places.take(undefined).then((release) => {
      order.push("third");
      return release;
    });
    const fourth = places.take(undefined).then((release) => {
      order.push("fourth");
      return release;
    });
    expect(places.waiting).toBe(2);
    first();
    const releaseThird = await third;
    second();
    const releaseFourth = await fourth;
    expect(order).toEqual(["third", "fourth"]);
    releaseThird();
    releaseFourth();
    expect(places.waiting).toBe(0);
  });

  it("hands a place over, so that a newcomer cannot overtake one who waits", async () => {
    const places = new Concurrency(1);
    const release = await places.take(undefined);
    const waiting = places.take(undefined);
    release();
    let newcomerIn = false;
    const newcomer = places.take(undefined).then((free) => {
      newcomerIn = true;
      return free;
    });
    const free = await waiting;
    expect(newcomerIn).toBe(false);
    free();
    (await newcomer)();
  });

  it("takes a cancelled caller out of the queue and rejects with its reason", async () => {
    const places = new Concurrency(1);
    const release = await places.take(undefined);
    const caller = new AbortController();
    const cancelled = places.take(caller.signal);
    const patient = places.take(undefined);
    caller.abort(new Error("left"));
    await expect(cancelled).rejects.toThrow("left");
    expect(places.waiting).toBe(1);
    release();
    await expect(patient).resolves.toBeTypeOf("function");
  });

  it("does not give a place to a caller that has already left", async () => {
    const places = new Concurrency(1);
    await places.take(undefined);
    await expect(places.take(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("counts a place that is given back twice once", async () => {
    const places = new Concurrency(1);
    const release = await places.take(undefined);
    release();
    release();
    await places.take(undefined);
    const next = places.take(undefined);
    expect(places.waiting).toBe(1);
    void next;
  });

  it("is without limit when the maximum is 0", async () => {
    const places = new Concurrency(0);
    await Promise.all(Array.from({ length: 100 }, () => places.take(undefined)));
    expect(places.waiting).toBe(0);
  });
});
