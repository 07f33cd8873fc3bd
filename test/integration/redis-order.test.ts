import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import type { MessageHandler, Order, Settle } from "../../components/contract/pubsub.ts";
import pubsubDriver from "../../components/redis/pubsub.ts";
import { runScript } from "../../components/redis/script.ts";
import { beginScript, readScript } from "../../components/redis/turn-scripts.ts";
import { fresh } from "../conformance/target.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { OrderWatch } from "../support/order-watch.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("redis"));

const quick = {
  redeliverInterval: 30,
  processingTimeout: 1000,
  redisMinRetryInterval: 5,
  redisMaxRetryInterval: 50,
};

/** A sidecar with a way of its own to the server. */
async function sidecar(more = {}) {
  const { port } = await startServer("redis", { variant: "single" });
  const proxy = await startTcpProxy(port);
  const log = new KeptLog();
  const settings = { redisHost: `127.0.0.1:${proxy.port}`, ...quick, ...more };
  const broker = await openDriver(pubsubDriver, settings, openContext({ log }));
  const publish = (topic: string, text: string) => {
    const metadata = { partitionKey: text.split(":")[0] ?? "" };
    return broker.publish({ topic, data: Buffer.from(text), metadata }, {});
  };
  const subscribe = (topic: string, handler: MessageHandler, order: Order = "key", concurrency = 8) =>
    broker.subscribe({ topic, group: "g", metadata: {}, concurrency, order }, handler, {});
  return { broker, proxy, log, publish, subscribe };
}

async function direct() {
  const { host, port } = await startServer("redis", { variant: "single" });
  const server = new Redis({ host, port });
  onTestFinished(() => server.disconnect());
  return server;
}

