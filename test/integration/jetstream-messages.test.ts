import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import type { IncomingMessage, Settle } from "../../components/contract/pubsub.ts";
import jetstream from "../../components/jetstream/pubsub.ts";
import { keeper, options, toTopic } from "../conformance/pubsub-bench.ts";
import { fresh, toText } from "../conformance/target.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, type Server, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("nats"));
const usual = { concurrency: "parallel", ackWait: 1000, backOff: ["50ms"] };

const open = (server: Server, more: Given = {}, log = new KeptLog()) =>
  openDriver(jetstream, { ...usual, ...server.settings, ...more }, openContext({ name: "broker", log }));
const until = (isMet: () => boolean | Promise<boolean>) => expect.poll(isMet).toBe(true);

/** Another client of the server. */
async function stranger(server: Server): Promise<NatsConnection> {
  const connection = await connect({ servers: `${server.host}:${server.port}` });
  onTestFinished(() => connection.close());
  return connection;
}
interface Answer {
  readonly error?: { readonly description: string };
  readonly config?: { readonly subjects?: readonly string[] };
  readonly state?: { readonly messages: number };
  readonly streams?: readonly string[];
}
const api = async (client: NatsConnection, name: string, body: object = {}) =>
  (await client.request(`$JS.API.${name}`, JSON.stringify(body))).json<Answer>();
const makeStream = (client: NatsConnection, name: string, more: object) =>
  api(client, `STREAM.CREATE.${name}`, { name, storage: "memory", ...more });

describe.skipIf(isMissing)("messages over JetStream", () => {
  test("carry the id of the event, its type and its metadata in headers, whatever that holds", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const topic = fresh("t");
    const broker = await open(server);
    const { messages, handler } = keeper();
    await broker.subscribe(options(topic), handler, {});
    const seen: Record<string, string[]>[] = [];
    client.subscribe(topic, {
      callback: (_, { headers: given }) => {
        seen.push(Object.fromEntries((given?.keys() ?? []).map((name) => [name, given?.values(name) ?? []])));
      },
    });
    await client.flush();
    const metadata = {
      color: "blü",
      "with space": "1",
      lines: "a\r\nb",
      "nats-rollup": "all",
      padded: " x ",
      none: "",
    };
    const event = Buffer.from('{"specversion":"1.0","id":"event-1","data":1}');
    const contentType = "application/cloudevents+json; charset=utf-8";
    await broker.publish({ topic, data: event, contentType, metadata }, {});
    await until(() => messages.length === 1 && seen.length === 1);
    expect(messages[0]).toMatchObject({ metadata, contentType });
    expect(seen[0]).toMatchObject({ "Nats-Msg-Id": ["event-1"], "Content-Type": [contentType], color: ["blü"] });
    expect(Object.keys(seen[0] ?? {})).not.toContain("nats-rollup");
  });

  test("of other clients arrive with their headers as metadata", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const topic = fresh("t");
    const broker = await open(server);
    const { messages, handler } = keeper();
    await broker.subscribe(options(topic), handler, {});
    const given = headers();
    given.append("Color", "blue");
    given.append("Color", "red");
    given.set("Nats-Msg-Id", "1");
    await client.request(topic, "hello", { headers: given, timeout: 5000 });
    await client.request(topic, "");
    await until(() => messages.length === 2);
    expect(messages[0]).toMatchObject({ metadata: { Color: "blue,red" }, topic });
    expect(messages[0]?.metadata).not.toHaveProperty("Nats-Msg-Id");
    expect(messages[1]?.metadata).toEqual({});
  });

  test("of one event id are kept once for each topic of a stream", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    await makeStream(client, name, { subjects: [`${topic}.>`] });
    const broker = await open(server);
    const event = { data: Buffer.from('{"id":"same"}'), contentType: "application/cloudevents+json", metadata: {} };
    for (const part of ["orders", "orders", "dead", "dead"]) {
      await broker.publish({ ...event, topic: `${topic}.${part}` }, {});
    }
    expect((await api(client, `STREAM.INFO.${name}`)).state?.messages).toBe(2);
  });

  test("larger than the server takes are refused, with what to do", async () => {
    const broker = await open(await startServer("nats"));
    const most = 1 << 20;
    for (const size of [most, 2 * most]) {
      const publishing = broker.publish({ topic: fresh("t"), data: Buffer.alloc(size), metadata: {} }, {});
      await expect(publishing).rejects.toThrow(/has \d+ bytes.* more than the 1048576 .* raise its max_payload/);
    }
    await broker.publish(toTopic(fresh("t"), "small"), {});
  });

  test.each(["", "a..b", ".a", "a b", "a.*", "a.>"])("cannot be published to the topic %j", async (topic) => {
    const broker = await open(await startServer("nats"));
    await expect(broker.publish(toTopic(topic, "1"), {})).rejects.toMatchObject({ reason: "malformedRequest" });
  });

  test("leave with the caller's deadline when the server is silent", async () => {
    const server = await startServer("nats");
    const proxy = await startTcpProxy(server.port);
    const broker = await open(server, { natsURL: `nats://127.0.0.1:${proxy.port}` });
    await broker.publish(toTopic("deadline", "1"), {});
    proxy.hold(true);
    const soon = () => ({ signal: AbortSignal.timeout(100) });
    await expect(broker.publish(toTopic("deadline", "2"), soon())).rejects.toThrow(/timeout/);
    await expect(broker.ping?.(soon())).rejects.toThrow(/timeout/);
    proxy.hold(false);
    await broker.publish(toTopic("deadline", "3"), {});
    await broker.ping?.({});
  });
});

