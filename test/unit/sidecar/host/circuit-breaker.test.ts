import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BreakerState, CircuitBreaker } from "../../../../sidecar/host/circuit-breaker.ts";
import { compileTrip } from "../../../../sidecar/host/trip.ts";
import type { CircuitBreakerPolicy } from "../../../../sidecar/kernel/config-types.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const policy: CircuitBreakerPolicy = {
  maxRequests: 1,
  intervalMs: 0,
  timeoutMs: 60_000,
  trip: "consecutiveFailures > 2",
};

function open(over: Partial<CircuitBreakerPolicy> = {}) {
  const clock = new FakeClock();
  const changes: string[] = [];
  const whole = { ...policy, ...over };
  const breaker = new CircuitBreaker({
    target: "component orders",
    policy: whole,
    trip: compileTrip(whole.trip),
    clock,
    onChange: (from, to) => changes.push(`${from} > ${to}`),
  });
  return { clock, breaker, changes };
}

const succeed = (breaker: CircuitBreaker) => breaker.run(async () => "done");
const failOnce = (breaker: CircuitBreaker) => breaker.run(() => Promise.reject(new Error("down"))).catch(() => {});
async function failTimes(breaker: CircuitBreaker, times: number) {
  for (let i = 0; i < times; i++) await failOnce(breaker);
}

/** A call whose end the test decides. */
function pending(breaker: CircuitBreaker) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const outcome = breaker.run(() => promise).catch((error: unknown) => error);
  const end = async (success: boolean) => {
    if (success) resolve();
    else reject(new Error("down"));
    await outcome;
  };
  return { outcome, end };
}

test("a breaker opens when its counts trip it and refuses calls without making them", async () => {
  const { breaker, changes } = open();
  await failTimes(breaker, 2);
  expect(breaker.state).toBe("closed");
  await failOnce(breaker);
  expect(breaker.state).toBe("open");
  let made = false;
  const refused = breaker.run(async () => {
    made = true;
  });
  await expect(refused).rejects.toMatchObject({
    reason: "circuitOpen",
    message: expect.stringContaining("component orders"),
  });
  expect(made).toBe(false);
  expect(changes).toEqual(["closed > open"]);
});

test("a success between failures starts the row anew", async () => {
  const { breaker } = open();
  await failTimes(breaker, 2);
  await succeed(breaker);
  await failTimes(breaker, 2);
  expect(breaker.state).toBe("closed");
  expect(breaker.counts).toEqual({
    requests: 5,
    totalSuccesses: 1,
    totalFailures: 4,
    consecutiveSuccesses: 0,
    consecutiveFailures: 2,
  });
});

test("after its timeout it lets one probe through; a success closes it", async () => {
  const { breaker, clock, changes } = open();
  await failTimes(breaker, 3);
  await clock.advance(59_999);
  await expect(succeed(breaker)).rejects.toMatchObject({ reason: "circuitOpen" });
  await clock.advance(1);
  const probe = pending(breaker);
  await expect(succeed(breaker)).rejects.toMatchObject({ reason: "circuitOpen" });
  await probe.end(true);
  expect(breaker.state).toBe("closed");
  await expect(succeed(breaker)).resolves.toBe("done");
  expect(changes).toEqual(["closed > open", "open > half-open", "half-open > closed"]);
});

test("a failed probe opens it for another timeout", async () => {
  const { breaker, clock } = open();
  await failTimes(breaker, 3);
  await clock.advance(60_000);
  await failOnce(breaker);
  expect(breaker.state).toBe("open");
  await clock.advance(59_999);
  await expect(succeed(breaker)).rejects.toMatchObject({ reason: "circuitOpen" });
});

test("as many probes as maxRequests run at once, and all must succeed", async () => {
  const { breaker, clock } = open({ maxRequests: 3 });
  await failTimes(breaker, 3);
  await clock.advance(60_000);
  const probes = [pending(breaker), pending(breaker), pending(breaker)];
  await expect(succeed(breaker)).rejects.toMatchObject({ reason: "circuitOpen" });
  await probes[0]?.end(true);
  await probes[1]?.end(true);
  expect(breaker.state).toBe("half-open");
  await probes[2]?.end(true);
  expect(breaker.state).toBe("closed");
});

test("a call that began before the breaker opened does not count once it is closed again", async () => {
  const { breaker, clock } = open();
  const slow = pending(breaker);
  await failTimes(breaker, 3);
  await clock.advance(60_000);
  await succeed(breaker);
  await slow.end(false);
  expect(breaker.counts.totalFailures).toBe(0);
});

