import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import mqttBindings from "../../components/mqtt3/bindings.ts";
import mqttPubsub from "../../components/mqtt3/pubsub.ts";
import { keeper, options, toTopic } from "../conformance/pubsub-bench.ts";
import { bytes, fresh, toText } from "../conformance/target.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("mosquitto"));
const soon = { timeout: 10_000 };
const five = { protocolVersion: "5" };

const url = async () => String((await startServer("mosquitto")).settings["url"]);
const open = async (settings: object = {}, appId = fresh("app")) =>
  openDriver(mqttPubsub, { url: await url(), redeliverInterval: 50, ...settings }, openContext({ appId }));

/** Another client of the broker, with what it got. */
async function stranger(topic?: string): Promise<{ client: MqttClient; packets: IPublishPacket[] }> {
  const client = await mqtt.connectAsync((await url()).replace("tcp:", "mqtt:"), { protocolVersion: 5 });
  onTestFinished(() => client.endAsync());
  const packets: IPublishPacket[] = [];
  client.on("message", (_topic, _payload, packet) => packets.push(packet));
  if (topic !== undefined) await client.subscribeAsync(topic, { qos: 2 });
  return { client, packets };
}

describe.skipIf(isMissing)("what an MQTT broker is given", () => {
  test("is bytes in 3.1.1, and in 5 what the publisher says of them", async () => {
    const topic = fresh("t");
    const { packets } = await stranger(topic);
    const metadata = { color: "blue", ttlInSeconds: "60" };
    const message = { ...toTopic(topic, "1", { metadata }), contentType: "text/x" };
    await (await open()).publish(message, {});
    await (await open(five)).publish(message, {});
    await expect.poll(() => packets.length, soon).toBe(2);
    expect(packets[0]?.properties).toBeUndefined();
    expect(packets[1]?.properties).toMatchObject({
      contentType: "text/x",
      messageExpiryInterval: 60,
      userProperties: { color: "blue", messageID: expect.any(String) },
    });
    expect(packets.map(({ qos }) => qos)).toEqual([1, 1]);
  });

  test("is kept for those who come later with retain, unless the message says otherwise", async () => {
    const [plain, retaining] = [await open(), await open({ retain: true })];
    const [a, b, c, d] = [fresh("a"), fresh("b"), fresh("c"), fresh("d")];
    await plain.publish(toTopic(a, "1"), {});
    await plain.publish(toTopic(b, "1", { metadata: { retain: "true" } }), {});
    await retaining.publish(toTopic(c, "1"), {});
    await retaining.publish(toTopic(d, "1", { metadata: { retain: "false" } }), {});
    const { handler, messages } = keeper();
    for (const topic of [a, b, c, d]) await plain.subscribe(options(topic, { group: fresh("g") }), handler, {});
    await expect.poll(() => messages.map(({ topic }) => topic).toSorted(), soon).toEqual([b, c].toSorted());
    const wrong = plain.publish(toTopic(a, "1", { metadata: { retain: "yes" } }), {});
    await expect(wrong).rejects.toMatchObject({ reason: "requestMetadataInvalid" });
  });

  test.each(["0", "1", "2"])("travels with quality of service %s, in both directions", async (qos) => {
    const [broker, topic] = [await open({ qos }), fresh("t")];
    const { handler, texts } = keeper();
    await broker.subscribe(options(topic, { group: fresh("g"), concurrency: 3 }), handler, {});
    const sent = Array.from({ length: 50 }, (_, n) => String(n));
    await Promise.all(sent.map((text) => broker.publish(toTopic(topic, text), {})));
    await expect.poll(() => texts().length, soon).toBe(50);
    expect(texts()).toEqual(sent);
  });
});

