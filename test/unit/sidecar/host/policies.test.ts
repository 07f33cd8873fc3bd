import { describe, expect, test } from "vitest";
import type { Kind } from "../../../../components/contract/any-driver.ts";
import { openPolicies } from "../../../../sidecar/host/policies.ts";
import type { ResiliencyResource } from "../../../../sidecar/kernel/config-types.ts";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import type { Policy, PolicyCall } from "../../../../sidecar/kernel/policy.ts";
import { fail } from "../../../../specs/errors.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { breaker, keepingLog, resiliency, retry } from "./resiliency.ts";

function open(...resources: ResiliencyResource[]) {
  const clock = new FakeClock();
  const log = keepingLog();
  const metrics = new Metrics({ app_id: "shop" }, [1, 10]);
  const policies = openPolicies({ resources, namespace: "prod", clock, metrics, log, random: () => 0.5 });
  return { clock, log, metrics, policies };
}

const down = () => Promise.reject(new Error("down"));

/** How many attempts a call that always fails gets, and its failure. */
async function exhaust(
  clock: FakeClock,
  policy: Policy | undefined,
  call: PolicyCall = {},
  error: unknown = new Error("down"),
) {
  let attempts = 0;
  const outcome = policy
    ?.run(async () => {
      attempts++;
      throw error;
    }, call)
    .catch((caught: unknown) => caught);
  await clock.advance(0);
  await clock.advance(3_600_000);
  return { attempts, error: await outcome, timers: clock.pending };
}

const attemptsOf = async (clock: FakeClock, policy: Policy | undefined) => (await exhaust(clock, policy)).attempts;

const series = async (metrics: Metrics, name: string) =>
  (await metrics.expose()).text
    .split("\n")
    .filter((line) => line.startsWith(`dapr_${name}{`))
    .sort();

describe("which policy", () => {
  test("none, when nothing is configured", () => {
    const { policies } = open();
    expect(policies.app("orders")).toBeUndefined();
    expect(policies.component("store", "state", "outbound")).toBeUndefined();
  });

  test("the target's own, by direction", async () => {
    const { policies, clock } = open(
      resiliency(
        { retries: { out: retry(2), in: retry(4) } },
        { components: { bus: { outbound: { retry: "out" }, inbound: { retry: "in" } } } },
      ),
    );
    expect(await attemptsOf(clock, policies.component("bus", "pubsub", "outbound"))).toBe(3);
    expect(await attemptsOf(clock, policies.component("bus", "pubsub", "inbound"))).toBe(5);
    expect(policies.component("other", "pubsub", "outbound")).toBeUndefined();
  });

  test("the most specific default first, each kind of policy by itself", async () => {
    const retries: Record<string, ReturnType<typeof retry>> = {
      DefaultRetryPolicy: retry(1),
      DefaultComponentRetryPolicy: retry(2),
      DefaultComponentInboundRetryPolicy: retry(3),
      DefaultPubsubComponentInboundRetryPolicy: retry(4),
      DefaultAppRetryPolicy: retry(5),
    };
    const { policies, clock } = open(resiliency({ retries }));
    expect(await attemptsOf(clock, policies.component("bus", "pubsub", "inbound"))).toBe(5);
    expect(await attemptsOf(clock, policies.component("ticks", "bindings", "inbound"))).toBe(4);
    expect(await attemptsOf(clock, policies.component("bus", "pubsub", "outbound"))).toBe(3);
    expect(await attemptsOf(clock, policies.app("orders"))).toBe(6);
    const general = open(
      resiliency({ retries: { DefaultRetryPolicy: retry(1) }, timeouts: { DefaultAppTimeoutPolicy: 10 } }),
    );
    expect(await attemptsOf(general.clock, general.policies.app("orders"))).toBe(2);
    const late = general.policies.app("orders")?.run(() => new Promise(() => {}));
    const rejected = expect(late).rejects.toMatchObject({ reason: "deadlineExceeded" });
    await general.clock.advance(0);
    await general.clock.advance(2_000);
    await rejected;
  });

  test.each<[Kind, string]>([
    ["state", "Statestore"],
    ["pubsub", "Pubsub"],
    ["bindings", "Binding"],
    ["lock", "Lock"],
    ["configuration", "Configuration"],
    ["secretstores", "Secretstore"],
    ["crypto", "Crypto"],
    ["conversation", "Conversation"],
  ])("the default of %s is named after %s", async (kind, word) => {
    const retries = {
      [`Default${word}ComponentOutboundRetryPolicy`]: retry(7),
      DefaultComponentOutboundRetryPolicy: retry(1),
    };
    const { policies, clock } = open(resiliency({ retries }));
    expect(await attemptsOf(clock, policies.component("it", kind, "outbound"))).toBe(8);
  });

  test("no default for a target with an entry, not even for what the entry leaves out", async () => {
    const { policies, clock } = open(
      resiliency(
        { retries: { DefaultRetryPolicy: retry(5) }, timeouts: { quick: 10 } },
        {
          apps: { orders: { timeout: "quick", circuitBreakerCacheSize: 100 }, plain: { circuitBreakerCacheSize: 100 } },
          components: { bus: { outbound: { timeout: "quick" } } },
        },
      ),
    );
    expect(policies.app("orders")?.retries).toBe(false);
    expect(await attemptsOf(clock, policies.app("orders"))).toBe(1);
    expect(await attemptsOf(clock, policies.component("bus", "pubsub", "outbound"))).toBe(1);
    expect(policies.component("bus", "pubsub", "inbound")).toBeUndefined();
    // An empty entry of an app switches the built-in retries off, so it must be seen.
    expect(policies.app("plain")?.retries).toBe(false);
    expect(await attemptsOf(clock, policies.app("plain"))).toBe(1);
  });

  test("no inbound policy for kinds that never call the app, and none at all for name resolution", () => {
    const { policies } = open(resiliency({ retries: { DefaultRetryPolicy: retry(5) } }));
    expect(policies.component("store", "state", "inbound")).toBeUndefined();
    expect(policies.component("dns", "nameresolution", "outbound")).toBeUndefined();
  });

  test("of two resources the later one, which may use the policies of the earlier", async () => {
    const { policies, clock } = open(
      resiliency(
        { retries: { few: retry(1), many: retry(9) } },
        { components: { a: { outbound: { retry: "few" } } } },
        "first",
      ),
      resiliency({ retries: { few: retry(2) } }, { components: { b: { outbound: { retry: "many" } } } }, "second"),
    );
    expect(await attemptsOf(clock, policies.component("a", "state", "outbound"))).toBe(3);
    expect(await attemptsOf(clock, policies.component("b", "state", "outbound"))).toBe(10);
  });

  test("names of objects' own members are no targets", () => {
    const { policies } = open(resiliency({}));
    expect(policies.app("constructor")).toBeUndefined();
    expect(policies.component("__proto__", "state", "outbound")).toBeUndefined();
  });
});

