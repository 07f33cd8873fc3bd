import { describe, expect, test } from "vitest";
import type { Settle } from "../../../../components/contract/pubsub.ts";
import type { Arrival, Connection } from "../../../../components/mqtt3/connection.ts";
import { Delivery, type Entry, Feed } from "../../../../components/mqtt3/feed.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const filter = { text: "t", pattern: "t", isShared: false };

/** A connection that keeps what is acknowledged through it. */
function connection(): Connection & { readonly acknowledged: unknown[] } {
  const acknowledged: unknown[] = [];
  // All that a feed asks of it.
  return {
    acknowledged,
    acknowledge: ({ payload }: Arrival) => acknowledged.push(payload),
  } as unknown as Connection & {
    readonly acknowledged: unknown[];
  };
}

const message = (payload: string, more: Partial<Arrival> = {}): Arrival => ({
  cmd: "publish",
  topic: "t",
  payload,
  qos: 1,
  dup: false,
  retain: false,
  messageId: 1,
  ...more,
});

function bench() {
  const clock = new FakeClock();
  const feed = new Feed(filter, 1, { pauseMs: 100, clock });
  const got: string[] = [];
  const open: ((settle: Settle) => void)[] = [];
  const handle = ({ delivery }: Entry, attempt: number) => {
    got.push(`${delivery.message.payload} ${attempt}`);
    return new Promise<Settle>((resolve) => open.push(resolve));
  };
  const join = () => feed.join({ concurrency: 10, handle }, "none");
  const settle = async (how: Settle) => {
    open.shift()?.(how);
    await turn();
  };
  const deliver = (arrival: Arrival, through: Connection, feeds = [feed]) => {
    const delivery = new Delivery(arrival, through, clock.now(), feeds, () => {});
    for (const one of feeds) one.add(delivery);
    return delivery;
  };
  /** As the session does it. */
  const lose = (through: Connection, ...deliveries: Delivery[]) => {
    feed.lose(through);
    for (const delivery of deliveries) delivery.lose();
  };
  return { clock, feed, got, join, settle, deliver, lose };
}

describe("the messages of a filter", () => {
  test("are acknowledged when they are handled, and come again when they are not", async () => {
    const { got, join, settle, deliver, clock } = bench();
    const through = connection();
    join();
    deliver(message("a"), through);
    await settle("retry");
    expect(through.acknowledged).toEqual([]);
    await clock.advance(100);
    await settle("ack");
    expect([got, through.acknowledged]).toEqual([["a 1", "a 2"], ["a"]]);
  });

  test("are not handed over twice that come again while they are handled", async () => {
    const { got, join, settle, deliver, lose } = bench();
    const [first, second] = [connection(), connection()];
    join();
    lose(first, deliver(message("a"), first));
    deliver(message("a", { dup: true, messageId: 9 }), second);
    await settle("ack");
    expect([got, first.acknowledged, second.acknowledged]).toEqual([["a 1"], [], ["a"]]);
  });

  test("are not handed over again that were handled while nobody could be told", async () => {
    const { got, join, settle, deliver, lose } = bench();
    const [first, second] = [connection(), connection()];
    join();
    lose(first, deliver(message("a"), first));
    await settle("ack");
    deliver(message("a", { dup: true }), second);
    expect([got, second.acknowledged]).toEqual([["a 1"], ["a"]]);
    // Somebody says the same once more.
    deliver(message("a"), second);
    expect(got).toEqual(["a 1", "a 1"]);
  });

  test("that nobody had handled yet count no attempt when they come again, those of others do", async () => {
    const { got, join, deliver, lose } = bench();
    const [first, second] = [connection(), connection()];
    lose(first, deliver(message("a"), first));
    join();
    deliver(message("a", { dup: true }), second);
    deliver(message("b", { dup: true }), second);
    expect(got).toEqual(["a 1", "b 2"]);
  });

  test("that several filters have are acknowledged when all have handled them", async () => {
    const [one, two] = [bench(), bench()];
    const through = connection();
    one.join();
    two.join();
    one.deliver(message("a"), through, [one.feed, two.feed]);
    await one.settle("ack");
    expect(through.acknowledged).toEqual([]);
    await two.settle("ack");
    expect(through.acknowledged).toEqual(["a"]);
  });

  test("that end while they wait are not handed over", async () => {
    const { clock, got, join, deliver } = bench();
    const through = connection();
    deliver(message("a", { properties: { messageExpiryInterval: 5 } }), through);
    deliver(message("b", { properties: { messageExpiryInterval: 50 } }), through);
    await clock.advance(5000);
    join();
    expect([got, through.acknowledged]).toEqual([["b 1"], ["a"]]);
  });

  test("of quality 0 outlive the connection, and wait in no endless number", async () => {
    const { feed, got, join, deliver, lose } = bench();
    const through = connection();
    for (let n = 0; n < 10_005; n += 1) deliver(message(String(n), { qos: 0 }), through);
    lose(through);
    let count = 0;
    feed.join({ concurrency: 20_000, handle: async () => (count++ < 0 ? "retry" : "ack") }, "none");
    await turn();
    expect(count).toBe(10_000);
    join();
    deliver(message("next", { qos: 0 }), through);
    await turn();
    expect(got.length + count).toBe(10_001);
  });
});
