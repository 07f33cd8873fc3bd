// How messages stand in Kafka, and what is said when they cannot.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";
import { describe, expect, onTestFinished, test } from "vitest";
import type { IncomingMessage, SubscribeOptions } from "../../components/contract/pubsub.ts";
import kafkaPubsub from "../../components/kafka/pubsub.ts";
import { startHttpServer } from "../support/http-server.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("kafka"));
const bytes = (text: string) => Buffer.from(text);
let count = 0;
const newTopic = () => `topic-${process.pid}-${count++}`;
const brokersOf = async (variant: string) => String((await startServer("kafka", { variant })).settings["brokers"]);

const open = async (given: Given = {}) => {
  const log = new KeptLog();
  const settings = { brokers: await brokersOf("single"), authType: "none", initialOffset: "oldest", ...given };
  return { log, broker: await openDriver(kafkaPubsub, settings, openContext({ name: "orders", log })) };
};
type Opened = Awaited<ReturnType<typeof open>>["broker"];

/** Subscribes; gives the messages that have come. */
async function keep(broker: Opened, topic: string, more: Partial<SubscribeOptions> = {}) {
  const messages: IncomingMessage[] = [];
  const options = { topic, group: `group of ${topic}`, metadata: {}, concurrency: 1, ...more };
  const handler = async (message: IncomingMessage) => {
    messages.push(message);
    return "ack" as const;
  };
  const subscription = await broker.subscribe(options, handler, {});
  return { messages, subscription, texts: () => messages.map(({ data }) => Buffer.from(data).toString()) };
}

/** A client that the driver does not use, to see what others see. */
const outsider = async () => ({
  clientId: "outsider",
  bootstrapBrokers: [await brokersOf("single")],
  autocreateTopics: true,
});

async function recordsOf(topic: string, howMany: number) {
  const options = { ...(await outsider()), groupId: `outsider-of-${topic}`, deserializers: stringDeserializers };
  const consumer = new Consumer(options);
  onTestFinished(() => consumer.close(true));
  const stream = await consumer.consume({ topics: [topic], mode: "earliest", maxWaitTime: 100 });
  const records = [];
  for await (const record of stream) {
    records.push(record);
    if (records.length === howMany) break;
  }
  return records;
}

async function createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>> = {}) {
  const admin = new Admin(await outsider());
  const pairs = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: pairs });
  await admin.close();
}