describe("built-in retries", () => {
  test.each([
    ["DaprBuiltInServiceRetries", 4],
    ["DaprBuiltInActorRetries", 4],
    ["DaprBuiltInActorReminderRetries", 1],
    ["DaprBuiltInInitializationRetries", 4],
    ["DaprBuiltInActorNotFoundRetries", 6],
  ])("%s makes %i attempts", async (name, attempts) => {
    const { policies, clock } = open();
    expect(await attemptsOf(clock, policies.builtIn(name))).toBe(attempts);
  });

  test.each([
    [-1, 4],
    [0, 4],
    [2, 4],
    [6, 7],
  ])("a resource that says %i retries gets %i attempts", async (maxRetries, attempts) => {
    const { policies, clock } = open(resiliency({ retries: { DaprBuiltInServiceRetries: retry(maxRetries) } }));
    expect(await attemptsOf(clock, policies.builtIn("DaprBuiltInServiceRetries"))).toBe(attempts);
  });

  test("the one for actors that are not found cannot be overridden", async () => {
    const { policies, clock, log } = open(resiliency({ retries: { DaprBuiltInActorNotFoundRetries: retry(9) } }));
    expect(await attemptsOf(clock, policies.builtIn("DaprBuiltInActorNotFoundRetries"))).toBe(6);
    expect(log.lines).toEqual([
      "warn resources/resiliency.yaml:1: resiliency resiliency: spec.policies.retries.DaprBuiltInActorNotFoundRetries cannot be overridden and is ignored",
    ]);
  });

  test("a target may use one by its name", async () => {
    const { policies, clock } = open(
      resiliency({}, { components: { store: { outbound: { retry: "DaprBuiltInServiceRetries" } } } }),
    );
    expect(await attemptsOf(clock, policies.component("store", "state", "outbound"))).toBe(4);
  });

  test("a name that is none says which there are", () => {
    expect(() => open().policies.builtIn("DaprBuiltInServiceRetry")).toThrow(
      'did you mean "DaprBuiltInServiceRetries"?',
    );
  });
});

