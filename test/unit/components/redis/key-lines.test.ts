import { describe, expect, test } from "vitest";
import type { Order } from "../../../../components/contract/pubsub.ts";
import { type Held, KeyLines } from "../../../../components/redis/key-lines.ts";

const held = (id: string, partitionKey?: string): Held => ({
  entry: { id, deliveries: 1, data: Buffer.alloc(0), metadata: partitionKey === undefined ? {} : { partitionKey } },
  deliveries: 1,
  hasFailed: false,
});
const linesOf = (order: Order, entries: readonly Held[]) => {
  const lines = new KeyLines(order);
  for (const one of entries) lines.add(one);
  return lines;
};
const takeAll = (lines: KeyLines) => {
  const taken: Held[] = [];
  for (let next = lines.take(); next; next = lines.take()) taken.push(next);
  return taken;
};
const ids = (entries: readonly Held[]) => entries.map(({ entry }) => entry.id);

describe("lines of keys", () => {
  test("let entries out in the order of the stream, however they come", () => {
    const lines = linesOf("key", [held("9-10", "a"), held("10-0", "b"), held("9-9", "a"), held("9-0")]);
    expect(lines.startable).toBe(4);
    expect(ids(takeAll(lines))).toEqual(["9-0", "9-9", "9-10", "10-0"]);
    expect(lines.take()).toBeUndefined();
  });

  test("hold back what follows a failure under its key until they go on, and nothing else", () => {
    const lines = linesOf("key", [held("1-0", "a"), held("1-1", "a"), held("1-2", "b"), held("1-3")]);
    const broken = lines.leave(lines.take() as Held, false);
    expect(lines.startable).toBe(2);
    expect(ids(takeAll(lines))).toEqual(["1-2", "1-3"]);
    expect(ids(broken?.failed() ?? [])).toEqual(["1-0"]);
    broken?.goOn();
    expect(ids(takeAll(lines))).toEqual(["1-0", "1-1"]);
  });

  test("go on when all of a line are back, and count those that failed before it was known of another one", () => {
    const lines = linesOf("key", [held("1-0", "a"), held("1-1", "a"), held("1-2", "a"), held("1-3", "a")]);
    const [first, second, third] = [lines.take(), lines.take(), lines.take()] as [Held, Held, Held];
    expect(lines.leave(second, false)).toBeUndefined();
    expect(lines.leave(first, false)).toBeUndefined();
    expect(lines.take()).toBeUndefined();
    const broken = lines.leave(third, false);
    expect(ids(broken?.failed() ?? [])).toEqual(["1-0", "1-1"]);
    broken?.goOn();
    expect(ids(takeAll(lines))).toEqual(["1-0", "1-1", "1-2", "1-3"]);
  });

  test("forget what is gone", () => {
    const lines = linesOf("key", [held("1-0", "a"), held("1-1", "a")]);
    const first = lines.take() as Held;
    const broken = lines.leave(first, false);
    lines.forget(first);
    broken?.goOn();
    expect(ids(takeAll(lines))).toEqual(["1-1"]);
  });

  test("are one in the order of the topic, and one for each entry without a key", () => {
    const topic = linesOf("topic", [held("1-0", "a"), held("1-1", "b"), held("1-2")]);
    topic.leave(topic.take() as Held, false);
    expect(topic.startable).toBe(0);
    const keys = linesOf("key", [held("1-0"), held("1-1"), held("1-2", "")]);
    keys.leave(keys.take() as Held, false);
    expect(keys.startable).toBe(2);
  });
});