describe.skipIf(isMissing)("a message in Kafka", () => {
  test("has the partition key as its key, and all metadata as headers, for other clients to see", async () => {
    const { broker } = await open();
    const topic = newTopic();
    const metadata = { partitionKey: "blue", color: "grün", ttlInSeconds: "60", partitionNumber: "2" };
    await broker.publish({ topic, data: bytes("hello"), metadata }, {});
    const [record] = await recordsOf(topic, 1);
    expect(record).toMatchObject({ key: "blue", value: "hello", partition: 2 });
    const { "mecha-expires-at": end, ...headers } = Object.fromEntries(record?.headers ?? []);
    expect(headers).toEqual({ partitionKey: "blue", color: "grün", ttlInSeconds: "60" });
    expect(Number(end) - Date.now()).toBeGreaterThan(50_000);
  });

  test("of another client comes with its key, its headers and its place", async () => {
    const { broker } = await open();
    const topic = newTopic();
    const producer = new Producer({ ...(await outsider()), serializers: stringSerializers });
    onTestFinished(() => producer.close());
    const headers = { color: "blue", __proto__x: "1" };
    await producer.send({ messages: [{ topic, key: "k", value: "hello", headers, timestamp: 1_700_000_000_000n }] });
    const { messages } = await keep(broker, topic);
    await expect.poll(() => messages.length).toBe(1);
    expect(messages[0]).toEqual({
      id: expect.stringMatching(new RegExp(`^${topic}/\\d/0$`)),
      topic,
      data: bytes("hello"),
      key: "k",
      attempt: 1,
      metadata: {
        color: "blue",
        __proto__x: "1",
        __key: "k",
        __topic: topic,
        __partition: expect.stringMatching(/^\d$/),
        __offset: "0",
        __timestamp: "1700000000000",
      },
    });
  });

  test("without a value, as topics that are compacted have them, comes without bytes", async () => {
    const { broker } = await open();
    const topic = newTopic();
    const producer = new Producer(await outsider());
    onTestFinished(() => producer.close());
    await producer.send({ messages: [{ topic, key: bytes("k"), value: null as never }] });
    const { texts } = await keep(broker, topic);
    await expect.poll(texts).toEqual([""]);
  });

  test("of a transaction that was aborted or not comes like others, and what ends the transaction does not", async () => {
    const { broker } = await open();
    const topic = newTopic();
    await createTopic(topic, 1);
    const options = { ...(await outsider()), serializers: stringSerializers };
    const producer = new Producer({ ...options, idempotent: true, transactionalId: topic });
    onTestFinished(() => producer.close());
    const committed = await producer.beginTransaction();
    await committed.send({ messages: [{ topic, value: "committed" }] });
    await committed.commit();
    const aborted = await producer.beginTransaction();
    await aborted.send({ messages: [{ topic, value: "aborted" }] });
    await aborted.abort();
    const { texts } = await keep(broker, topic);
    await broker.publish({ topic, data: bytes("after them"), metadata: {} }, {});
    await expect.poll(texts).toEqual(["committed", "aborted", "after them"]);
    await broker.close();
    const again = await keep((await open()).broker, topic);
    await broker.close();
    expect(again.messages).toEqual([]);
  });

  test.each(["gzip", "snappy", "lz4", "zstd"])("is compressed by %s", async (compression) => {
    const { broker } = await open({ compression });
    const topic = newTopic();
    const { texts } = await keep(broker, topic);
    await broker.publish({ topic, data: bytes("x".repeat(5000)), metadata: {} }, {});
    await expect.poll(texts).toEqual(["x".repeat(5000)]);
    expect((await recordsOf(topic, 1))[0]?.value).toBe("x".repeat(5000));
  });

  test("keeps headers back that excludeHeaderMetaRegex names, and escapes the others", async () => {
    const { broker } = await open({ excludeHeaderMetaRegex: "^secret", escapeHeaders: true });
    const topic = newTopic();
    const { messages } = await keep(broker, topic);
    await broker.publish({ topic, data: bytes("x"), metadata: { secretWord: "a", color: "blue & green\n" } }, {});
    await expect.poll(() => messages.length).toBe(1);
    expect(messages[0]?.metadata).toMatchObject({ color: "blue+%26+green%0A" });
    expect(messages[0]?.metadata).not.toHaveProperty("secretWord");
  });

  test.each(["all", "local", "none"])("is acknowledged by %s", async (producerRequiredAcks) => {
    const { broker } = await open({ producerRequiredAcks });
    const topic = newTopic();
    const { texts } = await keep(broker, topic);
    await broker.publish({ topic, data: bytes("x"), metadata: {} }, {});
    await expect.poll(texts).toEqual(["x"]);
  });
});

describe.skipIf(isMissing)("a group that reads Kafka for the first time", () => {
  test("starts with what comes after it by default, also when it goes before anything came", async () => {
    const topic = newTopic();
    const { broker } = await open({ initialOffset: "newest" });
    await broker.publish({ topic, data: bytes("before"), metadata: {} }, {});
    const { subscription, messages } = await keep(broker, topic);
    await subscription.close();
    await broker.publish({ topic, data: bytes("meanwhile"), metadata: {} }, {});
    const { texts } = await keep(broker, topic);
    await expect.poll(texts).toEqual(["meanwhile"]);
    expect(messages).toEqual([]);
  });

  test("goes on after messages that were deleted before it read them", async () => {
    const topic = newTopic();
    await createTopic(topic, 1);
    const { broker, log } = await open();
    const { subscription, texts } = await keep(broker, topic);
    await broker.publish({ topic, data: bytes("read"), metadata: {} }, {});
    await expect.poll(texts).toEqual(["read"]);
    await subscription.close();
    for (const text of ["deleted", "also deleted", "kept"]) {
      await broker.publish({ topic, data: bytes(text), metadata: {} }, {});
    }
    const admin = new Admin(await outsider());
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 3n }] }] });
    await admin.close();
    const again = await keep(broker, topic);
    await expect.poll(again.texts).toEqual(["kept"]);
    expect(log.lines.join("\n")).toMatch(/warn offset 1 is not in partition 0 of topic .*; it goes on at 3/);
  });

  test("finds partitions that a topic gets later", async () => {
    const topic = newTopic();
    await createTopic(topic, 1);
    const quick = { clientConnectionTopicMetadataRefreshInterval: 200, heartbeatInterval: 100 };
    const { broker } = await open(quick);
    const { messages } = await keep(broker, topic);
    const admin = new Admin(await outsider());
    await admin.createPartitions({
      topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] }],
    });
    await admin.close();
    // The publisher looks for new partitions as rarely as the others.
    const publish = () => broker.publish({ topic, data: bytes("x"), metadata: { partitionNumber: "2" } }, {});
    await expect.poll(() => publish().then(() => "taken", String)).toBe("taken");
    await expect.poll(() => messages.map(({ metadata }) => metadata["__partition"])).toEqual(["2"]);
  });

  test("moves on past a message that fails where consumeRetryEnabled is off", async () => {
    const { broker } = await open({ consumeRetryEnabled: false });
    const topic = newTopic();
    const texts: string[] = [];
    const options = { topic, group: "g", metadata: {}, concurrency: 1 };
    const handler = async ({ data }: IncomingMessage) => {
      texts.push(Buffer.from(data).toString());
      return "retry" as const;
    };
    await broker.subscribe(options, handler, {});
    for (const text of ["1", "2"]) await broker.publish({ topic, data: bytes(text), metadata: {} }, {});
    await expect.poll(() => texts).toEqual(["1", "2"]);
  });

  test("has no order among the partitions of a topic, and says so", async () => {
    const { broker } = await open();
    const topic = newTopic();
    await createTopic(topic, 4);
    await expect(keep(broker, topic, { order: "topic" })).rejects.toThrow(
      `order topic: topic ${topic} has 4 partitions, among which Kafka keeps no order; use order key, or a topic with one partition`,
    );
  });
});

