import { type Channel, connect } from "amqplib";
import { describe, expect, onTestFinished, test } from "vitest";
import rabbitmqBindings from "../../components/rabbitmq/bindings.ts";
import rabbitmqPubsub from "../../components/rabbitmq/pubsub.ts";
import { keeper, options, toTopic } from "../conformance/pubsub-bench.ts";
import { bytes, fresh, toText } from "../conformance/target.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("rabbitmq"));
const lasting = { durable: true, deletedWhenUnused: false };
const soon = { timeout: 10_000 };

const address = async () => String((await startServer("rabbitmq")).settings["connectionString"]);
const open = async (settings: object = {}) =>
  openDriver(rabbitmqPubsub, { connectionString: await address(), redeliverInterval: 50, ...settings });

/** The server as an operator uses it. */
async function operator(): Promise<Channel> {
  const connection = await connect(await address());
  onTestFinished(() => connection.close());
  return connection.createChannel();
}

/** The next message of a queue, which is to have one. */
async function take(channel: Channel, queue: string) {
  const message = await channel.get(queue, { noAck: true });
  if (message === false) throw new Error(`queue ${queue} is empty`);
  return message;
}

describe.skipIf(isMissing)("what RabbitMQ is given", () => {
  test("is an exchange for each topic and a queue for each group, named after both", async () => {
    const [broker, channel, topic] = [await open(lasting), await operator(), fresh("t")];
    await broker.subscribe(options(topic, { group: "shop" }), keeper().handler, {});
    await channel.assertExchange(topic, "fanout", { durable: true });
    await channel.assertQueue(`shop-${topic}`, { durable: true });
    expect((await channel.checkQueue(`shop-${topic}`)).consumerCount).toBe(1);
  });

  test("is, by default, a queue that goes with its last subscriber", async () => {
    const [broker, topic] = [await open(), fresh("t")];
    const first = await broker.subscribe(options(topic), keeper().handler, {});
    const second = await broker.subscribe(options(topic), keeper().handler, {});
    await first.close();
    await (await operator()).checkQueue(`group-${topic}`);
    await second.close();
    await expect((await refusing()).checkQueue(`group-${topic}`)).rejects.toThrow(/NOT_FOUND/);
  });

  test("is a message whose properties come from its metadata", async () => {
    const [broker, channel, topic] = [await open({ ttlInSeconds: 90_000 }), await operator(), fresh("t")];
    await channel.assertExchange(topic, "fanout", { durable: false });
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.bindQueue(queue, topic, "");
    const metadata = { priority: "7", correlationID: "c", messageID: "m", type: "order", color: "blue" };
    await broker.publish({ ...toTopic(topic, "1", { metadata }), contentType: "text/x" }, {});
    const message = await take(channel, queue);
    expect(message.properties).toMatchObject({
      priority: 7,
      correlationId: "c",
      messageId: "m",
      type: "order",
      contentType: "text/x",
      deliveryMode: 2,
      expiration: "90000",
      appId: "app",
      headers: { color: "blue" },
    });
    await broker.publish(toTopic(topic, "2", { metadata: { ttlInSeconds: "5" } }), {});
    const second = await take(channel, queue);
    expect(second.properties.expiration).toBe("5000");
  });

  test.each<[string, object, string[]]>([
    ["topic", { routingKey: "a.*, b" }, ["a.1", "b"]],
    ["direct", { routingKey: "b," }, ["", "b"]],
    ["fanout", {}, ["", "a.1", "a.1.2", "b"]],
  ])("is chosen from by routing keys as exchangeKind %s says", async (exchangeKind, metadata, wanted) => {
    const [broker, topic] = [await open({ exchangeKind }), fresh("t")];
    const { handler, texts } = keeper();
    await broker.subscribe(options(topic, { metadata: { ...metadata }, concurrency: 1 }), handler, {});
    for (const routingKey of ["", "a.1", "a.1.2", "b"]) {
      await broker.publish(toTopic(topic, routingKey, { metadata: { routingKey } }), {});
    }
    await expect.poll(texts, soon).toEqual(wanted);
  });

  test("is a queue as the subscription's metadata describes it", async () => {
    const [broker, channel, topic] = [await open(lasting), await operator(), fresh("t")];
    const queueName = fresh("own");
    const metadata = { queueName, maxPriority: "5", maxLen: "2", maxLenBytes: "1000", singleActiveConsumer: "true" };
    await (await broker.subscribe(options(topic, { metadata }), keeper().handler, {})).close();
    await channel.assertQueue(queueName, {
      durable: true,
      arguments: {
        "x-max-priority": 5,
        "x-max-length": 2,
        "x-max-length-bytes": 1000,
        "x-single-active-consumer": true,
      },
    });
    for (const text of ["1", "2", "3"]) await broker.publish(toTopic(topic, text), {});
    const { handler, texts } = keeper();
    await broker.subscribe(options(topic, { metadata }), handler, {});
    await expect.poll(texts, soon).toEqual(["2", "3"]);
    for (const [key, value] of [
      ["maxPriority", "256"],
      ["maxLen", "few"],
      ["queueType", "heap"],
      ["singleActiveConsumer", "1?"],
    ]) {
      const wrong = broker.subscribe(options(topic, { metadata: { [String(key)]: String(value) } }), handler, {});
      await expect(wrong).rejects.toMatchObject({
        reason: "requestMetadataInvalid",
        message: expect.stringContaining(String(key)),
      });
    }
  });

  test("is handed over by priority", async () => {
    const [broker, topic] = [await open(lasting), fresh("t")];
    const metadata = { maxPriority: "9" };
    await (await broker.subscribe(options(topic, { metadata }), keeper().handler, {})).close();
    for (const priority of ["1", "9", "5"])
      await broker.publish(toTopic(topic, priority, { metadata: { priority } }), {});
    const { handler, texts } = keeper();
    await broker.subscribe(options(topic, { metadata, concurrency: 1 }), handler, {});
    await expect.poll(texts, soon).toEqual(["9", "5", "1"]);
  });
});

