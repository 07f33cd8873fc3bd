import {
  CreateTopicCommand,
  ListSubscriptionsByTopicCommand,
  ListTopicsCommand,
  SNSClient,
  SubscribeCommand,
} from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import snsBinding from "../../components/aws.sns/bindings.ts";
import snssqs from "../../components/aws.snssqs/pubsub.ts";
import sqsBinding from "../../components/aws.sqs/bindings.ts";
import type { MessageHandler } from "../../components/contract/pubsub.ts";
import { keeper, options, toTopic } from "../conformance/pubsub-bench.ts";
import { type AwsPlace, awsClient, awsSettings, ownAws } from "../support/aws.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("moto"));

/** Short pauses; real time passes in these tests. */
const quick = { messageVisibilityTimeout: 1, messageWaitTimeSeconds: 0 };
/** Requests wait for messages, as they do by default. */
const waiting = { messageWaitTimeSeconds: 1 };

async function broker(more: object = {}, place?: AwsPlace) {
  const at = place ?? (await ownAws());
  const log = new KeptLog();
  const opened = await openDriver(snssqs, { ...awsSettings(at), ...quick, ...more }, openContext({ log }));
  const [sns, sqs] = [awsClient(SNSClient, at), awsClient(SQSClient, at)];
  const urlOf = async (name: string) => (await sqs.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl;
  const attributes = async (name: string) =>
    (await sqs.send(new GetQueueAttributesCommand({ QueueUrl: await urlOf(name), AttributeNames: ["All"] })))
      .Attributes;
  const receive = async (name: string) =>
    (await sqs.send(new ReceiveMessageCommand({ QueueUrl: await urlOf(name), MaxNumberOfMessages: 10 }))).Messages ??
    [];
  return { opened, place: at, sns, sqs, urlOf, attributes, receive, log };
}

const waitFor = (isMet: () => boolean | Promise<boolean>) => expect.poll(isMet, { timeout: 20_000 }).toBe(true);
const never: MessageHandler = () => new Promise(() => {});

describe.skipIf(isMissing)("topics, queues and subscriptions", () => {
  test("one queue, of the group's name, gets the messages of all its topics in SNS's envelope", async () => {
    const { opened, sns, sqs, receive, attributes } = await broker();
    const closing = ["orders", "news"].map((topic) => opened.subscribe(options(topic, { group: "shop" }), never, {}));
    for (const subscription of await Promise.all(closing)) await subscription.close();
    const metadata = { color: "blue", "not a name": "x" };
    await opened.publish({ topic: "orders", data: Buffer.from('{"n":1}'), metadata }, {});
    expect((await sqs.send(new ListQueuesCommand({}))).QueueUrls).toHaveLength(1);
    const { Topics = [] } = await sns.send(new ListTopicsCommand({}));
    expect(Topics.map(({ TopicArn }) => TopicArn?.split(":").at(-1)).sort()).toEqual(["news", "orders"]);
    const [message] = await receive("shop");
    expect(JSON.parse(message?.Body ?? "")).toMatchObject({
      Type: "Notification",
      TopicArn: expect.stringMatching(/:orders$/),
      Message: '{"n":1}',
      MessageAttributes: {
        color: { Type: "String", Value: "blue" },
        "mecha.metadata": { Type: "String", Value: '{"not a name":"x"}' },
      },
    });
    const { Policy = "", QueueArn } = (await attributes("shop")) ?? {};
    expect(JSON.parse(Policy).Statement).toMatchObject([
      {
        Principal: { Service: "sns.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: QueueArn,
        Condition: { StringEquals: { "aws:SourceAccount": "123456789012" } },
      },
    ]);
  });

  test("subscribing again changes nothing", async () => {
    const { opened, sns, place, attributes } = await broker();
    await opened.subscribe(options("orders"), never, {});
    const before = await attributes("group");
    const again = await broker({}, place);
    await again.opened.subscribe(options("orders"), never, {});
    const { TopicArn } = (await sns.send(new ListTopicsCommand({}))).Topics?.[0] ?? {};
    const { Subscriptions } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
    expect(Subscriptions).toHaveLength(1);
    expect((await attributes("group"))?.["Policy"]).toBe(before?.["Policy"]);
  });

  test("with fifo the names end in .fifo, and both are FIFO", async () => {
    const { opened, attributes, sns } = await broker({ fifo: true });
    await opened.subscribe(options("orders", { order: "key" }), never, {});
    expect(await attributes("group.fifo")).toMatchObject({ FifoQueue: "true" });
    expect((await sns.send(new ListTopicsCommand({}))).Topics?.[0]?.TopicArn).toMatch(/:orders\.fifo$/);
  });

  test("topics whose names are one in SNS are refused", async () => {
    const { opened } = await broker();
    await opened.publish(toTopic("orders.new", "1"), {});
    const other = opened.publish(toTopic("ordersnew", "1"), {});
    await expect(other).rejects.toThrow(/topics orders.new and ordersnew would both be ordersnew in SNS; rename one/);
  });

  test("an order that the settings do not keep is refused with the setting that does", async () => {
    const { opened } = await broker();
    const byKey = opened.subscribe(options("orders", { order: "key" }), never, {});
    await expect(byKey).rejects.toThrow(/order key of topic orders: component under-test must set fifo: true/);
    const fifo = await broker({ fifo: true });
    const byTopic = fifo.opened.subscribe(options("orders", { order: "topic" }), never, {});
    await expect(byTopic).rejects.toThrow(/component under-test must set fifoMessageGroupID/);
  });

  test("without entity management nothing is made, and what is missing is named", async () => {
    const { opened, sns, sqs, place } = await broker({ disableEntityManagement: true });
    const missing = {
      message: expect.stringMatching(/queue group does not exist in test-.*; create it, or take disable/),
    };
    await expect(opened.subscribe(options("orders"), never, {})).rejects.toMatchObject(missing);
    await expect(opened.publish(toTopic("orders", "1"), {})).rejects.toThrow(
      /topic arn:aws:sns:test-.*:123456789012:orders does not exist; create it/,
    );
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: "orders" }));
    await sqs.send(new CreateQueueCommand({ QueueName: "group" }));
    await expect(opened.subscribe(options("orders"), never, {})).rejects.toThrow(
      /does not deliver to queue .*:group; subscribe/,
    );
    const Endpoint = `arn:aws:sqs:${place.region}:123456789012:group`;
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint }));
    const { handler, texts } = keeper();
    await opened.subscribe(options("orders"), handler, {});
    await opened.publish(toTopic("orders", "1"), {});
    await waitFor(() => texts().length === 1);
  });

  test("a message that SNS delivers without its envelope goes to the only subscription", async () => {
    const { opened, sqs, urlOf } = await broker();
    const { messages, handler, texts } = keeper();
    await opened.subscribe(options("orders"), handler, {});
    const MessageAttributes = { color: { DataType: "String", StringValue: "blue" } };
    await sqs.send(new SendMessageCommand({ QueueUrl: await urlOf("group"), MessageBody: "bare", MessageAttributes }));
    await waitFor(() => messages.length === 1);
    expect([texts(), messages[0]?.metadata]).toEqual([["bare"], { color: "blue" }]);
  });

  test("a queue that is deleted is made again, with what delivers to it", async () => {
    const { opened, sqs, urlOf } = await broker();
    const { handler, texts } = keeper();
    await opened.subscribe(options("orders"), handler, {});
    await sqs.send(new DeleteQueueCommand({ QueueUrl: await urlOf("group") }));
    await waitFor(() => urlOf("group").then(Boolean, () => false));
    await opened.publish(toTopic("orders", "1"), {});
    await waitFor(() => texts().length === 1);
  });
});