describe.skipIf(isMissing)("a message that Kafka does not take", () => {
  test("because it is larger than maxMessageBytes", async () => {
    const { broker } = await open({ maxMessageBytes: 1000 });
    const topic = newTopic();
    const message = { topic, data: Buffer.alloc(1001), metadata: {} };
    const reason = {
      reason: "malformedRequest",
      message: expect.stringMatching(/larger than maxMessageBytes \(1000\)/),
    };
    await expect(broker.publish(message, {})).rejects.toMatchObject(reason);
    const small = { topic, data: Buffer.alloc(10), metadata: {} };
    const failed = await broker.publishMany?.([small, message, small], {});
    expect(failed).toMatchObject([{ index: 1, cause: reason }]);
  });

  test("because it is larger than the topic takes, while those beside it are taken", async () => {
    const { broker } = await open();
    const topic = newTopic();
    await createTopic(topic, 1, { "max.message.bytes": "2000" });
    const message = (size: number) => ({ topic, data: Buffer.alloc(size, "x"), metadata: {} });
    const failed = await broker.publishMany?.([message(900), message(900), message(3000), message(900)], {});
    expect(failed).toMatchObject([
      {
        index: 2,
        cause: { reason: "malformedRequest", message: expect.stringMatching(/raise its max\.message\.bytes/) },
      },
    ]);
    const { texts } = await keep(broker, topic);
    await expect.poll(() => texts().length).toBe(3);
    await broker.publish(message(100), {});
    await expect.poll(() => texts().length).toBe(4);
  });

  test("because there is no such partition", async () => {
    const { broker } = await open();
    const publish = (partitionNumber: string) =>
      broker.publish({ topic: newTopic(), data: bytes("x"), metadata: { partitionNumber } }, {});
    await expect(publish("7")).rejects.toThrow(/partitionNumber: topic .* has 4 partitions, which are counted from 0/);
    await expect(publish("two")).rejects.toThrow(/partitionNumber: must be the number of a partition, got "two"/);
  });

  test("because there is no such topic, and none is made", async () => {
    const { settings, port } = await startServer("kafka", { variant: "proxied" });
    await startTcpProxy(port, Number(settings["brokers"]?.split(":")[1]));
    const { broker } = await open({ brokers: settings["brokers"], metadataTimeout: 300 });
    const message = { topic: "nowhere", data: bytes("x"), metadata: {} };
    const text = /the topic does not exist and the brokers do not make it: create it/;
    await expect(broker.publish(message, {})).rejects.toThrow(text);
    await expect(keep(broker, "nowhere")).rejects.toThrow(text);
  });

  test("because nobody answers any more, when its time is over", async () => {
    const server = await startServer("kafka", { variant: "single", own: true });
    const { broker } = await open({ brokers: server.settings["brokers"] });
    const message = { topic: newTopic(), data: bytes("x"), metadata: {} };
    await broker.publish(message, {});
    await server.kill9();
    const signal = AbortSignal.timeout(300);
    await expect(broker.publish(message, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(broker.ping?.({})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/^orders does not answer: /),
    });
  });
});

