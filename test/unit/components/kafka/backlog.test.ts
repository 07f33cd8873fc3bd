import { describe, expect, test } from "vitest";
import { Backlog, type Entry, longestWindow, type Received } from "../../../../components/kafka/backlog.ts";
import { decodeProgress } from "../../../../components/kafka/progress.ts";

const received = (offset: number, key?: string): Received => ({
  offset,
  key: key === undefined ? null : Buffer.from(key),
  value: null,
  headers: [],
  timestamp: 0,
});
const start = { next: 0, settled: [], failures: [] };
const offsets = (entries: readonly (Entry | undefined)[]) => entries.map((entry) => entry?.offset);

/** Takes until nothing can be taken. */
function takeAll(backlog: Backlog): Entry[] {
  const taken: Entry[] = [];
  for (let entry = backlog.take(); entry; entry = backlog.take()) taken.push(entry);
  return taken;
}

describe("a backlog", () => {
  test("hands messages over in their order, and fetches on behind them", () => {
    const backlog = new Backlog(0, start, "none");
    backlog.add([received(0), received(1), received(2)], 5);
    expect(backlog.next).toBe(5);
    expect(backlog.waiting).toBe(3);
    expect(offsets(takeAll(backlog))).toEqual([0, 1, 2]);
    expect(backlog.waiting).toBe(0);
  });

  test("leaves out what was fetched before", () => {
    const backlog = new Backlog(0, { ...start, next: 2 }, "none");
    backlog.add([received(0), received(1), received(2), received(3)], 4);
    backlog.add([received(2), received(3), received(4)], 5);
    expect(offsets(takeAll(backlog))).toEqual([2, 3, 4]);
  });

  test("is settled up to the first message that is not", () => {
    const backlog = new Backlog(0, start, "none");
    backlog.add(
      [0, 1, 2, 3].map((offset) => received(offset)),
      4,
    );
    const [a, b, c, d] = takeAll(backlog) as [Entry, Entry, Entry, Entry];
    backlog.settle(b);
    backlog.settle(d);
    expect(backlog.low).toBe(0);
    backlog.settle(a);
    expect(backlog.low).toBe(2);
    backlog.settle(c);
    expect(backlog.low).toBe(4);
    expect(backlog.settledCount).toBe(4);
    expect(backlog.progress()).toEqual({ offset: 4, metadata: "" });
  });

  test("is settled past what is no message", () => {
    const backlog = new Backlog(0, start, "none");
    backlog.add([], 3);
    expect(backlog.low).toBe(3);
    backlog.add([received(3)], 7);
    expect(backlog.low).toBe(3);
    for (const entry of takeAll(backlog)) backlog.settle(entry);
    expect(backlog.low).toBe(7);
  });

  test("goes on with another member where it was, failures included", () => {
    const first = new Backlog(0, start, "none");
    first.add(
      [0, 1, 2, 3].map((offset) => received(offset)),
      4,
    );
    const [a, b, c] = takeAll(first) as [Entry, Entry, Entry, Entry];
    first.settle(a);
    first.settle(c);
    first.fail(b);
    const { offset, metadata } = first.progress();
    const second = new Backlog(0, decodeProgress(offset, metadata), "none");
    expect(second.next).toBe(1);
    second.add(
      [1, 2, 3].map((one) => received(one)),
      4,
    );
    const taken = takeAll(second);
    expect(taken.map((entry) => [entry.offset, entry.attempt])).toEqual([
      [1, 2],
      [3, 1],
    ]);
    for (const entry of taken) second.settle(entry);
    expect(second.progress()).toEqual({ offset: 4, metadata: "" });
  });

  test("remembers what its predecessor told it before it has fetched that", () => {
    const told = { next: 1, settled: [3], failures: [[2, 5]] as const };
    const backlog = new Backlog(0, told, "none");
    const { offset, metadata } = backlog.progress();
    expect(decodeProgress(offset, metadata)).toEqual(told);
  });

  test("forgets what its predecessor told it of messages that are no more", () => {
    const backlog = new Backlog(0, { next: 1, settled: [3], failures: [[2, 5]] }, "none");
    backlog.add([received(4)], 5);
    for (const entry of takeAll(backlog)) backlog.settle(entry);
    expect(backlog.progress()).toEqual({ offset: 5, metadata: "" });
  });

  test("hands a failed message over again before what follows", () => {
    const backlog = new Backlog(0, start, "none");
    backlog.add([received(0), received(1)], 2);
    const failed = backlog.take() as Entry;
    backlog.fail(failed);
    backlog.retry(failed);
    expect(backlog.take()).toMatchObject({ offset: 0, attempt: 2 });
    expect(backlog.take()).toMatchObject({ offset: 1, attempt: 1 });
  });

  test("gets no further than a window ahead of a message that is not settled", () => {
    const backlog = new Backlog(0, start, "none");
    const all = Array.from({ length: longestWindow + 2 }, (_, offset) => received(offset));
    backlog.add(all, all.length);
    const taken = takeAll(backlog);
    expect(taken).toHaveLength(longestWindow);
    for (const entry of taken.slice(1)) backlog.settle(entry);
    expect(backlog.take()).toBeUndefined();
    expect(backlog.waiting).toBe(2);
    backlog.settle(taken[0] as Entry);
    expect(takeAll(backlog)).toHaveLength(2);
  });
});

describe("a backlog in the order of keys", () => {
  const filled = () => {
    const backlog = new Backlog(0, start, "key");
    const keys = ["blue", "red", "blue", undefined, "blue", undefined];
    backlog.add(
      keys.map((key, offset) => received(offset, key)),
      keys.length,
    );
    return backlog;
  };

  test("holds messages back while one of their key is not settled", () => {
    const backlog = filled();
    const [blue] = takeAll(backlog) as [Entry];
    expect(backlog.waiting).toBe(2);
    backlog.settle(blue);
    const next = backlog.take() as Entry;
    expect(next.offset).toBe(2);
    expect(backlog.take()).toBeUndefined();
    backlog.settle(next);
    expect(offsets(takeAll(backlog))).toEqual([4]);
    expect(backlog.waiting).toBe(0);
  });

  test("hands over others meanwhile", () => {
    expect(offsets(takeAll(filled()))).toEqual([0, 1, 3, 5]);
  });

  test("hands a failed message over again before those of its key", () => {
    const backlog = filled();
    const [blue] = takeAll(backlog) as [Entry];
    backlog.fail(blue);
    expect(backlog.take()).toBeUndefined();
    backlog.retry(blue);
    expect(backlog.take()).toMatchObject({ offset: 0, attempt: 2 });
    expect(backlog.take()).toBeUndefined();
    backlog.settle(blue);
    expect(offsets(takeAll(backlog))).toEqual([2]);
  });
});

test("a backlog in the order of the topic hands over one message at a time", () => {
  const backlog = new Backlog(0, start, "topic");
  backlog.add([received(0, "a"), received(1, "b"), received(2)], 3);
  for (const offset of [0, 1, 2]) {
    const [entry, ...more] = takeAll(backlog);
    expect(entry?.offset).toBe(offset);
    expect(more).toEqual([]);
    backlog.settle(entry as Entry);
  }
});
