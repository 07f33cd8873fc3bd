import { describe, expect, test } from "vitest";
import { readDeliveryPlan } from "../../../../../sidecar/blocks/pubsub/delivery-plan.ts";
import { flatSettings } from "../../../../../sidecar/kernel/flat-settings.ts";
import { subscription } from "./fakes.ts";

const read = (metadata: Readonly<Record<string, string>>, more = {}) =>
  readDeliveryPlan(subscription({ metadata, ...more }));

const bulkSubscribe = { enabled: true, maxMessagesCount: 80, maxAwaitDurationMs: 10 };

describe("a delivery plan", () => {
  test("without a word hands 100 messages over at once, in no order", () => {
    const plan = { concurrency: 100, prefetch: 100, order: "none", paused: false };
    expect(read({})).toEqual({ ...plan, retry: undefined, dedupe: undefined });
    expect(read({ rawPayload: "true", concurrency: "parallel", order: "" })).toMatchObject(plan);
  });

  test("for batches lets one fill while another is with the app", () => {
    expect(read({}, { bulkSubscribe }).prefetch).toBe(160);
  });

  test.each([
    [{ concurrency: "single" }, { concurrency: 1, prefetch: 1 }],
    [{ concurrency: "5" }, { concurrency: 5, prefetch: 5 }],
    [
      { concurrency: "5", prefetch: "20" },
      { concurrency: 5, prefetch: 20 },
    ],
    [{ prefetch: "20" }, { concurrency: 20, prefetch: 20 }],
    [
      { concurrency: "5", order: "key" },
      { concurrency: 5, prefetch: 20, order: "key" },
    ],
    [{ order: "topic" }, { concurrency: 1, prefetch: 16, order: "topic" }],
    [
      { concurrency: "5", retryMaxAttempts: "3" },
      { concurrency: 5, prefetch: 10 },
    ],
  ])("%j gives %j", (metadata, plan) => {
    expect(read(metadata)).toMatchObject(plan);
  });

  test("retries as it says, and by itself when messages are ordered", () => {
    expect(read({ retryMaxAttempts: "3" }).retry).toEqual({
      backOff: "exponential",
      intervalMs: 1000,
      maxIntervalMs: 60_000,
      maxAttempts: 3,
    });
    const { retry } = read({ retryBackOff: "constant", retryInterval: "5s" });
    expect(retry).toMatchObject({ backOff: "constant", intervalMs: 5000, maxAttempts: Number.POSITIVE_INFINITY });
    expect(read({ order: "key" }).retry).toMatchObject({ maxAttempts: Number.POSITIVE_INFINITY });
  });

  test("remembers what was handled for a day by its id, or as it says", () => {
    expect(read({ dedupeTtl: "1h" }).dedupe).toEqual({ key: "id", ttlMs: 3_600_000 });
    expect(read({ dedupeKey: "orderid" }).dedupe).toEqual({ key: "orderid", ttlMs: 86_400_000 });
  });

  test("is the same from the nested form of resource files", () => {
    const delivery = { order: "key", concurrency: 4, retry: { maxAttempts: 3, interval: "2s" }, dedupe: { key: "k" } };
    const flat = { order: "key", concurrency: "4", retryMaxAttempts: "3", retryInterval: "2s", dedupeKey: "k" };
    expect(flatSettings(delivery)).toEqual(flat);
    expect(read(flatSettings(delivery))).toEqual(read(flat));
  });

  test.each([
    [{ order: "keys" }, 'metadata order must be one of none, key, topic (did you mean "key"?), got "keys"'],
    [{ concurrency: "0" }, 'metadata concurrency must be a whole number over 0, single or parallel, got "0"'],
    [{ prefetch: "many" }, 'metadata prefetch must be a whole number over 0, got "many"'],
    [{ retryInterval: "soon" }, 'metadata retryInterval must be a duration such as "30s", got "soon"'],
    [{ paused: "perhaps" }, 'metadata paused must be true or false, got "perhaps"'],
    [{ concurrency: "5", prefetch: "4" }, "prefetch 4 is below concurrency 5"],
    [{ order: "topic", concurrency: "2" }, "order topic hands over one message at a time; take concurrency out"],
  ])("%j is refused", (metadata, message) => {
    expect(() => read(metadata)).toThrow(message);
  });

  test("an order is refused for batches", () => {
    expect(() => read({ order: "key" }, { bulkSubscribe })).toThrow("bulkSubscribe cannot keep the order key");
  });
});