describe.skipIf(isMissing)("messages", () => {
  test("a message stays hidden for as long as its handler works", async () => {
    const { opened, receive } = await broker(waiting);
    let finish = () => {};
    const { messages, handler } = keeper(() => new Promise((resolve) => (finish = () => resolve("ack"))));
    await opened.subscribe(options("orders"), handler, {});
    await opened.publish(toTopic("orders", "1"), {});
    await waitFor(() => messages.length === 1);
    const end = Date.now() + 3000;
    await waitFor(() => Date.now() > end);
    expect(await receive("group")).toEqual([]);
    expect(messages).toHaveLength(1);
    finish();
  });

  test("what fails messageReceiveLimit times is deleted with a word, and kept where nothing is to be deleted", async () => {
    const { opened, log, attributes } = await broker({ messageReceiveLimit: 2 });
    const { messages, handler } = keeper(() => "retry");
    await opened.subscribe(options("orders"), handler, {});
    await opened.publish(toTopic("orders", "1"), {});
    await waitFor(() =>
      log.lines.some((line) => /^error a message failed too often and is deleted; set sqsDead/.test(line)),
    );
    const left = async () => (await attributes("group"))?.["ApproximateNumberOfMessagesNotVisible"] === "0";
    await waitFor(left);
    expect(messages).toHaveLength(2);
    const kept = await broker({ messageReceiveLimit: 2, disableDeleteOnRetryLimit: true });
    const other = keeper(() => "retry");
    await kept.opened.subscribe(options("orders"), other.handler, {});
    await kept.opened.publish(toTopic("orders", "1"), {});
    await waitFor(() => other.messages.length === 4);
  });

  test("what fails messageReceiveLimit times goes to the dead letters", async () => {
    const { opened, attributes, receive } = await broker({ messageReceiveLimit: 2, sqsDeadLettersQueueName: "dead" });
    const { messages, handler } = keeper(() => "retry");
    await opened.subscribe(options("orders"), handler, {});
    const { RedrivePolicy = "" } = (await attributes("group")) ?? {};
    expect(JSON.parse(RedrivePolicy)).toMatchObject({
      deadLetterTargetArn: expect.stringMatching(/:dead$/),
      maxReceiveCount: 2,
    });
    await opened.publish(toTopic("orders", "1"), {});
    let dead: Message[] = [];
    await waitFor(async () => {
      dead = await receive("dead");
      return dead.length === 1;
    });
    expect(JSON.parse(dead[0]?.Body ?? "")).toMatchObject({ Message: "1" });
    expect(messages).toHaveLength(2);
  });

  test("messages of a topic that nobody subscribes to wait, and come when somebody does", async () => {
    const { opened } = await broker({ messageVisibilityTimeout: 30 });
    const first = await opened.subscribe(options("news"), never, {});
    await first.close();
    const orders = keeper();
    await opened.subscribe(options("orders"), orders.handler, {});
    await opened.publish(toTopic("news", "n"), {});
    await opened.publish(toTopic("orders", "o"), {});
    await waitFor(() => orders.texts().length === 1);
    const news = keeper();
    await opened.subscribe(options("news"), news.handler, {});
    await waitFor(() => news.texts().length === 1);
    expect([orders.texts(), news.texts()]).toEqual([["o"], ["n"]]);
  });

  test("a topic whose handlers are all at work does not hold up another one", async () => {
    const { opened } = await broker();
    let finish = () => {};
    const slow = keeper(() => new Promise((resolve) => (finish = () => resolve("ack"))));
    const closing = await opened.subscribe(options("slow", { concurrency: 1 }), slow.handler, {});
    const { handler, texts } = keeper();
    await opened.subscribe(options("quick"), handler, {});
    for (const text of ["1", "2", "3"]) await opened.publish(toTopic("slow", text), {});
    await waitFor(() => slow.messages.length === 1);
    for (const text of ["a", "b"]) await opened.publish(toTopic("quick", text), {});
    await waitFor(() => texts().length === 2);
    expect(slow.texts()).toHaveLength(1);
    const closed = closing.close();
    finish();
    await closed;
  });

  test("concurrencyMode single hands over one message at a time", async () => {
    const { opened } = await broker({ concurrencyMode: "single" });
    let [active, most, done] = [0, 0, 0];
    const handler: MessageHandler = async () => {
      active += 1;
      most = Math.max(most, active);
      await new Promise<void>((resolve) => setImmediate(resolve));
      active -= 1;
      done += 1;
      return "ack";
    };
    await opened.subscribe(options("orders"), handler, {});
    await opened.publishMany?.(
      Array.from({ length: 5 }, (_, n) => toTopic("orders", String(n))),
      {},
    );
    await waitFor(() => done === 5);
    expect(most).toBe(1);
  });

  test("with fifo the keys of a topic keep their order and do not wait for each other", async () => {
    const { opened } = await broker({ fifo: true });
    const seen: string[] = [];
    const { handler } = keeper(({ data, attempt }) => {
      const text = Buffer.from(data).toString();
      if (text === "a1" && attempt === 1) return "retry";
      seen.push(text);
      return "ack";
    });
    await opened.subscribe(options("orders", { order: "key", concurrency: 1 }), handler, {});
    for (const text of ["a1", "a2", "b1", "b2", "a3"]) {
      await opened.publish(toTopic("orders", text, { metadata: { partitionKey: text.slice(0, 1) } }), {});
    }
    await waitFor(() => seen.length === 5);
    const ofKey = (key: string) => seen.filter((text) => text.startsWith(key));
    expect([ofKey("a"), ofKey("b")]).toEqual([
      ["a1", "a2", "a3"],
      ["b1", "b2"],
    ]);
    expect(seen[0]).toBe("b1");
  });

  test("many large messages are published at once, in as many requests as they need, and one that is too large is named", async () => {
    const { opened } = await broker();
    const { messages, handler } = keeper();
    await opened.subscribe(options("orders"), handler, {});
    const large = Array.from({ length: 12 }, () => ({ ...toTopic("orders", ""), data: Buffer.alloc(100 * 1024, "x") }));
    const huge = { ...toTopic("orders", ""), data: Buffer.alloc(257 * 1024, "x") };
    const failed = await opened.publishMany?.([...large, huge], {});
    expect(failed).toMatchObject([
      {
        index: 12,
        cause: {
          reason: "badRequest",
          message: expect.stringMatching(/has 263168 bytes with its metadata; SNS takes at most 262144/),
        },
      },
    ]);
    await waitFor(() => messages.length === 12);
    await expect(opened.publish(huge, {})).rejects.toThrow(/SNS takes at most 262144/);
  });

  test("messages go on arriving after connections break, and none is lost", async () => {
    const place = await ownAws();
    const { port } = await startServer("moto");
    const proxy = await startTcpProxy(port);
    const { opened, log } = await broker(waiting, { ...place, endpoint: `http://127.0.0.1:${proxy.port}` });
    const { handler, texts } = keeper();
    await opened.subscribe(options("orders"), handler, {});
    const direct = await broker({}, place);
    const publish = async (from: number) => {
      for (let n = from; n < from + 10; n += 1) {
        await direct.opened.publish(toTopic("orders", String(n)), {});
        if (n % 5 === 0) proxy.cut();
      }
    };
    const has = (word: RegExp) => log.lines.some((line) => word.test(line));
    await publish(0);
    proxy.refuse(true);
    await publish(10);
    await waitFor(() => has(/^warn no messages come from queue group for now/));
    proxy.refuse(false);
    await publish(20);
    await waitFor(() => new Set(texts()).size === 30 && has(/^info the queue answers again/));
  });

  test("closing while messages wait gives them to the next member at once", async () => {
    const { opened, place } = await broker({ ...waiting, messageVisibilityTimeout: 30 });
    let finish = () => {};
    const first = keeper(() => new Promise((resolve) => (finish = () => resolve("ack"))));
    await opened.subscribe(options("orders", { concurrency: 1 }), first.handler, {});
    await opened.subscribe(options("others", { concurrency: 10 }), never, {});
    for (const text of ["1", "2", "3"]) await opened.publish(toTopic("orders", text), {});
    await waitFor(() => first.messages.length === 1);
    const closing = opened.close();
    finish();
    await closing;
    const again = await broker({}, place);
    const second = keeper();
    await again.opened.subscribe(options("orders"), second.handler, {});
    await waitFor(() => second.messages.length === 2);
    expect(second.texts().sort()).toEqual(["2", "3"]);
  });
});