describe.skipIf(isMissing)("the messages of an MQTT broker", () => {
  test("end where 5 says when they do", async () => {
    const [broker, topic, group] = [await open(five), fresh("t"), fresh("g")];
    const first = await broker.subscribe(options(topic, { group }), keeper().handler, {});
    await first.close();
    await broker.publish(toTopic(topic, "short", { metadata: { ttlInSeconds: "1" } }), {});
    await broker.publish(toTopic(topic, "long", { metadata: { ttlInSeconds: "100" } }), {});
    // The broker keeps the time, in whole seconds.
    const end = Date.now() + 2100;
    await expect.poll(() => Date.now() >= end, { timeout: 5000 }).toBe(true);
    const { handler, texts } = keeper();
    await broker.subscribe(options(topic, { group }), handler, {});
    await expect.poll(texts, soon).toEqual(["long"]);
  });

  test.each(["3.1.1", "5"])("of overlapping filters reach each of them once (%s)", async (protocolVersion) => {
    const [broker, prefix, group] = [await open({ protocolVersion }), fresh("t"), fresh("g")];
    const all = [keeper(), keeper(), keeper()];
    for (const [n, filter] of [`${prefix}/#`, `${prefix}/+`, `${prefix}/a`].entries()) {
      await broker.subscribe(options(filter, { group }), all[n]?.handler ?? keeper().handler, {});
    }
    for (const topic of ["a", "b", "b/c"]) await broker.publish(toTopic(`${prefix}/${topic}`, topic), {});
    await expect.poll(() => all.map(({ texts }) => texts()), soon).toEqual([["a", "b", "b/c"], ["a", "b"], ["a"]]);
  });

  test("of a shared topic are dealt out to clients of different names", async () => {
    const topic = fresh("t");
    const members = [keeper(), keeper()];
    for (const { handler } of members) {
      await (await open()).subscribe(options(`$share/workers/${topic}`, { group: fresh("g") }), handler, {});
    }
    const broker = await open();
    for (let n = 0; n < 20; n += 1) await broker.publish(toTopic(topic, String(n)), {});
    await expect.poll(() => members.flatMap(({ texts }) => texts()).length, soon).toBe(20);
    for (const { messages } of members) {
      expect(messages.length).toBeGreaterThan(0);
      expect(messages.every((message) => message.topic === topic)).toBe(true);
    }
  });

  test("come under the topic's name and with an id each, from others too", async () => {
    const [broker, topic] = [await open(), fresh("t")];
    const { handler, messages } = keeper();
    await broker.subscribe(options(`${topic}/#`, { group: fresh("g") }), handler, {});
    const { client } = await stranger();
    for (const text of ["same", "same", "other"]) await client.publishAsync(`${topic}/x`, text, { qos: 1 });
    await expect.poll(() => messages.length, soon).toBe(3);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(3);
    expect(messages.map(({ topic: at }) => at)).toEqual(Array(3).fill(`${topic}/x`));
  });

  test("in the order of the topic come one after another, one that failed before later ones", async () => {
    const [broker, topic] = [await open(), fresh("t")];
    const { handler, texts } = keeper(({ data, attempt }) => (toText(data) === "1" && attempt < 3 ? "retry" : "ack"));
    await broker.subscribe(options(topic, { group: fresh("g"), order: "topic", concurrency: 1 }), handler, {});
    for (const text of ["1", "2", "3"]) await broker.publish(toTopic(topic, text), {});
    await expect.poll(texts, soon).toEqual(["1", "1", "1", "2", "3"]);
  });
});

describe.skipIf(isMissing)("the session of an MQTT client", () => {
  test.each([
    ["keeps what comes while the client is away", false, ["1"]],
    ["is forgotten with cleanSession", true, []],
  ])("%s", async (_, cleanSession, kept) => {
    const [topic, group] = [fresh("t"), fresh("g")];
    const first = await open({ cleanSession });
    await first.subscribe(options(topic, { group }), keeper().handler, {});
    await first.close();
    const second = await open({ cleanSession });
    await second.publish(toTopic(topic, "1"), {});
    const { handler, texts } = keeper();
    await second.subscribe(options(topic, { group }), handler, {});
    await second.publish(toTopic(topic, "2"), {});
    await expect.poll(texts, soon).toEqual([...kept, "2"]);
  });

  test("holds messages of a topic until somebody subscribes it, and others go on meanwhile", async () => {
    const [a, b, group] = [fresh("a"), fresh("b"), fresh("g")];
    const first = await open();
    for (const topic of [a, b]) await first.subscribe(options(topic, { group }), keeper().handler, {});
    await first.close();
    const second = await open();
    for (const topic of [a, b]) await second.publish(toTopic(topic, topic), {});
    const [ofA, ofB] = [keeper(), keeper()];
    await second.subscribe(options(a, { group }), ofA.handler, {});
    await expect.poll(ofA.texts, soon).toEqual([a]);
    await second.publish(toTopic(a, "more"), {});
    await expect.poll(ofA.texts, soon).toEqual([a, "more"]);
    await second.subscribe(options(b, { group }), ofB.handler, {});
    await expect.poll(ofB.texts, soon).toEqual([b]);
  });

  test.each(["3.1.1", "5"])(
    "hands a message over once that is being handled while the connection breaks, and acknowledges it then (%s)",
    async (protocolVersion) => {
      const { port } = await startServer("mosquitto");
      const proxy = await startTcpProxy(port);
      const [topic, group] = [fresh("t"), fresh("g")];
      const log = new KeptLog();
      const given = { protocolVersion, url: `tcp://127.0.0.1:${proxy.port}` };
      const broker = await openDriver(mqttPubsub, given, openContext({ log }));
      const finish: (() => void)[] = [];
      const { handler, texts } = keeper(({ data }) =>
        toText(data)?.startsWith("slow") ? new Promise((resolve) => finish.push(() => resolve("ack"))) : "ack",
      );
      await broker.subscribe(options(topic, { group }), handler, {});
      for (const text of ["slow 1", "slow 2"]) await broker.publish(toTopic(topic, text), {});
      await expect.poll(texts, soon).toEqual(["slow 1", "slow 2"]);
      proxy.refuse(true);
      // One is done while there is nobody to tell, the other one after that.
      await expect.poll(() => log.lines.filter((line) => line.includes(" is lost: ")).length, soon).toBe(2);
      finish[0]?.();
      proxy.refuse(false);
      await broker.publish(toTopic(topic, "next"), {});
      await expect.poll(texts, soon).toEqual(["slow 1", "slow 2", "next"]);
      finish[1]?.();
      await broker.close();
      const again = keeper();
      const later = await open({ protocolVersion });
      await later.subscribe(options(topic, { group }), again.handler, {});
      await later.publish(toTopic(topic, "last"), {});
      await expect.poll(again.texts, soon).toEqual(["last"]);
    },
  );

  test("is told when another client has its name", async () => {
    const [topic, group] = [fresh("t"), fresh("g")];
    const log = new KeptLog();
    const given = { url: await url(), ...five };
    for (let n = 0; n < 2; n += 1) {
      const broker = await openDriver(mqttPubsub, given, openContext({ log }));
      await broker.subscribe(options(topic, { group }), keeper().handler, {});
    }
    const isTold = () => log.lines.some((line) => line.includes(`is another client named ${group}? Give each sidecar`));
    await expect.poll(isTold, soon).toBe(true);
  });
});

