import { describe, expect, test } from "vitest";
import type { AnyDriver, Kind, OpenedByKind } from "../../../../components/contract/any-driver.ts";
import type { Call } from "../../../../components/contract/driver.ts";
import type { FailedMessage, OutgoingMessage } from "../../../../components/contract/pubsub.ts";
import { openPolicies } from "../../../../sidecar/host/policies.ts";
import { wrapComponent } from "../../../../sidecar/host/wrap.ts";
import type { Component } from "../../../../sidecar/kernel/components.ts";
import type { TargetPolicies } from "../../../../sidecar/kernel/config-types.ts";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import { fail } from "../../../../specs/errors.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { breaker, keepingLog, resiliency, retry } from "./resiliency.ts";

const policiesOf = (outbound: TargetPolicies | undefined) => {
  const clock = new FakeClock();
  const resource = resiliency(
    { retries: { some: retry(2) }, timeouts: { quick: 100 }, circuitBreakers: { strict: breaker(2) } },
    { components: outbound ? { it: { outbound } } : {} },
  );
  return { clock, policies: openPolicies({ resources: [resource], namespace: "prod", clock, log: keepingLog() }) };
};

const none = policiesOf(undefined).policies;

/** A component whose opened object has what a test needs of it. */
const component = <K extends Kind>(kind: K, opened: object): Component<K> => ({
  ...{ name: "it", type: `${kind}.fake`, version: "v1", kind, runtime: {} },
  driver: {} as Extract<AnyDriver, { kind: K }>,
  opened: opened as OpenedByKind[K],
});

const openMetrics = () => new Metrics({ app_id: "shop" }, [1, 10]);

const series = async (metrics: Metrics, name: string) =>
  (await metrics.expose()).text
    .split("\n")
    .filter((line) => line.startsWith(`dapr_component_${name}{`))
    .map((line) => line.slice(`dapr_component_${name}`.length));

/** A store as drivers write them: a class with private fields. */
class Store {
  readonly #values = new Map<string, Uint8Array>();
  readonly maxOperations = 7;
  calls = 0;

  async get(key: string, _options: object, _call: Call) {
    this.calls++;
    const data = this.#values.get(key);
    return data && { data };
  }

  async set(key: string, data: Uint8Array, _options: object, _call: Call): Promise<void> {
    this.calls++;
    this.#values.set(key, data);
  }

  async transact(_operations: readonly object[], _call: Call): Promise<void> {}

  get size() {
    return this.#values.size;
  }

  async close(): Promise<void> {
    this.#values.clear();
  }
}

describe("the wrapped component", () => {
  test("is the opened object itself when no policy and no metrics apply", () => {
    const opened = new Store();
    expect(wrapComponent(component("state", opened), none, undefined)).toBe(opened);
    expect(wrapComponent(component("nameresolution", opened), none, openMetrics())).toBe(opened);
    const inputOnly = { read: async () => {}, close: async () => {} };
    expect(wrapComponent(component("bindings", inputOnly), none, openMetrics())).toBe(inputOnly);
  });

  test("has what the opened one has, lacks what it lacks, and keeps its `this`", async () => {
    const opened = new Store();
    const wrapped = wrapComponent(component("state", opened), none, openMetrics());
    await wrapped.set("a", new Uint8Array([1]), {}, {});
    expect(await wrapped.get("a", {}, {})).toEqual({ data: new Uint8Array([1]) });
    expect("transact" in wrapped).toBe(true);
    expect("query" in wrapped).toBe(false);
    expect(wrapped.getMany).toBeUndefined();
    expect(wrapped.maxOperations).toBe(7);
    expect((wrapped as unknown as Store).size).toBe(1);
    expect((wrapped as unknown as Store).calls).toBe(2);
    await wrapped.close();
    expect(opened.size).toBe(0);
  });

  test("leaves the input side alone", () => {
    const opened = {
      publish: async () => {},
      subscribe: async () => ({ close: async () => {} }),
      close: async () => {},
    };
    const { policies } = policiesOf({ retry: "some" });
    const wrapped = wrapComponent(component("pubsub", opened), policies, openMetrics());
    expect(wrapped.publish).not.toBe(opened.publish);
    return expect(
      wrapped.subscribe({ topic: "t", group: "g", metadata: {}, concurrency: 1 }, async () => "ack", {}),
    ).resolves.toHaveProperty("close");
  });
});

