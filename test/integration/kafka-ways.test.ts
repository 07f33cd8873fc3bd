// What the driver outlives on its way to the brokers: connections that break, and brokers that end while others go on.
import { Admin } from "@platformatic/kafka";
import { describe, expect, test } from "vitest";
import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import type { IncomingMessage } from "../../components/contract/pubsub.ts";
import { mostUncommitted } from "../../components/kafka/commits.ts";
import kafkaPubsub from "../../components/kafka/pubsub.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("kafka"));
const topic = "t";
const keys = 20;
const perKey = 200;
const concurrency = 32;

async function openAt(brokers: string): Promise<OpenedByKind["pubsub"]> {
  const times = { heartbeatInterval: 200, sessionTimeout: 6000 };
  return openDriver(kafkaPubsub, { brokers, authType: "none", initialOffset: "oldest", ...times });
}

async function createTopic(brokers: string, name: string, replicas: number): Promise<void> {
  const admin = new Admin({ clientId: "test", bootstrapBrokers: brokers.split(","), retries: 20, retryDelay: 200 });
  await admin.createTopics({ topics: [name], partitions: 6, replicas });
  await admin.close();
}

/** Publishes to all keys at once, in the order of each, and disturbs now and then; gives what came of it. */
async function through(broker: OpenedByKind["pubsub"], disturb: (done: number) => void) {
  const seen = new Map<string, number>();
  const last = new Map<string, number>();
  let disordered = 0;
  const handler = async ({ data }: IncomingMessage) => {
    const text = Buffer.from(data).toString();
    const [key = "", n] = text.split(":");
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    if (times === 1 && Number(n) < (last.get(key) ?? -1)) disordered += 1;
    last.set(key, Math.max(Number(n), last.get(key) ?? -1));
    return "ack" as const;
  };
  await broker.subscribe({ topic, group: "g", metadata: {}, concurrency, order: "key" }, handler, {});
  let done = 0;
  const publishKey = async (key: string) => {
    for (let n = 0; n < perKey; n += 1) {
      const signal = AbortSignal.timeout(30_000);
      await broker.publish({ topic, data: Buffer.from(`${key}:${n}`), metadata: { partitionKey: key } }, { signal });
      done += 1;
      disturb(done);
    }
  };
  await Promise.all(Array.from({ length: keys }, (_, n) => publishKey(`key${n}`)));
  await expect.poll(() => seen.size, { timeout: 30_000 }).toBe(keys * perKey);
  return { disordered, repeated: [...seen.values()].reduce((sum, times) => sum + times - 1, 0) };
}

describe.skipIf(isMissing)("pubsub.kafka", { timeout: 120_000 }, () => {
  test("publishes each message once, and keeps the order of keys, over connections that break", async () => {
    const { port, settings } = await startServer("kafka", { variant: "proxied" });
    const { brokers = "" } = settings;
    const proxy = await startTcpProxy(port, Number(brokers.split(":")[1]));
    await createTopic(brokers, topic, 1);
    let cuts = 0;
    const cut = (done: number) => {
      if (done % 200 !== 0) return;
      cuts += 1;
      proxy.cut();
    };
    const { disordered, repeated } = await through(await openAt(brokers), cut);
    expect(disordered).toBe(0);
    // A member that comes back is still a member, and the brokers take what is sent again once.
    expect(repeated).toBe(0);
    console.info(`pubsub.kafka: ${keys * perKey} messages, ${cuts} cuts: ${repeated} came twice`);
  });

  test("loses nothing behind messages whose publishers gave up while their answers were owed", async () => {
    const { port, settings } = await startServer("kafka", { variant: "proxied" });
    const { brokers = "" } = settings;
    const proxy = await startTcpProxy(port, Number(brokers.split(":")[1]));
    await createTopic(brokers, "given-up", 1);
    const broker = await openAt(brokers);
    const publish = (text: string, signal?: AbortSignal) => {
      const message = { topic: "given-up", data: Buffer.from(text), metadata: { partitionKey: "k" } };
      return broker.publish(message, { signal });
    };
    await publish("first");
    const expected = ["first"];
    for (let round = 0; round < 5; round += 1) {
      proxy.hold(true);
      const leaving = publish(`given up ${round}`, AbortSignal.timeout(50));
      await expect(leaving).rejects.toMatchObject({ name: "TimeoutError" });
      const staying = publish(`kept ${round}`);
      if (round % 2 === 0) proxy.cut();
      proxy.hold(false);
      await staying;
      expected.push(`kept ${round}`);
    }
    const texts: string[] = [];
    const handler = async ({ data }: IncomingMessage) => {
      texts.push(Buffer.from(data).toString());
      return "ack" as const;
    };
    await broker.subscribe({ topic: "given-up", group: "g", metadata: {}, concurrency: 1 }, handler, {});
    await expect.poll(() => texts.filter((text) => !text.startsWith("given"))).toEqual(expected);
  });

  test("closes though nobody answers", async () => {
    const { port, settings } = await startServer("kafka", { variant: "proxied" });
    const { brokers = "" } = settings;
    const proxy = await startTcpProxy(port, Number(brokers.split(":")[1]));
    await createTopic(brokers, "unheard", 1);
    const broker = await openAt(brokers);
    let handled = 0;
    const handler = async () => {
      handled += 1;
      proxy.hold(true);
      return "ack" as const;
    };
    await broker.subscribe({ topic: "unheard", group: "g", metadata: {}, concurrency: 1 }, handler, {});
    await broker.publish({ topic: "unheard", data: Buffer.from("x"), metadata: {} }, {});
    await expect.poll(() => handled).toBe(1);
    const from = performance.now();
    await broker.close();
    expect(performance.now() - from).toBeLessThan(10_000);
  });

  test("outlives a broker of three that ends, and comes back", async () => {
    const server = await startServer("kafka", { variant: "cluster" });
    const { brokers = "" } = server.settings;
    await createTopic(brokers, topic, 3);
    const half = (keys * perKey) / 2;
    let restarted = Promise.resolve();
    const crash = (done: number) => {
      if (done === half) restarted = server.kill9().then(() => server.restart());
    };
    const { disordered, repeated } = await through(await openAt(brokers), crash);
    await restarted;
    expect(disordered).toBe(0);
    expect(repeated).toBeLessThanOrEqual(2 * mostUncommitted);
    console.info(`pubsub.kafka: ${keys * perKey} messages, one of three brokers crashes: ${repeated} came twice`);
  });
});