/** A channel that may be closed by what it asks. */
async function refusing(): Promise<Channel> {
  const channel = await operator();
  channel.on("error", () => {});
  return channel;
}

describe.skipIf(isMissing)("what the app fails to handle", () => {
  test("becomes a dead letter with enableDeadLetter, and is dropped with requeueInFailure false", async () => {
    const channel = await operator();
    for (const [settings, letters] of [
      [{ enableDeadLetter: true }, 1],
      [{ requeueInFailure: false }, 0],
    ] as const) {
      const [broker, topic] = [await open({ ...lasting, ...settings }), fresh("t")];
      const { handler, messages } = keeper(({ data }) => (toText(data) === "bad" ? "retry" : "ack"));
      await broker.subscribe(options(topic, { concurrency: 1 }), handler, {});
      for (const text of ["bad", "good"]) await broker.publish(toTopic(topic, text), {});
      await expect.poll(() => messages.map(({ data }) => toText(data)), soon).toEqual(["bad", "good"]);
      if (letters === 0) continue;
      await expect.poll(async () => (await channel.checkQueue(`dlq-group-${topic}`)).messageCount, soon).toBe(1);
      const letter = await take(channel, `dlq-group-${topic}`);
      expect(letter.content.toString()).toBe("bad");
    }
  });

  test("comes again with requeueInFailure, dead letters or not", async () => {
    const [broker, topic] = [await open({ ...lasting, enableDeadLetter: true, requeueInFailure: true }), fresh("t")];
    const { handler, messages } = keeper(({ attempt }) => (attempt < 3 ? "retry" : "ack"));
    await broker.subscribe(options(topic), handler, {});
    await broker.publish(toTopic(topic, "1"), {});
    await expect.poll(() => messages.map(({ attempt }) => attempt), soon).toEqual([1, 2, 3]);
  });

  test("does not come again with autoAck", async () => {
    const [broker, topic] = [await open({ ...lasting, autoAck: true }), fresh("t")];
    const { handler, texts } = keeper(({ data }) => (toText(data) === "bad" ? "retry" : "ack"));
    await broker.subscribe(options(topic, { concurrency: 1 }), handler, {});
    for (const text of ["bad", "good"]) await broker.publish(toTopic(topic, text), {});
    await expect.poll(texts, soon).toEqual(["bad", "good"]);
    expect((await (await operator()).checkQueue(`group-${topic}`)).messageCount).toBe(0);
  });

  test("does not hold up others, however much of it there is", async () => {
    const [broker, topic] = [await open({ ...lasting, redeliverInterval: 600_000 }), fresh("t")];
    const { handler, texts } = keeper(({ data }) => (toText(data)?.startsWith("bad") ? "retry" : "ack"));
    await broker.subscribe(options(topic, { concurrency: 2 }), handler, {});
    const all = [...Array.from({ length: 50 }, (_, n) => `bad ${n}`), "good"];
    for (const text of all) await broker.publish(toTopic(topic, text), {});
    await expect.poll(() => texts().toSorted(), soon).toEqual(all.toSorted());
  });

  test("in a quorum queue is counted by the server", async () => {
    const [broker, topic] = [await open(lasting), fresh("t")];
    const opts = options(topic, { metadata: { queueType: "quorum" } });
    const first = keeper(() => "retry");
    await broker.subscribe(opts, first.handler, {});
    await broker.publish(toTopic(topic, "1"), {});
    await expect.poll(() => first.messages.length, soon).toBeGreaterThan(1);
    await broker.close();
    const second = keeper();
    await (await open(lasting)).subscribe(opts, second.handler, {});
    await expect.poll(() => second.messages.map(({ attempt }) => attempt), soon).toEqual([2]);
  });
});