describe("the policy", () => {
  test("retries a call, with its arguments and a signal of its own", async () => {
    const { clock, policies } = policiesOf({ retry: "some", timeout: "quick" });
    const seen: unknown[][] = [];
    const opened = {
      get: async (...args: unknown[]) => {
        seen.push(args);
        if (seen.length < 3) throw fail("backendUnavailable", { name: "it", cause: "refused" });
        return { data: new Uint8Array([2]) };
      },
    };
    const caller = new AbortController();
    const outcome = wrapComponent(component("state", opened), policies, undefined).get(
      "a",
      { consistency: "strong" },
      caller,
    );
    await clock.advance(0);
    await clock.advance(10_000);
    expect(await outcome).toEqual({ data: new Uint8Array([2]) });
    expect(seen).toHaveLength(3);
    for (const [key, options, call] of seen) {
      expect([key, options]).toEqual(["a", { consistency: "strong" }]);
      expect((call as Call).signal).toBeInstanceOf(AbortSignal);
      expect((call as Call).signal).not.toBe(caller.signal);
    }
    expect(clock.pending).toBe(0);
  });

  test("takes a backend's refusal for an answer: not retried, not counted, and given as it is", async () => {
    const { clock, policies } = policiesOf({ retry: "some", circuitBreaker: "strict" });
    let calls = 0;
    const opened = {
      set: async () => {
        calls++;
        throw fail("etagMismatch", { key: "a" });
      },
      get: async () => undefined,
    };
    const wrapped = wrapComponent(component("state", opened), policies, undefined);
    for (let i = 0; i < 5; i++) {
      await expect(wrapped.set("a", new Uint8Array(), {}, {})).rejects.toMatchObject({ reason: "etagMismatch" });
    }
    expect(calls).toBe(5);
    expect(await wrapped.get("a", {}, {})).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  test("shares one breaker among all methods of a component", async () => {
    const { policies } = policiesOf({ circuitBreaker: "strict" });
    const broken = () => Promise.reject(new Error("down"));
    const wrapped = wrapComponent(component("state", { get: broken, set: broken, list: broken }), policies, undefined);
    await expect(wrapped.get("a", {}, {})).rejects.toThrow("down");
    await expect(wrapped.set("a", new Uint8Array(), {}, {})).rejects.toThrow("down");
    await expect(wrapped.list({ prefix: "", limit: 1 }, {})).rejects.toMatchObject({ reason: "circuitOpen" });
  });

  test.each<[Kind, string, unknown[]]>([
    ["state", "delete", ["a", {}, {}]],
    ["state", "transact", [[], {}]],
    ["state", "getMany", [[], {}, {}]],
    ["state", "query", [{}, {}]],
    ["pubsub", "publish", [{ topic: "t" }, {}]],
    ["bindings", "invoke", [{ operation: "create" }, {}]],
    ["lock", "tryLock", [{}, {}]],
    ["lock", "unlock", ["r", "o", {}]],
    ["lock", "renew", [{}, {}]],
    ["lock", "fencingToken", ["r", "o", {}]],
    ["configuration", "get", [[], {}, {}]],
    ["secretstores", "get", ["n", {}, {}]],
    ["secretstores", "getAll", [{}, {}]],
    ["crypto", "key", ["n", {}]],
    ["conversation", "converse", [{}, {}]],
  ])("applies to %s.%s", async (kind, method, args) => {
    const { clock, policies } = policiesOf({ timeout: "quick" });
    let signal: AbortSignal | undefined;
    const opened = {
      [method]: (...given: unknown[]) => {
        signal = (given[args.length - 1] as Call).signal;
        return new Promise(() => {});
      },
    };
    const wrapped = wrapComponent(component(kind, opened), policies, undefined) as unknown as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    const late = expect(wrapped[method]?.(...args)).rejects.toMatchObject({ reason: "deadlineExceeded" });
    await clock.advance(100);
    await late;
    expect(signal?.aborted).toBe(true);
  });
});

describe("publishing in bulk under a policy", () => {
  const message = (name: string): OutgoingMessage => ({
    topic: "t",
    data: new TextEncoder().encode(name),
    metadata: {},
  });
  const nameOf = ({ data }: OutgoingMessage) => new TextDecoder().decode(data);

  /** Publishes a, b and c; `answer` says per attempt what becomes of the messages in it. */
  async function publish(
    answer: (attempt: number, names: readonly string[]) => readonly FailedMessage[],
    policy: TargetPolicies = { retry: "some" },
  ) {
    const { clock, policies } = policiesOf(policy);
    const sent: string[] = [];
    const opened = {
      publishMany: async (messages: readonly OutgoingMessage[]) => {
        const names = messages.map(nameOf);
        sent.push(names.join(""));
        return answer(sent.length, names);
      },
    };
    const wrapped = wrapComponent(component("pubsub", opened), policies, undefined);
    const outcome = wrapped.publishMany?.(["a", "b", "c"].map(message), {}).then(
      (failed) => failed.map(({ index, cause }) => `${index} ${(cause as Error).message}`),
      (error: Error) => error.message,
    );
    await clock.advance(0);
    await clock.advance(10_000);
    return { sent, outcome: await outcome };
  }

  const busy = (index: number) => ({ index, cause: new Error("busy") });
  const refused = (index: number) => ({ index, cause: fail("badRequest", { why: "too large" }) });

  test("tries again what was left behind, and nothing else", async () => {
    expect(await publish((attempt) => (attempt === 1 ? [busy(0), busy(2)] : []))).toEqual({
      sent: ["abc", "ac"],
      outcome: [],
    });
  });

  test("answers what is left when no attempt remains, by its place in the call", async () => {
    const { sent, outcome } = await publish((_, names) => (names.includes("c") ? [busy(names.indexOf("c"))] : []));
    expect(sent).toEqual(["abc", "c", "c"]);
    expect(outcome).toEqual(["2 busy"]);
  });

  test("does not try refused messages again", async () => {
    const { sent, outcome } = await publish((attempt) => (attempt === 1 ? [refused(1), busy(2)] : []));
    expect(sent).toEqual(["abc", "c"]);
    expect(outcome).toEqual(["1 too large"]);
  });

  test("rejects when no attempt got an answer", async () => {
    const { sent, outcome } = await publish(() => {
      throw new Error("down");
    });
    expect(sent).toEqual(["abc", "abc", "abc"]);
    expect(outcome).toBe("down");
  });

  test("answers what is left when the broker goes away between attempts", async () => {
    const { sent, outcome } = await publish((attempt) => {
      if (attempt === 1) return [busy(1)];
      throw new Error("down");
    });
    expect(sent).toEqual(["abc", "b", "b"]);
    expect(outcome).toEqual(["1 busy"]);
  });
});

test("a bulk attempt that answers too late changes nothing about the one after it", async () => {
  const { clock, policies } = policiesOf({ retry: "some", timeout: "quick" });
  const late = Promise.withResolvers<readonly FailedMessage[]>();
  const sizes: number[] = [];
  const opened = {
    publishMany: async (messages: readonly OutgoingMessage[]) => {
      sizes.push(messages.length);
      if (sizes.length === 1) return late.promise;
      // In the pause that follows.
      clock.after(10, () => late.resolve([{ index: 1, cause: new Error("busy") }]));
      return [{ index: 0, cause: new Error("busy") }];
    },
  };
  const message = { topic: "t", data: new Uint8Array(), metadata: {} };
  const wrapped = wrapComponent(component("pubsub", opened), policies, undefined);
  const outcome = wrapped.publishMany?.([message, message], {});
  await clock.advance(10_000);
  expect((await outcome)?.map(({ index }) => index)).toEqual([0]);
  expect(sizes).toEqual([2, 2, 1]);
});

describe("metrics", () => {
  test("count calls and their time by operation and success", async () => {
    const metrics = openMetrics();
    const opened = { ...{ get: async () => undefined }, set: () => Promise.reject(new Error("down")) };
    const wrapped = wrapComponent(component("state", opened), none, metrics, "prod");
    await wrapped.get("a", {}, {});
    await wrapped.get("b", {}, {});
    await expect(wrapped.set("a", new Uint8Array(), {}, {})).rejects.toThrow("down");
    expect(await series(metrics, "state_count")).toEqual([
      '{app_id="shop",component="it",namespace="prod",operation="get",success="true"} 2',
      '{app_id="shop",component="it",namespace="prod",operation="set",success="false"} 1',
    ]);
    expect(await series(metrics, "state_latencies_count")).toHaveLength(2);
  });

  test.each<[Kind, string, unknown[], string]>([
    ["state", "getMany", [[], {}, {}], 'state_count operation="bulk_get"'],
    ["state", "transact", [[], {}], 'state_count operation="transaction"'],
    ["state", "query", [{}, {}], 'state_count operation="query"'],
    ["secretstores", "get", ["n", {}, {}], 'secret_count operation="get"'],
    ["secretstores", "getAll", [{}, {}], 'secret_count operation="bulk_get"'],
    ["configuration", "get", [[], {}, {}], 'configuration_count operation="get"'],
    ["crypto", "key", ["n", {}], 'crypto_count operation="crypto_op"'],
    ["conversation", "converse", [{}, {}], "conversation_count "],
    ["pubsub", "publish", [{ topic: "orders" }, {}], 'pubsub_egress_count topic="orders"'],
  ])("of %s.%s go to their own series", async (kind, method, args, expected) => {
    const metrics = openMetrics();
    const wrapped = wrapComponent(component(kind, { [method]: async () => ({}) }), none, metrics) as unknown as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    await wrapped[method]?.(...args);
    const [name = "", label] = expected.split(" ");
    expect(await series(metrics, name)).toEqual([
      `{app_id="shop",component="it",${label ? `${label},` : ""}success="true"} 1`,
    ]);
  });

  test("of bindings carry the operation, if the driver knows it", async () => {
    const metrics = openMetrics();
    const opened = { operations: ["create"], invoke: async () => undefined };
    const wrapped = wrapComponent(component("bindings", opened), none, metrics);
    const invoke = (operation: string) => wrapped.invoke?.({ operation, data: new Uint8Array(), metadata: {} }, {});
    await invoke("create");
    await invoke("anything");
    await invoke("whatever");
    expect(wrapped.operations).toEqual(["create"]);
    expect(await series(metrics, "output_binding_count")).toEqual([
      '{app_id="shop",component="it",operation="create",success="true"} 1',
      '{app_id="shop",component="it",operation="other",success="true"} 2',
    ]);
  });

  test("of bulk publishing count messages", async () => {
    const metrics = openMetrics();
    const opened = { publishMany: async () => [{ index: 1, cause: new Error("busy") }] };
    const message = { topic: "orders", data: new Uint8Array(), metadata: {} };
    await wrapComponent(component("pubsub", opened), none, metrics).publishMany?.([message, message, message], {});
    expect(await series(metrics, "pubsub_egress_bulk_count")).toEqual([
      '{app_id="shop",component="it",topic="orders",success="true"} 2',
      '{app_id="shop",component="it",topic="orders",success="false"} 1',
    ]);
  });

  test("count a call once, however many attempts its policy makes", async () => {
    const metrics = openMetrics();
    const { clock, policies } = policiesOf({ retry: "some" });
    const wrapped = wrapComponent(
      component("state", { get: () => Promise.reject(new Error("down")) }),
      policies,
      metrics,
    );
    const rejected = expect(wrapped.get("a", {}, {})).rejects.toThrow("down");
    await clock.advance(0);
    await clock.advance(10_000);
    await rejected;
    expect(await series(metrics, "state_count")).toEqual([
      '{app_id="shop",component="it",operation="get",success="false"} 1',
    ]);
  });
});