describe.skipIf(isMissing)("the bindings of SQS and SNS", () => {
  const create = (data: string | Uint8Array, metadata = {}) => ({
    operation: "create",
    data: Buffer.from(data),
    metadata,
  });

  test("a message of SNS has the subject and the message of its payload", async () => {
    const { place, sns, sqs, urlOf, receive } = await broker();
    const { TopicArn = "" } = await sns.send(new CreateTopicCommand({ Name: "news" }));
    await sqs.send(new CreateQueueCommand({ QueueName: "inbox" }));
    expect(await urlOf("inbox")).toBeDefined();
    const Endpoint = `arn:aws:sqs:${place.region}:123456789012:inbox`;
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint }));
    const binding = await openDriver(snsBinding, { ...awsSettings(place), topicArn: TopicArn });
    await binding.invoke?.(create('{"message":{"n":1},"subject":"hello"}'), {});
    await binding.invoke?.(create("plain"), {});
    const bodies = (await receive("inbox")).map(({ Body = "" }) => JSON.parse(Body));
    expect(bodies).toMatchObject([{ Message: '{"n":1}', Subject: "hello" }, { Message: "plain" }]);
    await expect(binding.invoke?.(create(Buffer.from([0xff])), {})).rejects.toThrow(/SNS takes text that is not empty/);
    await expect(binding.invoke?.(create("x".repeat(262_145)), {})).rejects.toThrow(/SNS takes at most 262144/);
  });

  test("a message of SQS that the app fails to handle comes again, and what SQS cannot take is named", async () => {
    const { place, sqs } = await broker();
    await sqs.send(new CreateQueueCommand({ QueueName: "orders", Attributes: { VisibilityTimeout: "1" } }));
    const binding = await openDriver(sqsBinding, { ...awsSettings(place), queueName: "orders" });
    const seen: string[] = [];
    await binding.read?.(async ({ data }) => {
      seen.push(Buffer.from(data).toString());
      if (seen.length === 1) throw new Error("not now");
      return undefined;
    }, {});
    await binding.invoke?.(create("1"), {});
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(["1", "1"]);
    await expect(binding.invoke?.(create(""), {})).rejects.toThrow(
      /SQS takes text that is not empty; send bytes as base64/,
    );
    await expect(binding.invoke?.(create("1", { delaySeconds: "soon" }), {})).rejects.toThrow(
      /metadata delaySeconds: must be/,
    );
    await expect(binding.invoke?.(create("x".repeat(1_048_577)), {})).rejects.toThrow(/SQS takes at most 1048576/);
  });

  test("a FIFO queue takes messages with their group", async () => {
    const { place, sqs } = await broker();
    await sqs.send(new CreateQueueCommand({ QueueName: "orders.fifo", Attributes: { FifoQueue: "true" } }));
    const binding = await openDriver(sqsBinding, { ...awsSettings(place), queueName: "orders.fifo" });
    await expect(binding.invoke?.(create("1"), {})).rejects.toThrow(/messageGroupId: a FIFO queue needs it/);
    await binding.invoke?.(create("1", { messageGroupId: "g", messageDeduplicationId: "d" }), {});
  });
});