describe.skipIf(isMissing)("a subscription", () => {
  test("gets messages of others, whatever they say of themselves", async () => {
    const [broker, channel, topic] = [
      await open({ publishMessagePropertiesToMetadata: true }),
      await operator(),
      fresh("t"),
    ];
    const { handler, messages } = keeper();
    await broker.subscribe(options(topic), handler, {});
    channel.publish(topic, "key", Buffer.from("1"), {
      headers: { n: 5, deep: { a: 1 } },
      priority: 3,
      correlationId: "c",
    });
    channel.publish(topic, "", Buffer.from("1"));
    await expect.poll(() => messages.length, soon).toBe(2);
    expect(messages[0]).toMatchObject({
      attempt: 1,
      metadata: { n: "5", priority: "3", correlationID: "c", routingKey: "key", exchange: topic },
    });
    expect(messages[0]?.id).not.toBe(messages[1]?.id);
  });

  test("handles one message at a time with concurrency single, and no more than prefetchCount", async () => {
    for (const [settings, most] of [
      [{ concurrency: "single" }, 1],
      [{ prefetchCount: 3 }, 3],
    ] as const) {
      const [broker, topic] = [await open({ ...lasting, ...settings }), fresh("t")];
      const waiting: (() => void)[] = [];
      const { handler, messages } = keeper(() => new Promise((resolve) => waiting.push(() => resolve("ack"))));
      await broker.subscribe(options(topic), handler, {});
      for (let n = 0; n < 5; n += 1) await broker.publish(toTopic(topic, String(n)), {});
      const ready = async () => (await (await operator()).checkQueue(`group-${topic}`)).messageCount;
      await expect.poll(ready, soon).toBe(5 - most);
      expect(messages.length).toBe(most);
      const closing = broker.close();
      for (const settle of waiting) settle();
      await closing;
    }
  });

  test("hands a message over once that is being handled while the connection breaks, and acknowledges it then", async () => {
    const { port } = await startServer("rabbitmq");
    const proxy = await startTcpProxy(port);
    const connectionString = `amqp://guest:guest@127.0.0.1:${proxy.port}`;
    const [broker, topic] = [await open({ ...lasting, connectionString, reconnectWaitSeconds: 20 }), fresh("t")];
    let finish = () => {};
    const { handler, texts } = keeper(({ data }) =>
      toText(data) === "slow" ? new Promise((resolve) => (finish = () => resolve("ack"))) : "ack",
    );
    await broker.subscribe(options(topic), handler, {});
    await broker.publish(toTopic(topic, "slow"), {});
    await expect.poll(texts, soon).toEqual(["slow"]);
    proxy.cut();
    await broker.publish(toTopic(topic, "next"), {});
    await expect.poll(texts, soon).toEqual(["slow", "next"]);
    finish();
    await broker.close();
    expect((await (await operator()).checkQueue(`group-${topic}`)).messageCount).toBe(0);
  });

  test("goes on with a queue of the same name when somebody deletes its own", async () => {
    const [broker, topic] = [await open(lasting), fresh("t")];
    const { handler, texts } = keeper();
    await broker.subscribe(options(topic), handler, {});
    await (await operator()).deleteQueue(`group-${topic}`);
    const again = async () => {
      await broker.publish(toTopic(topic, "1"), {});
      return texts().length;
    };
    await expect.poll(again, soon).toBeGreaterThan(0);
  });
});

