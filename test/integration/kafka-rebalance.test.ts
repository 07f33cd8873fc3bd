// What a consumer group promises while its members come and go under load.
import { describe, expect, onTestFinished, test } from "vitest";
import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import type { SubscribeOptions } from "../../components/contract/pubsub.ts";
import { mostUncommitted } from "../../components/kafka/commits.ts";
import kafkaPubsub from "../../components/kafka/pubsub.ts";
import { openDriver } from "../support/open-driver.ts";
import { OrderWatch } from "../support/order-watch.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("kafka"));
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const keys = 20;

type Given = Readonly<Record<string, unknown>>;

async function openMember(given: Given): Promise<OpenedByKind["pubsub"]> {
  const { settings } = await startServer("kafka", { variant: "single" });
  const member = {
    brokers: settings["brokers"],
    authType: "none",
    initialOffset: "oldest",
    heartbeatInterval: 100,
    sessionTimeout: 3000,
  };
  return openDriver(kafkaPubsub, { ...member, ...given });
}

/** Publishes to all keys in turn until it is told to stop. */
function publishOn(broker: OpenedByKind["pubsub"], topic: string, watch: OrderWatch) {
  let isStopped = false;
  let count = 0;
  const running = (async () => {
    while (!isStopped) {
      const texts = Array.from({ length: keys }, (_, key) => `key${key}:${count}`);
      for (const text of texts) watch.sent(text);
      const messages = texts.map((text) => {
        return { topic, data: Buffer.from(text), metadata: { partitionKey: text.split(":")[0] ?? "" } };
      });
      await broker.publishMany?.(messages, {});
      count += 1;
      await pause(2);
    }
  })();
  onTestFinished(() => {
    isStopped = true;
    return running;
  });
  return async () => {
    isStopped = true;
    await running;
    return count * keys;
  };
}

/** Waits for so many more messages. */
async function arrived(watch: OrderWatch, count: number): Promise<void> {
  const before = watch.arrivals.length;
  await expect.poll(() => watch.arrivals.length, { timeout: 20_000 }).toBeGreaterThan(before + count);
}

/** Members join one after the other and leave in the same order, while messages are published. */
async function comeAndGo(topic: string, order: SubscribeOptions["order"], given: Given = {}) {
  const watch = new OrderWatch();
  const stop = publishOn(await openMember(given), topic, watch);
  const options: SubscribeOptions = { topic, group: topic, metadata: {}, concurrency: 16, order };
  const slowly = async () => {
    await pause(Math.random() * 4);
    return "ack" as const;
  };
  const join = async (name: string) => {
    const member = await openMember(given);
    await member.subscribe(options, watch.member(name, slowly), {});
    return member;
  };
  const members = [await join("member 0")];
  for (let n = 1; n <= 4; n += 1) {
    members.push(await join(`member ${n}`));
    await arrived(watch, 1000);
    if (n % 2 === 0) await members.shift()?.close();
  }
  const sent = await stop();
  await expect.poll(() => watch.isComplete, { timeout: 30_000 }).toBe(true);
  return { watch, sent, repeated: watch.arrivals.length - new Set(watch.arrivals).size };
}

describe.skipIf(isMissing)("a consumer group of Kafka whose members come and go", () => {
  test.each(["range", "sticky", "roundrobin"])("loses nothing and keeps the order of keys, by %s", async (strategy) => {
    const { watch, sent, repeated } = await comeAndGo(`ordered-${strategy}`, "key", {
      consumerGroupRebalanceStrategy: strategy,
    });
    expect(watch.violations).toEqual([]);
    console.info(`pubsub.kafka, ${strategy}, in order: ${sent} messages, ${repeated} came twice`);
  });

  test("loses nothing without an order, and repeats next to nothing", async () => {
    const { watch, sent, repeated } = await comeAndGo("unordered", "none");
    expect(new Set(watch.arrivals).size).toBe(sent);
    expect(repeated).toBeLessThanOrEqual(keys);
    console.info(`pubsub.kafka, without order: ${sent} messages, ${repeated} came twice`);
  });

  test("shares the partitions among all members", async () => {
    const topic = "shared";
    const watch = new OrderWatch();
    const stop = publishOn(await openMember({}), topic, watch);
    for (const name of ["a", "b", "c", "d"]) {
      const counted = watch.member(name);
      await (await openMember({})).subscribe(
        { topic, group: "g", metadata: {}, concurrency: 4 },
        (message) => {
          perMember.set(name, (perMember.get(name) ?? 0) + 1);
          return counted(message);
        },
        {},
      );
    }
    await expect.poll(() => perMember.size, { timeout: 20_000 }).toBe(4);
    await stop();
    await expect.poll(() => watch.isComplete, { timeout: 20_000 }).toBe(true);
  });

  test("a member that stands still for longer than its session hands over nothing that others have", async () => {
    const topic = "standstill";
    const watch = new OrderWatch();
    const stop = publishOn(await openMember({}), topic, watch);
    const options: SubscribeOptions = { topic, group: topic, metadata: {}, concurrency: 8, order: "key" };
    const fast = { sessionTimeout: 1000, heartbeatInterval: 200 };
    for (const name of ["first", "second"]) {
      await (await openMember(fast)).subscribe(options, watch.member(name), {});
    }
    await arrived(watch, 500);
    // The process does nothing for a while, heartbeats included; so do all its members.
    const until = performance.now() + 2500;
    while (performance.now() < until);
    await arrived(watch, 500);
    const sent = await stop();
    await expect.poll(() => new Set(watch.arrivals).size, { timeout: 20_000 }).toBe(sent);
    expect(watch.violations.filter((one) => one.includes("while"))).toEqual([]);
    const repeated = watch.arrivals.length - sent;
    expect(repeated).toBeLessThanOrEqual(2 * (mostUncommitted + options.concurrency));
    console.info(`pubsub.kafka, after a standstill: ${sent} messages, ${repeated} came twice`);
  });
});

const perMember = new Map<string, number>();
