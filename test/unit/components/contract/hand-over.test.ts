import { describe, expect, test } from "vitest";
import { HandOver, type HandOverOptions } from "../../../../components/contract/hand-over.ts";
import type { Order, Settle } from "../../../../components/contract/pubsub.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Messages are texts whose first letter is their key. */
function bench(order: Order = "none", more: Partial<HandOverOptions<string>> = {}) {
  const clock = new FakeClock();
  const settled: string[] = [];
  const handOver = new HandOver<string>({
    order,
    keyOf: (message) => message[0],
    admit: () => true,
    settled: (message, settle, attempts) => {
      settled.push(`${message} ${settle} ${attempts}`);
      return settle === "retry";
    },
    pauseMs: 100,
    clock,
    ...more,
  });
  return { clock, settled, handOver };
}

/** A member whose messages are settled by hand. */
function member(concurrency: number) {
  const got: string[] = [];
  const open = new Map<string, (settle: Settle) => void>();
  const handle = (message: string, attempt: number) => {
    got.push(`${message}${attempt > 1 ? ` ${attempt}` : ""}`);
    return new Promise<Settle>((resolve) => open.set(message, resolve));
  };
  const settle = async (message: string, how: Settle) => {
    open.get(message)?.(how);
    open.delete(message);
    await turn();
  };
  return { concurrency, handle, got, settle };
}

describe("handing over", () => {
  test("gives a member no more at once than it takes, in the broker's order", async () => {
    const { handOver, settled } = bench();
    const one = member(2);
    handOver.join(one);
    for (const message of ["a1", "a2", "a3"]) handOver.add(message);
    expect(one.got).toEqual(["a1", "a2"]);
    await one.settle("a2", "ack");
    expect(one.got).toEqual(["a1", "a2", "a3"]);
    expect(settled).toEqual(["a2 ack 1"]);
  });

  test("shares messages among members, and keeps them while there is none", async () => {
    const { handOver } = bench();
    handOver.add("a1");
    const [one, two] = [member(1), member(1)];
    handOver.join(one);
    handOver.join(two);
    handOver.add("a2");
    handOver.add("a3");
    expect([one.got, two.got]).toEqual([["a1"], ["a2"]]);
    await two.settle("a2", "ack");
    expect(two.got).toEqual(["a2", "a3"]);
  });

  test("lets others go on while one waits for its next attempt, which comes before later ones", async () => {
    const { handOver, clock } = bench();
    const one = member(1);
    handOver.join(one);
    for (const message of ["a1", "a2", "a3"]) handOver.add(message);
    await one.settle("a1", "retry");
    expect(one.got).toEqual(["a1", "a2"]);
    expect(handOver.waiting).toBe(1);
    await clock.advance(100);
    await one.settle("a2", "ack");
    expect(one.got).toEqual(["a1", "a2", "a1 2"]);
  });

  test("takes a handler that fails as one that asks for another attempt", async () => {
    const { handOver, settled } = bench();
    handOver.join({ concurrency: 1, handle: () => Promise.reject(new Error("down")) });
    handOver.add("a1", 4);
    await turn();
    expect(settled).toEqual(["a1 retry 5"]);
  });

  test("does not hand over what is not admitted", () => {
    const { handOver } = bench("none", { admit: (message) => message !== "a1" });
    const one = member(5);
    handOver.join(one);
    for (const message of ["a1", "a2"]) handOver.add(message);
    expect(one.got).toEqual(["a2"]);
  });

  test("tells what is with nobody when it is cleared, in its order", async () => {
    const { handOver, clock } = bench();
    const one = member(1);
    handOver.join(one);
    for (const message of ["a1", "a2", "a3"]) handOver.add(message);
    await one.settle("a1", "retry");
    const cleared: string[] = [];
    handOver.clear((message, attempts) => cleared.push(`${message} ${attempts}`));
    await clock.advance(1000);
    await one.settle("a2", "ack");
    expect(cleared).toEqual(["a1 1", "a3 0"]);
    expect(one.got).toEqual(["a1", "a2"]);
  });

  test("a member that leaves gets nothing more, and has left when nothing is with it", async () => {
    const { handOver } = bench();
    const one = member(1);
    const leave = handOver.join(one);
    handOver.add("a1");
    handOver.add("a2");
    let hasLeft = false;
    const leaving = leave().then(() => {
      hasLeft = true;
    });
    await turn();
    expect(hasLeft).toBe(false);
    await one.settle("a1", "ack");
    await leaving;
    expect(one.got).toEqual(["a1"]);
    const two = member(1);
    handOver.join(two);
    expect(two.got).toEqual(["a2"]);
  });
});

describe("handing over in an order", () => {
  test("in that of the key later ones wait for one that waits, those of other keys do not", async () => {
    const { handOver, clock } = bench("key");
    const one = member(2);
    handOver.join(one);
    for (const message of ["a1", "a2", "b1", "a3"]) handOver.add(message);
    await one.settle("a1", "retry");
    await one.settle("a2", "retry");
    expect(one.got).toEqual(["a1", "a2", "b1"]);
    await clock.advance(100);
    await turn();
    expect(one.got).toEqual(["a1", "a2", "b1", "a1 2"]);
    await one.settle("b1", "ack");
    await one.settle("a1", "ack");
    expect(one.got).toEqual(["a1", "a2", "b1", "a1 2", "a2 2", "a3"]);
  });

  test("in that of the topic all later ones wait", async () => {
    const { handOver, clock } = bench("topic");
    const one = member(1);
    handOver.join(one);
    for (const message of ["a1", "b1"]) handOver.add(message);
    await one.settle("a1", "retry");
    expect(one.got).toEqual(["a1"]);
    await clock.advance(100);
    await one.settle("a1", "ack");
    expect(one.got).toEqual(["a1", "a1 2", "b1"]);
  });

  test("the first member gets all, and the next one nothing before the first has settled all", async () => {
    const { handOver } = bench("key");
    const [one, two] = [member(1), member(1)];
    const leave = handOver.join(one);
    handOver.join(two);
    for (const message of ["a1", "b1"]) handOver.add(message);
    const leaving = leave();
    await turn();
    expect([one.got, two.got]).toEqual([["a1"], []]);
    await one.settle("a1", "ack");
    await leaving;
    expect(two.got).toEqual(["b1"]);
  });
});