const textOf = ({ data }: { readonly data: Uint8Array }) => Buffer.from(data).toString();
const until = (isMet: () => boolean, timeout = 30_000) => expect.poll(isMet, { timeout, interval: 10 }).toBe(true);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe.skipIf(isMissing)("pubsub.redis in order", () => {
  test("over members that come and go, connections that break and one that falls silent, keys keep order and holder", {
    timeout: 60_000,
  }, async () => {
    const topic = fresh("t");
    const watch = new OrderWatch();
    const decide = async (): Promise<Settle> => {
      await pause(Math.random() * 3);
      return Math.random() < 0.1 ? "retry" : "ack";
    };
    const all = await Promise.all([sidecar(), sidecar(), sidecar()]);
    const silent = await sidecar();
    let thaw = () => {};
    const thawed = new Promise<Settle>((resolve) => (thaw = () => resolve("retry")));
    await silent.subscribe(
      topic,
      watch.member("silent", () => thawed),
    );
    watch.sent("k0:0");
    await silent.publish(topic, "k0:0");
    await until(() => watch.arrivals.length === 1);
    const join = async (n: number, name: string) => all[n]?.subscribe(topic, watch.member(name, decide));
    const members = await Promise.all([0, 1, 2].map((n) => join(n, `member ${n}`)));
    silent.proxy.refuse(true);
    watch.gone("silent");

    const [keys, each] = [5, 200];
    for (let place = 1; place <= each; place += 1) {
      const texts = Array.from({ length: keys }, (_, key) => `k${key}:${place}`);
      for (const text of texts) watch.sent(text);
      await Promise.all(
        texts.map(async (text) => {
          const attempt = () =>
            all[place % 3]?.publish(topic, text).then(
              () => true,
              () => false,
            );
          while (!(await attempt()));
        }),
      );
      if (place % 40 === 0) for (const { proxy } of all) proxy.cut();
      if (place % 50 === 25) {
        const n = place % 3;
        await members[n]?.close();
        members[n] = await join(n, `member ${n} from ${place}`);
      }
      await pause(2);
    }
    await until(() => watch.isComplete, 40_000);
    thaw();
    expect(watch.violations).toEqual([]);
  });

  test.each<Order>(["key", "topic"])(
    "a member that leaves hands its turn over at once, in the order of the %s",
    async (order) => {
      const topic = fresh("t");
      const [one, two] = [await sidecar({ processingTimeout: 60_000 }), await sidecar({ processingTimeout: 60_000 })];
      const got: string[] = [];
      const handler = (who: string) => async (message: { readonly data: Uint8Array; readonly attempt: number }) => {
        got.push(`${who} ${textOf(message)} ${message.attempt}`);
        return who === "one" ? ("retry" as const) : ("ack" as const);
      };
      const first = await one.subscribe(topic, handler("one"), order, 1);
      await one.publish(topic, "a:1");
      await until(() => got.length > 0);
      await two.subscribe(topic, handler("two"), order, 1);
      for (const text of ["a:2", "a:3"]) await two.publish(topic, text);
      const from = Date.now();
      await first.close();
      const before = got.length;
      await until(() => got.length === before + 3);
      expect(Date.now() - from).toBeLessThan(5000);
      expect(got.slice(before)).toEqual([`two a:1 ${before + 1}`, "two a:2 1", "two a:3 1"]);
    },
  );

  test("what a member without turns left comes in its place after processingTimeout", async () => {
    const topic = fresh("t");
    const server = await direct();
    const { publish, subscribe } = await sidecar();
    const got: string[] = [];
    await publish(topic, "a:1");
    await server.xgroup("CREATE", topic, "g", "0");
    await server.xreadgroup("GROUP", "g", "somebody", "COUNT", 1, "STREAMS", topic, ">");
    await subscribe(topic, async (message) => {
      got.push(`${textOf(message)} ${message.attempt}`);
      return "ack";
    });
    await publish(topic, "b:1");
    await until(() => got.length === 2);
    expect(got).toEqual(["b:1 1", "a:1 2"]);
  });

  test("a read that the server gets to late, or that comes in another's turn, delivers nothing", async () => {
    const topic = fresh("t");
    const server = await direct();
    await server.xadd(topic, "*", "data", "1");
    await server.xgroup("CREATE", topic, "g", "0");
    const keys = [topic, `{${topic}}||turn||g`];
    const begin = (consumer: string, word: string) =>
      runScript(server, beginScript, keys, ["g", consumer, word, 60_000]);
    const read = (consumer: string, word: string) => runScript(server, readScript, keys, ["g", consumer, word, 10]);
    expect(await begin("one", "one:1")).toBe(2);
    expect(await begin("two", "two:1")).toBe(0);
    expect(await begin("one", "one:2")).toBe(1);
    expect(await read("one", "one:1")).toBeNull();
    expect(await read("two", "two:1")).toBeNull();
    expect(await read("one", "one:2")).toMatchObject([null, [[expect.anything(), 1, expect.anything()]]]);
  });

  test("a stream that is deleted is made anew, with the group", async () => {
    const topic = fresh("t");
    const server = await direct();
    const { publish, subscribe } = await sidecar();
    const got: string[] = [];
    await subscribe(topic, async (message) => {
      got.push(textOf(message));
      return "ack";
    });
    await publish(topic, "a:1");
    await until(() => got.length === 1);
    await server.del(topic);
    await publish(topic, "a:2");
    await until(() => got.length === 2);
    expect(got).toEqual(["a:1", "a:2"]);
  });

  test("without processingTimeout, and for a topic whose name a cluster cannot take, it is refused with the way out", async () => {
    const { subscribe } = await sidecar({ processingTimeout: 0 });
    await expect(subscribe(fresh("t"), async () => "ack")).rejects.toThrow(/needs a processingTimeout/);
    const { settings } = await startServer("redis", { variant: "cluster" });
    const { redisHost = "" } = settings;
    const broker = await openDriver(pubsubDriver, { redisHost, redisType: "cluster", ...quick });
    const subscribeTo = (topic: string, handler: MessageHandler) =>
      broker.subscribe({ topic, group: "g", metadata: {}, concurrency: 1, order: "key" }, handler, {});
    await expect(subscribeTo("a}b", async () => "ack")).rejects.toThrow(/holds a brace/);
    const got: string[] = [];
    const topics = [fresh("t"), fresh("{tag}t"), fresh("a{b")];
    for (const topic of topics) {
      await subscribeTo(topic, async (message) => {
        got.push(textOf(message));
        return "ack";
      });
      await broker.publish({ topic, data: Buffer.from(topic), metadata: { partitionKey: "k" } }, {});
    }
    await until(() => got.length === topics.length);
    expect(got.toSorted()).toEqual(topics.toSorted());
  });
});