describe("the layers", () => {
  test("timeouts end attempts, not the run: each attempt has its own", async () => {
    const { policies, clock } = open(
      resiliency(
        { retries: { some: retry(2) }, timeouts: { quick: 100 } },
        { components: { store: { outbound: { retry: "some", timeout: "quick" } } } },
      ),
    );
    const begun: number[] = [];
    const start = clock.now();
    const signals: (AbortSignal | undefined)[] = [];
    const outcome = policies.component("store", "state", "outbound")?.run((signal) => {
      begun.push(clock.now() - start);
      signals.push(signal);
      return new Promise(() => {});
    });
    const rejected = expect(outcome).rejects.toMatchObject({ reason: "deadlineExceeded" });
    await clock.advance(10_000);
    await rejected;
    expect(begun).toEqual([0, 1_100, 2_200]);
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, true]);
    expect(clock.pending).toBe(0);
  });

  test("every attempt passes the breaker, which ends the run when it opens", async () => {
    const { policies, clock, log } = open(
      resiliency(
        { retries: { many: retry(10) }, circuitBreakers: { strict: breaker(3) } },
        { components: { store: { outbound: { retry: "many", circuitBreaker: "strict" } } } },
      ),
    );
    const policy = policies.component("store", "state", "outbound");
    const first = await exhaust(clock, policy);
    expect(first.attempts).toBe(3);
    expect(first.error).toMatchObject({ reason: "circuitOpen", message: expect.stringContaining("component store") });
    expect(log.lines).toEqual(["warn a circuit breaker has opened; calls are refused"]);
  });

  test("timeouts and cancellations count as failures", async () => {
    const { policies, clock } = open(
      resiliency(
        { timeouts: { quick: 100 }, circuitBreakers: { strict: breaker(2) } },
        { components: { store: { outbound: { timeout: "quick", circuitBreaker: "strict" } } } },
      ),
    );
    const policy = policies.component("store", "state", "outbound");
    const late = expect(policy?.run(() => new Promise(() => {}))).rejects.toMatchObject({ reason: "deadlineExceeded" });
    await clock.advance(100);
    await late;
    const caller = new AbortController();
    const left = policy?.run(
      (signal) =>
        new Promise((_, reject) => signal?.addEventListener("abort", () => reject(fail("canceled", { what: "get" })))),
      caller,
    );
    caller.abort();
    await expect(left).rejects.toMatchObject({ reason: "canceled" });
    await expect(policy?.run(async () => "done")).rejects.toMatchObject({ reason: "circuitOpen" });
  });

  test("a caller who has left already gets no attempt", async () => {
    const { policies } = open(
      resiliency({ retries: { some: retry(2) } }, { components: { store: { outbound: { retry: "some" } } } }),
    );
    let attempts = 0;
    const signal = AbortSignal.abort(new Error("gone"));
    const outcome = policies.component("store", "state", "outbound")?.run(async () => attempts++, { signal });
    await expect(outcome).rejects.toThrow("gone");
    expect(attempts).toBe(0);
  });

  test("statuses that a retry does not name are not retried", async () => {
    const some = retry(5, { httpStatusCodes: [{ from: 500, to: 599 }] });
    const { policies, clock } = open(resiliency({ retries: { DefaultRetryPolicy: some } }));
    expect((await exhaust(clock, policies.app("a"), {}, { httpStatus: 404 })).attempts).toBe(1);
    expect((await exhaust(clock, policies.app("a"), {}, { httpStatus: 503 })).attempts).toBe(6);
  });

  test("policies that switch themselves off leave nothing behind", () => {
    const { policies } = open(
      resiliency(
        { retries: { none: retry(0) }, timeouts: { none: 0 } },
        { components: { store: { outbound: { retry: "none", timeout: "none" } } } },
      ),
    );
    expect(policies.component("store", "state", "outbound")).toBeUndefined();
  });

  test("a trip condition that is no condition is told, and its breaker never opens", async () => {
    const { policies, clock, log } = open(
      resiliency(
        { circuitBreakers: { odd: { ...breaker(1), trip: "failures > 1" } } },
        { components: { store: { outbound: { circuitBreaker: "odd" } } } },
      ),
    );
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toContain("spec.policies.circuitBreakers.odd.trip");
    expect(log.lines[0]).toContain("Unknown variable: failures");
    const policy = policies.component("store", "state", "outbound");
    for (let i = 0; i < 10; i++) expect(await attemptsOf(clock, policy)).toBe(1);
  });
});

