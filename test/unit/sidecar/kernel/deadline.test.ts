import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { withDeadline } from "../../../../sidecar/kernel/deadline.ts";
import type { MechaError } from "../../../../specs/errors.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const stubborn = () => new Promise<never>(() => {});

describe("work with a deadline", () => {
  it("gives its answer when it is done in time, and sets no timer any more", async () => {
    const clock = new FakeClock();
    expect(await withDeadline(clock, "it", 100, undefined, async () => 7)).toBe(7);
    expect(clock.pending).toBe(0);
  });

  it("fails as it failed", async () => {
    const clock = new FakeClock();
    const running = withDeadline(clock, "it", 100, undefined, () => Promise.reject(new Error("broken")));
    await expect(running).rejects.toThrow("broken");
    expect(clock.pending).toBe(0);
  });

  it("is given up when the time has passed, even when it does not listen", async () => {
    const clock = new FakeClock();
    let signal: AbortSignal | undefined;
    const running = withDeadline(clock, "opening store", 100, undefined, (own) => {
      signal = own;
      return stubborn();
    });
    const failed = running.catch((error: MechaError) => error);
    await clock.advance(99);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(await failed).toMatchObject({
      reason: "deadlineExceeded",
      message: "opening store did not finish within 100 ms",
    });
    expect(signal?.reason).toBe(await failed);
  });

  it("hears of its parent's end, before or during the work", async () => {
    const clock = new FakeClock();
    const parent = new AbortController();
    const reason = new Error("shutting down");
    const listens = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    const running = withDeadline(clock, "it", 100, parent.signal, listens);
    parent.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(withDeadline(clock, "it", 100, parent.signal, listens)).rejects.toBe(reason);
  });

  it("leaves nothing at its parent", async () => {
    const parent = new AbortController();
    await withDeadline(new FakeClock(), "it", 100, parent.signal, async () => 1);
    expect(getEventListeners(parent.signal, "abort")).toHaveLength(0);
  });
});