describe.skipIf(isMissing)("streams of JetStream", () => {
  test("are used where they cover the topic, and made, with a word in the log, where none does", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    await makeStream(client, name, { subjects: [`${topic}.*`] });
    const log = new KeptLog();
    const broker = await open(server, {}, log);
    await broker.publish(toTopic(`${topic}.a`, "1"), {});
    expect(log.lines.join()).not.toContain("was made");
    expect((await api(client, `STREAM.INFO.${name}`)).state?.messages).toBe(1);
    await broker.publish(toTopic(`${topic}.a.b`, "1"), {});
    expect(log.lines.join()).toMatch(/info no stream kept topic .*; stream .* was made, createStreams: false prevents/);
  });

  test("are named by streamName, and those that Mecha made get further topics", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [own, others] = [fresh("s"), fresh("s")];
    await makeStream(client, others, { subjects: [fresh("t")] });
    const [one, two] = [fresh("t"), fresh("t")];
    const broker = await open(server, { streamName: own });
    for (const topic of [one, two]) await broker.publish(toTopic(topic, "1"), {});
    expect((await api(client, `STREAM.INFO.${own}`)).config?.subjects).toEqual([one, two]);
    const wrong = await open(server, { streamName: others });
    await expect(wrong.publish(toTopic(fresh("t"), "1"), {})).rejects.toThrow(
      new RegExp(`^streamName: stream ${others} does not keep topic .*; add it to the stream's subjects`),
    );
  });

  test("are not made where createStreams is false", async () => {
    const server = await startServer("nats");
    const broker = await open(server, { createStreams: false });
    const why = /no stream keeps topic .*, and createStreams is false; add one .*, or set createStreams to true/;
    await expect(broker.publish(toTopic(fresh("t"), "1"), {})).rejects.toThrow(why);
    await expect(broker.subscribe(options(fresh("t")), keeper().handler, {})).rejects.toThrow(why);
  });

  test("must keep all of a topic with a wildcard", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    await makeStream(client, name, { subjects: [`${topic}.a`] });
    const broker = await open(server);
    await expect(broker.subscribe(options(`${topic}.*`), keeper().handler, {})).rejects.toThrow(
      new RegExp(`no one stream keeps all of topic .*, parts of it are in ${name}`),
    );
    const nonsense = broker.subscribe(options("a.>.b"), keeper().handler, {});
    await expect(nonsense).rejects.toMatchObject({ reason: "malformedRequest" });
  });

  test("that are deleted are made again by those who publish and subscribe", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    const broker = await open(server, { streamName: name, heartbeat: 500 });
    const { texts, handler } = keeper();
    await broker.subscribe(options(topic), handler, {});
    await broker.publish(toTopic(topic, "1"), {});
    await until(() => texts().length === 1);
    await api(client, `STREAM.DELETE.${name}`);
    await broker.publish(toTopic(topic, "2"), {});
    await until(() => texts().length === 2);
  });
});

