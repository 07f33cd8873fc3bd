import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matches, Retry, type RetryPlan, toPlan } from "../../../../sidecar/host/retry.ts";
import type { PolicyCall } from "../../../../sidecar/kernel/policy.ts";
import { StatusFailure } from "../../../../sidecar/kernel/status.ts";
import { fail } from "../../../../specs/errors.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const constant: RetryPlan = toPlan({ policy: "constant", durationMs: 100, maxIntervalMs: 60_000, maxRetries: 3 });
const exponential: RetryPlan = { ...constant, policy: "exponential" };
const hour = 3_600_000;

/** Runs a call that fails until its `succeedsAt`-th attempt, with time passing as it needs to. */
async function run(
  plan: RetryPlan,
  {
    succeedsAt = Number.POSITIVE_INFINITY,
    random = (): number => 0.5,
    call = undefined as PolicyCall | undefined,
  } = {},
) {
  const clock = new FakeClock();
  const start = clock.now();
  const at: number[] = [];
  let activations = 0;
  const outcome = new Retry(plan, clock, random)
    .run(
      async (count) => {
        at.push(clock.now() - start);
        if (count < succeedsAt) throw new Error(`attempt ${count}`);
        return count;
      },
      call,
      () => activations++,
    )
    .then(
      (value) => ({ value }),
      (error: Error) => ({ error: error.message }),
    );
  // The first attempt has to fail before there is a pause to end.
  await clock.advance(0);
  await clock.advance(1_000 * hour);
  const pauses = at.slice(1).map((time, i) => time - (at[i] as number));
  return { outcome: await outcome, at, pauses, activations, timers: clock.pending };
}

describe("how often", () => {
  test("a constant policy makes one attempt more than it has retries, a pause apart", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 10_000 }),
        async (maxRetries, durationMs) => {
          const { outcome, at, timers } = await run({ ...constant, maxRetries, durationMs });
          expect(outcome).toEqual({ error: `attempt ${maxRetries + 1}` });
          expect(at).toEqual(Array.from({ length: maxRetries + 1 }, (_, i) => i * durationMs));
          expect(timers).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("a policy without a limit goes on until an attempt succeeds", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), async (succeedsAt) => {
        const { outcome, at } = await run({ ...constant, maxRetries: -1 }, { succeedsAt });
        expect(outcome).toEqual({ value: succeedsAt });
        expect(at).toHaveLength(succeedsAt);
      }),
      { numRuns: 20 },
    );
  });

  test("the first retry is told, later ones are not", async () => {
    expect((await run(constant)).activations).toBe(1);
    expect((await run(constant, { succeedsAt: 1 })).activations).toBe(0);
  });
});

describe("how long", () => {
  test("exponential pauses grow by half, within half of it, up to the longest interval", async () => {
    const chances = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
      minLength: 12,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(chances, fc.integer({ min: 1, max: 20_000 }), async (random, maxIntervalMs) => {
        let drawn = 0;
        const plan = { ...exponential, maxIntervalMs, maxRetries: 12 };
        const { pauses } = await run(plan, { random: () => random[drawn++] ?? 0 });
        expect(pauses).toHaveLength(12);
        for (const [i, ms] of pauses.entries()) {
          const interval = Math.min(500 * 1.5 ** i, maxIntervalMs);
          expect(ms).toBeGreaterThanOrEqual(interval * 0.5 - 1e-3);
          expect(ms).toBeLessThanOrEqual(interval * 1.5 + 1e-3);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("an exponential policy without a limit gives up within a quarter of an hour", async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), async (chance) => {
        const { outcome, at } = await run({ ...exponential, maxRetries: -1 }, { random: () => chance });
        expect(outcome).toEqual({ error: `attempt ${at.length}` });
        expect(at.at(-1)).toBeLessThanOrEqual(15 * 60_000);
        // The longest possible pause before that would have been too long.
        expect(at.at(-1)).toBeGreaterThan(15 * 60_000 - 1.5 * 60_000 - 1);
      }),
      { numRuns: 20 },
    );
  });
});

describe("what is retried", () => {
  const ranged = {
    ...constant,
    httpStatusCodes: [
      { from: 429, to: 429 },
      { from: 500, to: 599 },
    ],
  };
  const both = { ...ranged, grpcStatusCodes: [{ from: 14, to: 14 }] };

  test.each([
    ["a status in a range", ranged, { httpStatus: 503 }, true],
    ["the ends of a range", ranged, { httpStatus: 599 }, true],
    ["a status outside every range", ranged, { httpStatus: 404 }, false],
    ["a failure without a status", ranged, new Error("connection reset"), true],
    ["something that is no object", ranged, "connection reset", true],
    ["a gRPC code when only HTTP statuses are given", ranged, { grpcCode: 5 }, true],
    ["a gRPC code in a range", both, { grpcCode: 14 }, true],
    ["a gRPC code outside", both, { grpcCode: 5 }, false],
    ["a refusal of the app by its HTTP status", both, new StatusFailure({ http: 502 }, "bad gateway"), true],
    ["a refusal of the app by its gRPC code", both, new StatusFailure({ grpc: 14 }, "gone"), true],
    ["a refusal of the app that neither list names", both, new StatusFailure({ http: 404 }, "not here"), false],
    ["our own error by its row", ranged, fail("backendUnavailable", { name: "orders", cause: "refused" }), true],
    ["our own error that is not named", ranged, fail("etagMismatch", { key: "a" }), false],
  ])("%s", (_, policy, error, expected) => {
    expect(matches(policy, error)).toBe(expected);
  });

  test("a caller may say that a failure is final", async () => {
    const { at } = await run(constant, { call: { retriable: (error) => (error as Error).message !== "attempt 2" } });
    expect(at).toHaveLength(2);
  });

  test("an open breaker ends the run at once", async () => {
    const clock = new FakeClock();
    let attempts = 0;
    const refused = new Retry(constant, clock, Math.random).run(
      async () => {
        attempts++;
        throw fail("circuitOpen", { target: "app orders" });
      },
      undefined,
      undefined,
    );
    await expect(refused).rejects.toMatchObject({ reason: "circuitOpen" });
    expect(attempts).toBe(1);
    expect(clock.pending).toBe(0);
  });
});

describe("a caller who leaves", () => {
  test("during a pause ends it, with the reason of the signal and no timer left", async () => {
    const clock = new FakeClock();
    const caller = new AbortController();
    const attempt = () => Promise.reject(new Error("down"));
    const outcome = new Retry({ ...constant, maxRetries: -1 }, clock, Math.random).run(attempt, caller, undefined);
    const rejected = expect(outcome).rejects.toThrow("gone");
    await clock.advance(0);
    await clock.advance(250);
    caller.abort(new Error("gone"));
    await rejected;
    expect(clock.pending).toBe(0);
  });

  test("during an attempt gets what the attempt says, and no other is made", async () => {
    const clock = new FakeClock();
    const caller = new AbortController();
    let attempts = 0;
    const outcome = new Retry(constant, clock, Math.random).run(
      async () => {
        attempts++;
        caller.abort(new Error("gone"));
        throw new Error("broken off");
      },
      caller,
      undefined,
    );
    await expect(outcome).rejects.toThrow("broken off");
    expect(attempts).toBe(1);
    expect(clock.pending).toBe(0);
  });
});
