import { describe, expect, test } from "vitest";
import { type Held, KeyLines } from "../../../../components/jetstream/key-lines.ts";

const held = (seq: number, key?: string): Held => ({
  seq,
  subject: "t",
  data: Buffer.alloc(0),
  contentType: undefined,
  metadata: key === undefined ? {} : { partitionKey: key },
  at: 0,
  attempts: 0,
});
const linesOf = (order: "key" | "topic", messages: readonly Held[]) => {
  const lines = new KeyLines(order);
  for (const message of messages) lines.add(message);
  return lines;
};
const takeAll = (lines: KeyLines) => {
  const taken: Held[] = [];
  for (let next = lines.take(); next; next = lines.take()) taken.push(next);
  return taken;
};
const numbers = (messages: readonly Held[]) => messages.map(({ seq }) => seq);

describe("lines of keys", () => {
  test("let messages out in the order of their numbers, however they come", () => {
    const lines = linesOf("key", [held(3, "a"), held(1, "a"), held(2, "b")]);
    expect(lines.startable).toBe(3);
    expect(numbers(takeAll(lines))).toEqual([1, 2, 3]);
    expect(lines.take()).toBeUndefined();
  });

  test("hold back what follows a failure under its key until the pause is over, and nothing else", () => {
    const lines = linesOf("key", [held(1, "a"), held(2, "a"), held(3, "b"), held(4)]);
    const first = lines.take() as Held;
    const goOn = lines.leave(first, false);
    expect(lines.startable).toBe(2);
    expect(numbers(takeAll(lines))).toEqual([3, 4]);
    goOn?.();
    expect(numbers(takeAll(lines))).toEqual([1, 2]);
  });

  test("go on only when all of a broken line are back", () => {
    const lines = linesOf("key", [held(1, "a"), held(2, "a"), held(3, "a")]);
    const [one, two] = [lines.take(), lines.take()] as [Held, Held];
    expect(lines.leave(one, false)).toBeUndefined();
    expect(lines.take()).toBeUndefined();
    const goOn = lines.leave(two, false);
    expect(goOn).toBeDefined();
    goOn?.();
    expect(numbers(takeAll(lines))).toEqual([1, 2, 3]);
  });

  test("are one in the order of the topic, and one for each message without a key", () => {
    const topic = linesOf("topic", [held(1, "a"), held(2, "b"), held(3)]);
    topic.leave(topic.take() as Held, false);
    expect(topic.startable).toBe(0);
    const keys = linesOf("key", [held(1), held(2)]);
    keys.leave(keys.take() as Held, false);
    expect(keys.startable).toBe(1);
  });

  test("that are done leave nothing behind", () => {
    const lines = linesOf("key", [held(1, "a"), held(2, "a")]);
    for (const message of takeAll(lines)) expect(lines.leave(message, true)).toBeUndefined();
    expect([lines.startable, lines.waiting.length]).toEqual([0, 0]);
  });
});