describe.skipIf(isMissing)("a server that is away", () => {
  test("is told to who publishes in the time that the call has, and taken up again when it is back", async () => {
    const server = await startServer("rabbitmq", { own: true });
    const connectionString = String(server.settings["connectionString"]);
    const broker = await open({ ...lasting, connectionString, reconnectWaitSeconds: 20 });
    const { handler, texts } = keeper();
    await broker.subscribe(options("t"), handler, {});
    await server.kill9();
    const signal = AbortSignal.timeout(300);
    await expect(broker.publish(toTopic("t", "1"), {})).rejects.toMatchObject({ reason: "backendUnavailable" });
    await expect(broker.publish(toTopic("t", "1"), { signal })).rejects.toThrow();
    await server.restart();
    await expect
      .poll(
        () =>
          broker.publish(toTopic("t", "2"), {}).then(
            () => true,
            () => false,
          ),
        soon,
      )
      .toBe(true);
    await expect.poll(texts, soon).toEqual(["2"]);
  });
});

describe.skipIf(isMissing)("the binding of RabbitMQ", () => {
  const openBinding = async (settings: object = {}) => {
    const queueName = fresh("q");
    const given = { host: await address(), queueName, redeliverInterval: 50, ...settings };
    return { binding: await openDriver(rabbitmqBindings, given), queueName };
  };
  const create = (metadata: Readonly<Record<string, string>>) => ({
    operation: "create",
    data: bytes("hello"),
    metadata,
  });

  test("puts messages with properties and headers into its queue", async () => {
    const { binding, queueName } = await openBinding({ durable: true, ttl: 60_000, maxPriority: 5 });
    const channel = await operator();
    await channel.assertQueue(queueName, {
      durable: true,
      arguments: { "x-message-ttl": 60_000, "x-max-priority": 5 },
    });
    const metadata = { ttlInSeconds: "9", priority: "4", contentType: "text/x", correlationID: "c", color: "blue" };
    await binding.invoke?.(create(metadata), {});
    const message = await take(channel, queueName);
    expect({ ...message.properties, content: message.content.toString() }).toMatchObject({
      content: "hello",
      expiration: "9000",
      priority: 4,
      contentType: "text/x",
      correlationId: "c",
      deliveryMode: 2,
      headers: { color: "blue" },
    });
    expect(Object.keys(message.properties.headers ?? {})).toEqual(["color"]);
    await binding.invoke?.(create({}), {});
    const second = await take(channel, queueName);
    expect(second.properties.contentType).toBe("text/plain");
  });

  test("makes a queue anew that somebody has deleted", async () => {
    const { binding, queueName } = await openBinding();
    const channel = await operator();
    await channel.deleteQueue(queueName);
    await binding.invoke?.(create({}), {});
    expect((await channel.checkQueue(queueName)).messageCount).toBe(1);
  });

  test("hands headers over as a query writes them, and a message again that the app fails to handle", async () => {
    const { binding } = await openBinding({ exclusive: true });
    const events: unknown[] = [];
    await binding.read?.(async ({ data, metadata }) => {
      events.push([toText(data), metadata]);
      if (events.length === 1) throw new Error("not now");
      return undefined;
    }, {});
    await binding.invoke?.(create({ "the color": "blue & green" }), {});
    const event = ["hello", { "the+color": "blue+%26+green" }];
    await expect.poll(() => events, soon).toEqual([event, event]);
  });

  test("names the setting that its queue has otherwise", async () => {
    const channel = await operator();
    const queueName = fresh("q");
    await channel.assertQueue(queueName, { durable: true });
    await expect(openBinding({ queueName })).rejects.toThrow(
      /^durable: queue .* is there already with durable true, not false/,
    );
  });
});