describe.skipIf(isMissing)("a message with a schema", () => {
  const schema = JSON.stringify({
    type: "record",
    name: "Order",
    fields: [
      { name: "id", type: "long" },
      { name: "note", type: ["null", "string"], default: null },
      { name: "raw", type: "bytes" },
    ],
  });
  const startRegistry = async () => {
    const asked: string[] = [];
    const url = await startHttpServer(({ url: path = "", headers }) => {
      asked.push(`${headers.authorization ?? ""} ${path}`);
      if (/^\/subjects\/topic-[\d-]+-value\/versions\/latest$/.test(path)) {
        return { body: JSON.stringify({ subject: "s", version: 3, id: 70_000, schema }) };
      }
      if (path === "/schemas/ids/70000") return { body: JSON.stringify({ schema }) };
      return { status: 404, body: '{"error_code":40401}' };
    });
    const registry = { schemaRegistryURL: url, schemaRegistryAPIKey: "key", schemaRegistryAPISecret: "pepper" };
    return { asked, registry };
  };
  const avro = { valueSchemaType: "Avro" };

  test("stands as Avro behind the number of the schema, and comes as JSON", async () => {
    const { asked, registry } = await startRegistry();
    const { broker } = await open(registry);
    const topic = newTopic();
    const raw = await keep(broker, topic, { group: "raw" });
    const { texts } = await keep(broker, topic, { metadata: avro });
    const data = '{"id":9007199254740993,"note":"né","raw":"\\u00ff"}';
    await broker.publish({ topic, data: bytes(data), metadata: avro }, {});
    await broker.publish({ topic, data: bytes('{"id":1,"raw":""}'), metadata: avro }, {});
    await expect.poll(texts).toEqual([data.replace("\\u00ff", "ÿ"), '{"id":1,"note":null,"raw":""}']);
    expect(raw.messages[0]?.data).toEqual(
      Buffer.concat([
        Buffer.from([0, 0, 1, 0x11, 0x70]),
        Buffer.from("8280808080808020" + "0206" + "6ec3a9" + "02ff", "hex"),
      ]),
    );
    const login = `Basic ${bytes("key:pepper").toString("base64")}`;
    // Each is asked for once.
    expect(asked).toEqual([`${login} /subjects/${topic}-value/versions/latest`, `${login} /schemas/ids/70000`]);
  });

  test("names the types of unions in Avro's own JSON", async () => {
    const { registry } = await startRegistry();
    const { broker } = await open({ ...registry, useAvroJSON: true });
    const topic = newTopic();
    const { texts } = await keep(broker, topic, { metadata: avro });
    const data = '{"id":1,"note":{"string":"a"},"raw":"b"}';
    await broker.publish({ topic, data: bytes(data), metadata: avro }, {});
    await expect.poll(texts).toEqual([data]);
  });

  test.each<[string, string, RegExp]>([
    ["does not fit", '{"id":"one","raw":""}', /valueSchemaType: the data does not fit the schema of .*-value/],
    ["is no JSON", "hello", /valueSchemaType: the data does not fit/],
  ])("that %s is refused", async (_, data, message) => {
    const { registry } = await startRegistry();
    const { broker } = await open(registry);
    const publishing = broker.publish({ topic: newTopic(), data: bytes(data), metadata: avro }, {});
    await expect(publishing).rejects.toMatchObject({
      reason: "requestMetadataInvalid",
      message: expect.stringMatching(message),
    });
  });

  test("that it does not have stays in its place, and the log says why", async () => {
    const { registry } = await startRegistry();
    const { broker, log } = await open(registry);
    const topic = newTopic();
    const { texts } = await keep(broker, topic, { metadata: avro });
    await broker.publish({ topic, data: bytes("plain"), metadata: {} }, {});
    await broker.publish({ topic, data: bytes('{"id":1,"raw":""}'), metadata: avro }, {});
    await expect.poll(() => texts()).toEqual(['{"id":1,"note":null,"raw":""}']);
    expect(log.lines.filter((line) => line.startsWith("warn"))).toEqual([
      expect.stringMatching(
        /the message at offset 0 of partition \d of topic .* cannot be decoded, and is tried again: the value does not begin with the number of a schema/,
      ),
    ]);
  });

  test("is refused without a registry, or of another kind", async () => {
    const { broker } = await open();
    const publish = (valueSchemaType: string) =>
      broker.publish({ topic: newTopic(), data: bytes("{}"), metadata: { valueSchemaType } }, {});
    await expect(publish("Avro")).rejects.toThrow(/valueSchemaType: Avro needs schemaRegistryURL/);
    await expect(publish("Protobuf")).rejects.toThrow(/valueSchemaType: Protobuf is neither Avro nor None/);
    await publish("None");
  });
});