describe("breakers", () => {
  const strict = { circuitBreakers: { strict: breaker(1) } };

  test("a component has one per direction, shared by all that ask for its policy", async () => {
    const both = { outbound: { circuitBreaker: "strict" }, inbound: { circuitBreaker: "strict" } };
    const { policies } = open(resiliency(strict, { components: { bus: both } }));
    await policies
      .component("bus", "pubsub", "outbound")
      ?.run(down)
      .catch(() => {});
    const again = policies.component("bus", "pubsub", "outbound")?.run(async () => "sent");
    await expect(again).rejects.toMatchObject({ reason: "circuitOpen" });
    await expect(policies.component("bus", "pubsub", "inbound")?.run(async () => "received")).resolves.toBe("received");
  });

  test("an app has one per method", async () => {
    const { policies } = open(
      resiliency(strict, { apps: { orders: { circuitBreaker: "strict", circuitBreakerCacheSize: 100 } } }),
    );
    await policies
      .app("orders")
      ?.run(down, { method: "pay" })
      .catch(() => {});
    await expect(policies.app("orders")?.run(async () => "paid", { method: "pay" })).rejects.toThrow("app orders:pay");
    await expect(policies.app("orders")?.run(async () => "listed", { method: "list" })).resolves.toBe("listed");
  });

  test("an app keeps the breakers of the methods that were called last", async () => {
    const { policies, metrics } = open(
      resiliency(strict, { apps: { orders: { circuitBreaker: "strict", circuitBreakerCacheSize: 2 } } }),
    );
    const call = (method: string) => policies.app("orders")?.run(async () => "done", { method });
    const fails = (method: string) =>
      policies
        .app("orders")
        ?.run(down, { method })
        .catch(() => {});
    await fails("a");
    await call("b");
    await expect(call("a")).rejects.toMatchObject({ reason: "circuitOpen" });
    await call("c"); // b goes, a was asked for later
    await expect(call("a")).rejects.toMatchObject({ reason: "circuitOpen" });
    await call("b");
    await call("c");
    await expect(call("a")).resolves.toBe("done"); // forgotten, so closed again
    const states = await series(metrics, "resiliency_cb_state");
    expect(states.map((line) => `${/status="([^"]*)"/.exec(line)?.[1]} ${line.split(" ").at(-1)}`)).toEqual([
      "closed 2",
      "half-open 0",
      "open 0",
    ]);
  });

  test("a breaker that was let go is in no metric any more, whatever its calls come to", async () => {
    const { policies, metrics } = open(
      resiliency(strict, { apps: { orders: { circuitBreaker: "strict", circuitBreakerCacheSize: 1 } } }),
    );
    const slow = Promise.withResolvers<void>();
    const first = policies.app("orders")?.run(() => slow.promise, { method: "a" });
    await policies.app("orders")?.run(async () => "done", { method: "b" });
    slow.reject(new Error("down"));
    await expect(first).rejects.toThrow("down");
    const states = await series(metrics, "resiliency_cb_state");
    expect(states.map((line) => line.split(" ").at(-1))).toEqual(["1", "0", "0"]);
  });
});

test("metrics say which policies ran, which stepped in, and how the breakers stand", async () => {
  const { policies, clock, metrics } = open(
    resiliency(
      { retries: { some: retry(2) }, timeouts: { quick: 100 }, circuitBreakers: { strict: breaker(3) } },
      { components: { store: { outbound: { retry: "some", timeout: "quick", circuitBreaker: "strict" } } } },
    ),
  );
  const policy = policies.component("store", "state", "outbound");
  await policy?.run(async () => "done");
  const late = policy?.run(() => new Promise(() => {})).catch(() => {});
  await clock.advance(10_000);
  await late;
  const labels = (kind: string, status: string) =>
    `app_id="shop",name="resiliency",policy="${kind}",namespace="prod",flow_direction="outbound",target="component_store",status="${status}"`;
  expect(await series(metrics, "resiliency_loaded")).toEqual([
    'dapr_resiliency_loaded{app_id="shop",name="resiliency",namespace="prod"} 1',
  ]);
  expect((await series(metrics, "resiliency_count")).filter((line) => !line.endsWith(" 0"))).toEqual([
    `dapr_resiliency_count{${labels("circuitbreaker", "closed")}} 4`,
    `dapr_resiliency_count{${labels("retry", "")}} 2`,
    `dapr_resiliency_count{${labels("timeout", "")}} 2`,
  ]);
  expect((await series(metrics, "resiliency_activations_total")).filter((line) => !line.endsWith(" 0"))).toEqual([
    `dapr_resiliency_activations_total{${labels("circuitbreaker", "open")}} 1`,
    `dapr_resiliency_activations_total{${labels("retry", "")}} 1`,
    `dapr_resiliency_activations_total{${labels("timeout", "")}} 1`,
  ]);
  expect(await series(metrics, "resiliency_cb_state")).toEqual([
    `dapr_resiliency_cb_state{${labels("circuitbreaker", "closed")}} 0`,
    `dapr_resiliency_cb_state{${labels("circuitbreaker", "half-open")}} 0`,
    `dapr_resiliency_cb_state{${labels("circuitbreaker", "open")}} 1`,
  ]);
});