test("the counts of a closed breaker are cleared at every interval, and never when there is none", async () => {
  const cleared = open({ intervalMs: 10_000 });
  await failTimes(cleared.breaker, 2);
  await cleared.clock.advance(10_000);
  await failTimes(cleared.breaker, 2);
  expect(cleared.breaker.state).toBe("closed");
  const kept = open();
  await failTimes(kept.breaker, 2);
  await kept.clock.advance(10_000_000);
  await failOnce(kept.breaker);
  expect(kept.breaker.state).toBe("open");
});

test("it sets no timer", async () => {
  const { breaker, clock } = open({ intervalMs: 10 });
  await failTimes(breaker, 3);
  expect(clock.pending).toBe(0);
});

describe("against a model", () => {
  interface Model {
    state: BreakerState;
    /** Tells calls of one period from those of another. */
    period: number;
    openUntil: number;
    /** Of a closed breaker: when its period ends. */
    clearAt: number;
    begun: number;
    ended: boolean[];
    readonly calls: { readonly period: number }[];
    now: number;
  }
  interface Real {
    readonly breaker: CircuitBreaker;
    readonly clock: FakeClock;
    readonly calls: ReturnType<typeof pending>[];
  }
  type Step = fc.AsyncCommand<Model, Real>;
  const settings = { maxRequests: 2, intervalMs: 50, timeoutMs: 100, trip: "consecutiveFailures > 2" };

  const enterPeriod = (model: Model, state: BreakerState) =>
    Object.assign(model, {
      state,
      period: model.period + 1,
      begun: 0,
      ended: [],
      openUntil: model.now + settings.timeoutMs,
      clearAt: model.now + settings.intervalMs,
    });

  /** The state as a call finds it. */
  function look(model: Model): BreakerState {
    if (model.state === "open" && model.now >= model.openUntil) enterPeriod(model, "half-open");
    if (model.state === "closed" && model.now >= model.clearAt) enterPeriod(model, "closed");
    return model.state;
  }

  const begin: Step = {
    toString: () => "begin",
    check: () => true,
    async run(model, real) {
      const state = look(model);
      const refused = state === "open" || (state === "half-open" && model.begun >= settings.maxRequests);
      const call = pending(real.breaker);
      if (refused) {
        expect(await call.outcome).toMatchObject({ reason: "circuitOpen" });
      } else {
        model.begun++;
        model.calls.push({ period: model.period });
        real.calls.push(call);
      }
      expect(real.breaker.state).toBe(model.state);
    },
  };

  const end = (pick: number, success: boolean): Step => ({
    toString: () => `end ${pick} ${success ? "well" : "badly"}`,
    check: (model) => model.calls.length > 0,
    async run(model, real) {
      const at = pick % model.calls.length;
      const [call] = model.calls.splice(at, 1);
      await real.calls.splice(at, 1)[0]?.end(success);
      const state = look(model);
      if (call?.period === model.period) {
        model.ended.push(success);
        const row = model.ended.length - 1 - model.ended.lastIndexOf(true);
        if (state === "half-open" && !success) enterPeriod(model, "open");
        else if (state === "half-open" && model.ended.length === settings.maxRequests) enterPeriod(model, "closed");
        else if (state === "closed" && row > 2) enterPeriod(model, "open");
      }
      expect(real.breaker.state).toBe(model.state);
    },
  });

  const wait = (ms: number): Step => ({
    toString: () => `wait ${ms}`,
    check: () => true,
    async run(model, real) {
      model.now += ms;
      await real.clock.advance(ms);
    },
  });

  test("it refuses and changes exactly when the model does", async () => {
    const commands = fc.commands(
      [
        fc.constant(begin),
        fc.record({ pick: fc.nat(9), success: fc.boolean() }).map(({ pick, success }) => end(pick, success)),
        fc.nat(9).map((pick) => end(pick, false)),
        fc.integer({ min: 1, max: 120 }).map(wait),
      ],
      { maxCommands: 60 },
    );
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const { breaker, clock } = open(settings);
        const setup = () => ({
          model: {
            state: "closed" as BreakerState,
            period: 0,
            openUntil: 0,
            clearAt: settings.intervalMs,
            begun: 0,
            ended: [],
            calls: [],
            now: 0,
          },
          real: { breaker, clock, calls: [] },
        });
        await fc.asyncModelRun(setup, steps);
      }),
      { numRuns: 150 },
    );
  });
});
