import { expect, test } from "vitest";
import { attemptWithin } from "../../../../sidecar/host/timeout.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const never = () => new Promise<never>(() => {});

function setup() {
  const clock = new FakeClock();
  const late: number[] = [];
  const start = clock.now();
  return {
    clock,
    late,
    timeout: { ms: 100, target: "component orders", clock },
    onLate: () => late.push(clock.now() - start),
  };
}

test("an attempt that is in time is the outcome, and its timer is taken back", async () => {
  const { clock, timeout, late, onLate } = setup();
  await expect(attemptWithin(timeout, async (_, count) => count, 3, undefined, onLate)).resolves.toBe(3);
  await expect(attemptWithin(timeout, () => Promise.reject(new Error("down")), 1, undefined, onLate)).rejects.toThrow(
    "down",
  );
  expect(clock.pending).toBe(0);
  expect(late).toEqual([]);
});

test("an attempt that is late is aborted and rejected, even when it does not look at its signal", async () => {
  const { clock, timeout, late, onLate } = setup();
  let seen: AbortSignal | undefined;
  const attempt = (signal: AbortSignal | undefined) => {
    seen = signal;
    return never();
  };
  const outcome = attemptWithin(timeout, attempt, 1, undefined, onLate);
  const rejected = expect(outcome).rejects.toMatchObject({
    reason: "deadlineExceeded",
    message: "component orders did not finish within 100 ms",
  });
  await clock.advance(99);
  expect(seen?.aborted).toBe(false);
  await clock.advance(1);
  await rejected;
  expect(seen?.reason).toMatchObject({ reason: "deadlineExceeded" });
  expect(late).toEqual([100]);
  expect(clock.pending).toBe(0);
});

test("what a late attempt says afterwards is nobody's", async () => {
  const { clock, timeout } = setup();
  const { promise, reject } = Promise.withResolvers<void>();
  const outcome = attemptWithin(timeout, () => promise, 1, undefined, undefined);
  const rejected = expect(outcome).rejects.toMatchObject({ reason: "deadlineExceeded" });
  await clock.advance(100);
  reject(new Error("too late"));
  await rejected;
});

test("a caller who leaves aborts the attempt, whose outcome counts", async () => {
  const { clock, timeout } = setup();
  const caller = new AbortController();
  const outcome = attemptWithin(
    timeout,
    (signal) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    1,
    caller.signal,
    undefined,
  );
  caller.abort(new Error("gone"));
  await expect(outcome).rejects.toThrow("gone");
  expect(clock.pending).toBe(0);
});

test("an attempt that throws at once leaves no timer", async () => {
  const { clock, timeout } = setup();
  const broken = () => {
    throw new Error("no such method");
  };
  await expect(attemptWithin(timeout, broken, 1, undefined, undefined)).rejects.toThrow("no such method");
  expect(clock.pending).toBe(0);
});
