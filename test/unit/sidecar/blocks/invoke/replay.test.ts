import { describe, expect, it } from "vitest";
import { Replay } from "../../../../../sidecar/blocks/invoke/replay.ts";
import { Feed } from "../../../../support/raw-calls.ts";

const feed = (...messages: string[]) => {
  const made = new Feed();
  for (const message of messages) made.push(message);
  return made;
};
const next = async (reader: AsyncGenerator<Uint8Array>) => {
  const { done, value } = await reader.next();
  return done ? undefined : Buffer.from(value).toString();
};

describe("messages that may be read again", () => {
  it("start from the beginning for every reader, and go on where the source is", async () => {
    const source = feed("a", "b");
    const replay = new Replay(source, 100);
    const first = replay.read();
    expect([await next(first), await next(first)]).toEqual(["a", "b"]);
    const second = replay.read();
    expect([await next(second), await next(second)]).toEqual(["a", "b"]);
    source.push("c");
    source.end();
    expect([await next(second), await next(second)]).toEqual(["c", undefined]);
    expect(await next(first)).toBeUndefined();
  });

  it("do not lose the message that an abandoned reader was waiting for", async () => {
    const source = feed();
    const replay = new Replay(source, 100);
    const abandoned = next(replay.read());
    const reader = replay.read();
    const waiting = next(reader);
    source.push("a");
    expect(await waiting).toBe("a");
    expect(await abandoned).toBeUndefined();
  });

  it("are not kept once the call has been answered", async () => {
    const source = feed("a", "b", "c");
    const replay = new Replay(source, 100);
    const reader = replay.read();
    await next(reader);
    replay.settle();
    expect(replay.possible).toBe(false);
    expect([await next(reader), await next(reader)]).toEqual(["b", "c"]);
  });

  it("cannot be read again once they are too many", async () => {
    const replay = new Replay(feed("abc", "def", "g"), 5);
    const reader = replay.read();
    expect(await next(reader)).toBe("abc");
    expect(replay.possible).toBe(true);
    expect(await next(reader)).toBe("def");
    expect(replay.possible).toBe(false);
    expect(await next(reader)).toBe("g");
  });

  it("are never kept when nothing may be", async () => {
    const replay = new Replay(feed("a"), 0);
    expect(replay.possible).toBe(false);
    expect(await next(replay.read())).toBe("a");
  });

  it("are taken from the source only as they are read", async () => {
    const source = feed("a", "b", "c");
    const reader = new Replay(source, 100).read();
    await next(reader);
    expect(source.taken).toBe(1);
  });

  it("fail as their source does", async () => {
    async function* breaking() {
      yield Buffer.from("a");
      throw new Error("broken");
    }
    const reader = new Replay(breaking(), 100).read();
    await next(reader);
    await expect(next(reader)).rejects.toThrow("broken");
  });
});