describe.skipIf(isMissing)("a broker that is away", () => {
  test("is told to who publishes in the time that the call has, and taken up again when it is back", async () => {
    const server = await startServer("mosquitto", { own: true });
    const broker = await openDriver(mqttPubsub, server.settings);
    const { handler, texts } = keeper();
    await broker.subscribe(options("t"), handler, {});
    await server.kill9();
    await expect(broker.publish(toTopic("t", "1"), {})).rejects.toMatchObject({ reason: "backendUnavailable" });
    await expect(broker.publish(toTopic("t", "1"), { signal: AbortSignal.timeout(100) })).rejects.toThrow();
    await server.restart();
    const published = () =>
      broker.publish(toTopic("t", "2"), {}).then(
        () => texts().length,
        () => 0,
      );
    await expect.poll(published, soon).toBeGreaterThan(0);
  });
});

describe.skipIf(isMissing)("the binding of MQTT", () => {
  const openBinding = async (settings: object = {}) => {
    const topic = fresh("t");
    const given = { url: await url(), topic, consumerID: fresh("c"), redeliverInterval: 20, ...settings };
    return { topic, binding: await openDriver(mqttBindings, given) };
  };
  const create = (metadata: Readonly<Record<string, string>> = {}) => ({
    operation: "create",
    data: bytes("hello"),
    metadata,
  });

  test("publishes to its topic, or to that of the request", async () => {
    const { binding, topic } = await openBinding(five);
    const { packets } = await stranger(`${topic}/#`);
    await binding.invoke?.(create({ color: "blue" }), {});
    await binding.invoke?.(create({ topic: `${topic}/x` }), {});
    await expect.poll(() => packets.map((packet) => packet.topic), soon).toEqual([topic, `${topic}/x`]);
    expect(packets[0]?.properties?.userProperties).toMatchObject({ color: "blue" });
    expect(packets[1]?.properties?.userProperties).not.toHaveProperty("topic");
    await expect(binding.invoke?.(create({ topic: "a/#" }), {})).rejects.toThrow(/holds \+ or #/);
  });

  test("says of an event which topic it came by, and gives one up after backOffMaxRetries", async () => {
    const { binding, topic } = await openBinding({ backOffMaxRetries: 2 });
    const events: unknown[] = [];
    await binding.read?.(async ({ data, metadata }) => {
      events.push([toText(data), metadata]);
      if (events.length < 4) throw new Error("not now");
      return undefined;
    }, {});
    await binding.invoke?.(create(), {});
    await expect.poll(() => events.length, soon).toBe(3);
    await binding.invoke?.(create(), {});
    await expect.poll(() => events, soon).toEqual(Array(4).fill(["hello", { topic }]));
  });
});
