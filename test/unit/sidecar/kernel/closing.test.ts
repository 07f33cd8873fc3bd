import { describe, expect, it } from "vitest";
import { Closing } from "../../../../sidecar/kernel/closing.ts";

const never = () => {
  throw new Error("nothing failed");
};

describe("closing", () => {
  it("closes what was opened last first, one after the other", async () => {
    const closed: string[] = [];
    const closing = new Closing();
    const thing = { close: async () => void closed.push("a") };
    expect(closing.add("a", thing)).toBe(thing);
    closing.run("b", async () => {
      await new Promise((turn) => setImmediate(turn));
      closed.push("b");
    });
    closing.run("c", () => void closed.push("c"));
    await closing.close(never);
    expect(closed).toEqual(["c", "b", "a"]);
  });

  it("goes on after a step that fails, and tells of it", async () => {
    const closed: string[] = [];
    const failed: unknown[] = [];
    const closing = new Closing();
    closing.run("a", () => void closed.push("a"));
    closing.run("b", () => Promise.reject(new Error("later")));
    closing.run("c", () => {
      throw new Error("at once");
    });
    await closing.close((what, error) => failed.push([what, (error as Error).message]));
    expect(closed).toEqual(["a"]);
    expect(failed).toEqual([
      ["c", "at once"],
      ["b", "later"],
    ]);
  });

  it("closes everything once, however often it is asked", async () => {
    let closed = 0;
    const closing = new Closing();
    closing.run("a", () => void closed++);
    await Promise.all([closing.close(never), closing.close(never)]);
    await closing.close(never);
    expect(closed).toBe(1);
  });

  it("keeps the thing's own this", async () => {
    class Thing {
      #closed = false;
      close() {
        this.#closed = true;
      }
      get closed() {
        return this.#closed;
      }
    }
    const closing = new Closing();
    const thing = closing.add("thing", new Thing());
    await closing.close(never);
    expect(thing.closed).toBe(true);
  });
});