describe.skipIf(isMissing)("groups of JetStream", () => {
  const publishAll = async (broker: Awaited<ReturnType<typeof open>>, topic: string, texts: readonly string[]) => {
    for (const text of texts) await broker.publish(toTopic(topic, text), {});
  };

  test.each<[string, Given, readonly string[]]>([
    ["all", {}, ["1", "2", "3", "4"]],
    ["last", { deliverPolicy: "last" }, ["3", "4"]],
    ["new", { deliverPolicy: "new" }, ["4"]],
    ["sequence", { startSequence: 2 }, ["2", "3", "4"]],
    ["time", { deliverPolicy: "time", startTime: 1 }, ["1", "2", "3", "4"]],
  ])("start by the deliverPolicy %s, in order or not", async (_, settings, expected) => {
    const broker = await open(await startServer("nats"), settings);
    const topic = fresh("t");
    await publishAll(broker, topic, ["1", "2", "3"]);
    const [free, ordered] = [keeper(), keeper()];
    await broker.subscribe(options(topic, { group: "free" }), free.handler, {});
    await broker.subscribe(options(topic, { group: "ordered", order: "topic" }), ordered.handler, {});
    await publishAll(broker, topic, ["4"]);
    await until(() => free.texts().includes("4") && ordered.texts().includes("4"));
    expect(free.texts()).toEqual(expected);
    expect(ordered.texts()).toEqual(expected);
  });

  test("keep a message that is handled for longer than ackWait", async () => {
    const broker = await open(await startServer("nats"), { ackWait: 600 });
    const topic = fresh("t");
    let isDone = false;
    const { messages, handler } = keeper(async (): Promise<Settle> => {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      isDone = true;
      return "ack";
    });
    for (const _ of [1, 2]) await broker.subscribe(options(topic), handler, {});
    await publishAll(broker, topic, ["1"]);
    await until(() => isDone);
    expect(messages).toHaveLength(1);
  });

  test("drop a message after maxDeliver attempts, in order or not", async () => {
    const broker = await open(await startServer("nats"), { maxDeliver: 2 });
    const topic = fresh("t");
    const attempts: Record<string, number[]> = { free: [], ordered: [] };
    const failing = (group: string) => async (message: IncomingMessage) => {
      if (toText(message.data) === "end") return "ack" as const;
      attempts[group]?.push(message.attempt);
      return "retry" as const;
    };
    const last = keeper();
    await broker.subscribe(options(topic, { group: "free" }), failing("free"), {});
    await broker.subscribe(options(topic, { group: "ordered", order: "topic" }), failing("ordered"), {});
    await broker.subscribe(options(topic, { group: "last" }), last.handler, {});
    await publishAll(broker, topic, ["bad", "end"]);
    await until(() => attempts["free"]?.length === 2 && attempts["ordered"]?.length === 2);
    await publishAll(broker, topic, ["end"]);
    await until(() => last.messages.length === 3);
    expect(attempts).toEqual({ free: [1, 2], ordered: [1, 2] });
  });

  test("with ackPolicy none get each message once, handled or not", async () => {
    const broker = await open(await startServer("nats"), { ackPolicy: "none" });
    const topic = fresh("t");
    const { texts, handler } = keeper(() => "retry");
    await broker.subscribe(options(topic, { concurrency: 1 }), handler, {});
    await publishAll(broker, topic, ["1", "2", "3"]);
    await until(() => texts().length >= 3);
    expect(texts()).toEqual(["1", "2", "3"]);
  });

  test("handle one message at a time unless the component or the subscription says otherwise", async () => {
    const server = await startServer("nats");
    const most = async (settings: Given, metadata: Readonly<Record<string, string>>) => {
      const broker = await open(server, { ...settings, backOff: [] });
      const topic = fresh("t");
      await publishAll(broker, topic, ["1", "2", "3"]);
      let [active, highest, count] = [0, 0, 0];
      const handler = async () => {
        active += 1;
        highest = Math.max(highest, active);
        await new Promise((resolve) => setTimeout(resolve, 20));
        active -= 1;
        count += 1;
        return "ack" as const;
      };
      await broker.subscribe(options(topic, { metadata }), handler, {});
      await until(() => count === 3);
      return highest;
    };
    expect(await most({ concurrency: undefined }, {})).toBe(1);
    expect(await most({ concurrency: "single" }, { concurrency: "3" })).toBe(1);
    expect(await most({ concurrency: undefined }, { concurrency: "3" })).toBe(3);
  });

  test("read no more bits per second than rateLimit says", async () => {
    const broker = await open(await startServer("nats"), { rateLimit: 80_000 });
    const topic = fresh("t");
    for (let n = 0; n < 4; n += 1) await broker.publish({ topic, data: Buffer.alloc(2000), metadata: {} }, {});
    const times: number[] = [];
    const handler = async () => {
      times.push(performance.now());
      return "ack" as const;
    };
    await broker.subscribe(options(topic), handler, {});
    await until(() => times.length === 4);
    // Three times 16,000 bits after the first.
    expect((times[3] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(550);
  });

  test("share a durable consumer of the operator's, and say what is wrong with it", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    await makeStream(client, name, { subjects: [`${topic}.>`] });
    const make = (durable: string, more: object) => {
      const config = { durable_name: durable, ack_policy: "explicit", filter_subject: `${topic}.a`, ...more };
      return api(client, `CONSUMER.DURABLE.CREATE.${name}.${durable}`, { stream_name: name, config });
    };
    await make("good", { ack_wait: 7e9 });
    await make("pushing", { deliver_subject: "there" });
    await make("careless", { ack_policy: "none" });
    const subscribe = async (durableName: string, part: string) => {
      const broker = await open(server, { durableName, ackWait: undefined });
      const { handler, texts } = keeper();
      await broker.subscribe(options(`${topic}.${part}`), handler, {});
      await broker.publish(toTopic(`${topic}.${part}`, durableName), {});
      await until(() => texts().length > 0);
    };
    await subscribe("good", "a");
    expect(await api(client, `CONSUMER.INFO.${name}.good`)).toMatchObject({ config: { ack_wait: 7e9 } });
    await expect(subscribe("pushing", "a")).rejects.toThrow(/^durableName: consumer pushing of stream .* pushes/);
    await expect(subscribe("careless", "a")).rejects.toThrow(
      /^durableName: consumer careless .* has the ackPolicy none/,
    );
    await expect(subscribe("good", "b")).rejects.toThrow(
      /^durableName: consumer good .* reads .*a, not .*b; leave durable/,
    );
  });
});

describe.skipIf(isMissing)("order over JetStream", () => {
  const inOrder = (topic: string) => options(topic, { order: "key", concurrency: 8 });
  const send = async (broker: Awaited<ReturnType<typeof open>>, topic: string, from: number, to: number) => {
    for (let n = from; n < to; n += 1) {
      await broker.publish(toTopic(topic, String(n), { metadata: { partitionKey: `key${n % 3}` } }), {});
    }
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => String(from + n));

  test("goes on with another member when one vanishes without a word", async () => {
    const server = await startServer("nats");
    const proxy = await startTcpProxy(server.port);
    const topic = fresh("t");
    const [first, second] = [keeper(), keeper()];
    const lost = await open(server, { natsURL: `nats://127.0.0.1:${proxy.port}` });
    await lost.subscribe(inOrder(topic), first.handler, {});
    const broker = await open(server);
    await send(broker, topic, 0, 10);
    await until(() => first.messages.length === 10);
    await broker.subscribe(inOrder(topic), second.handler, {});
    proxy.refuse(true);
    await send(broker, topic, 10, 20);
    await until(() => second.messages.length === 10);
    expect([first.texts().sort(), second.texts()]).toEqual([numbers(0, 10), numbers(10, 20)]);
    proxy.refuse(false);
  });

  test("holds when a member that stood still comes back: it hears that another has taken over", async () => {
    const server = await startServer("nats");
    const proxy = await startTcpProxy(server.port);
    const topic = fresh("t");
    const log = new KeptLog();
    const slow = await open(server, { natsURL: `nats://127.0.0.1:${proxy.port}` }, log);
    let release = () => {};
    const stuck = keeper(() => new Promise((resolve) => (release = () => resolve("ack"))));
    await slow.subscribe(inOrder(topic), stuck.handler, {});
    const broker = await open(server);
    await send(broker, topic, 0, 1);
    await until(() => stuck.messages.length === 1);
    proxy.hold(true);
    const { messages, handler, texts } = keeper();
    await broker.subscribe(inOrder(topic), handler, {});
    await send(broker, topic, 1, 3);
    await until(() => messages.length === 3);
    expect(texts()).toEqual(["0", "1", "2"]);
    proxy.hold(false);
    release();
    await until(() => log.lines.some((line) => line.includes("another member has taken over")));
  });

  test("of a group that was without goes on where that was, and back again", async () => {
    const server = await startServer("nats");
    const broker = await open(server);
    const topic = fresh("t");
    const all: string[] = [];
    const take = async ({ data }: IncomingMessage) => {
      all.push(toText(data) ?? "");
      return "ack" as const;
    };
    for (const [at, order] of (["none", "key", "none", "topic"] as const).entries()) {
      const subscription = await broker.subscribe(options(topic, { order }), take, {});
      await send(broker, topic, at * 5, at * 5 + 5);
      await until(() => all.length >= at * 5 + 5);
      await subscription.close();
    }
    await send(broker, topic, 20, 21);
    await broker.subscribe(options(topic, { order: "key" }), take, {});
    await until(() => all.includes("20"));
    expect(all.map(Number).sort((left, right) => left - right)).toEqual(numbers(0, 21).map(Number));
  });

  test("loses nothing of a group whose place was made by a component that keeps its own in memory", async () => {
    const server = await startServer("nats", { own: true });
    const [topic, { texts, handler }] = [fresh("t"), keeper()];
    const forgetful = await open(server, { memoryStorage: true });
    await forgetful.subscribe(inOrder(fresh("t")), keeper().handler, {});
    const broker = await open(server, { deliverPolicy: "new" });
    const subscription = await broker.subscribe(inOrder(topic), handler, {});
    await send(broker, topic, 0, 3);
    await until(() => texts().length === 3);
    await subscription.close();
    await send(broker, topic, 3, 5);
    await server.kill9();
    await server.restart();
    const again = await open(server, { deliverPolicy: "new" });
    await again.subscribe(inOrder(topic), handler, {});
    await send(again, topic, 5, 6);
    await until(() => texts().length >= 6);
    expect(texts()).toEqual(numbers(0, 6));
  });

  test("goes on when the server has forgotten a stream that it kept in memory", async () => {
    const server = await startServer("nats", { own: true });
    const [topic, { texts, handler }] = [fresh("t"), keeper()];
    const broker = await open(server, { memoryStorage: true, heartbeat: 500 });
    await broker.subscribe(inOrder(topic), handler, {});
    await send(broker, topic, 0, 1);
    await until(() => texts().length === 1);
    await server.kill9();
    await server.restart();
    await send(broker, topic, 1, 2);
    await until(() => texts().includes("1"));
  });

  test("goes on when somebody has deleted the stream of places", { timeout: 60_000 }, async () => {
    // Its own server, because all others keep their places there.
    const server = await startServer("nats", { own: true });
    const client = await stranger(server);
    const [topic, { texts, handler }] = [fresh("t"), keeper()];
    const broker = await open(server);
    await broker.subscribe(inOrder(topic), handler, {});
    await send(broker, topic, 0, 1);
    await until(() => texts().length === 1);
    await api(client, "STREAM.DELETE.MECHA_GROUPS");
    await send(broker, topic, 1, 2);
    // A write that has no answer is given up after ten seconds.
    const isMade = async () => (await api(client, "STREAM.INFO.MECHA_GROUPS")).config !== undefined;
    await expect.poll(isMade, { timeout: 30_000 }).toBe(true);
    await send(broker, topic, 2, 3);
    await until(() => texts().includes("2"));
  });

  test("lets a member end while the server is away that cannot keep what it has handled", {
    timeout: 60_000,
  }, async () => {
    const server = await startServer("nats", { own: true });
    const topic = fresh("t");
    const broker = await open(server);
    let release = () => {};
    const { messages, handler } = keeper(() => new Promise((resolve) => (release = () => resolve("ack"))));
    const subscription = await broker.subscribe(inOrder(topic), handler, {});
    await send(broker, topic, 0, 1);
    await until(() => messages.length === 1);
    await server.kill9();
    release();
    await expect(subscription.close()).resolves.toBeUndefined();
  });

  test("needs a stream whose messages stay", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    await makeStream(client, name, { subjects: [topic], retention: "workqueue" });
    const broker = await open(server);
    await expect(broker.subscribe(inOrder(topic), keeper().handler, {})).rejects.toThrow(
      /^order needs messages that stay; stream .* has the retention workqueue: use a stream of retention limits/,
    );
  });

  test("begins anew with a stream that is made anew", async () => {
    const server = await startServer("nats");
    const client = await stranger(server);
    const [name, topic] = [fresh("s"), fresh("t")];
    const broker = await open(server, { streamName: name, heartbeat: 500 });
    const { texts, handler } = keeper();
    await broker.subscribe(inOrder(topic), handler, {});
    await send(broker, topic, 0, 3);
    await until(() => texts().length === 3);
    await api(client, `STREAM.DELETE.${name}`);
    await send(broker, topic, 3, 5);
    await until(() => texts().length === 5);
    expect(texts().slice(3)).toEqual(["3", "4"]);
  });
});
