import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import type { IncomingMessage } from "../../components/contract/pubsub.ts";
import { pluggableDriver } from "../../components/pluggable/driver.ts";
import { InputBinding } from "../../specs/gen/dapr/proto/components/v1/bindings_pb.js";
import { PubSub } from "../../specs/gen/dapr/proto/components/v1/pubsub_pb.js";
import { StateStore } from "../../specs/gen/dapr/proto/components/v1/state_pb.js";
import { exampleDriver } from "../conformance/pluggable.targets.ts";
import { keeper, options, toTopic } from "../conformance/pubsub-bench.ts";
import { toText } from "../conformance/target.ts";
import { FakeComponent, Refusal, type Stream } from "../support/fake-component.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { type Language, makeExample, requireExample } from "../support/pluggable.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** Messages that outlive the process that gives them out, as a queue server's would. */
class Backlog {
  readonly #waiting: string[] = [];
  readonly acknowledged: string[] = [];
  #wake = () => {};
  #next = 0;

  put(...texts: string[]): void {
    this.#waiting.push(...texts);
    this.#wake();
  }

  /** A stream as a component serves it: unanswered messages go back when it ends. */
  readonly serve: Stream = (stream) => {
    const held = new Map<string, string>();
    let isOver = false;
    const send = () => {
      if (isOver) return;
      for (let text = this.#waiting.shift(); text !== undefined; text = this.#waiting.shift()) {
        const id = String(this.#next++);
        held.set(id, text);
        stream.write({ id, messageId: id, data: Buffer.from(text) });
      }
    };
    const over = () => {
      isOver = true;
      this.#waiting.unshift(...held.values());
      held.clear();
      // By now there may be another stream.
      this.#wake();
    };
    this.#wake = send;
    stream.sendMetadata(stream.metadata.clone());
    stream.on("data", ({ ackMessageId, messageId, ackError, responseError }) => {
      const id = ackMessageId ?? messageId ?? "";
      const text = held.get(id);
      if (text === undefined) return;
      held.delete(id);
      if (ackError || responseError) this.put(text);
      else this.acknowledged.push(text);
    });
    stream.once("end", () => {
      over();
      stream.end();
    });
    stream.once("cancelled", over);
    send();
  };
}

async function startBroker(serve: Stream) {
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [PubSub],
    methods: { "PubSub.Init": () => ({}), "PubSub.Publish": () => ({}), "PubSub.PullMessages": serve },
  });
  await component.start();
  const log = new KeptLog();
  const driver = pluggableDriver("pubsub", "pubsub.fake", component.socket);
  const broker = (await openDriver(driver, {}, openContext({ log }))) as OpenedByKind["pubsub"];
  return { component, broker, log };
}

test("when its process comes back, Init is sent again before anything else", async () => {
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [StateStore],
    methods: { "StateStore.Init": () => ({}), "StateStore.Get": () => ({ data: Buffer.from("1") }) },
  });
  await component.start();
  const log = new KeptLog();
  const driver = pluggableDriver("state", "state.fake", component.socket);
  const store = (await openDriver(driver, { a: "1" }, openContext({ log }))) as OpenedByKind["state"];
  component.die();
  const reading = store.get("k", {}, {});
  await component.start();
  expect(toText((await reading)?.data)).toBe("1");
  expect(component.names()).toEqual(["StateStore.Init", "StateStore.Features", "StateStore.Init", "StateStore.Get"]);
  expect(component.calls[2]?.request).toEqual(component.calls[0]?.request);
  expect(log.lines.map((line) => line.split(" {")[0])).toEqual([
    "warn the process of a component is gone; waiting for it to come back",
    "info the process of a component is back",
  ]);
});

test("a call is told when its process stays away, and works when it is back", async () => {
  const { component, broker, log } = await startBroker(() => {});
  component.die();
  await expect.poll(() => log.lines.join()).toContain("is gone");
  const publish = (signal?: AbortSignal) => broker.publish(toTopic("t", "1"), { signal });
  await expect(publish(AbortSignal.timeout(50))).rejects.toMatchObject({ name: "TimeoutError" });
  await expect(publish()).rejects.toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringMatching(/its process at .*fake\.sock is gone/),
  });
  await expect(broker.ping?.({ signal: AbortSignal.timeout(50) })).rejects.toThrow();
  await component.start();
  await publish();
});

test("an Init that fails after a restart is told once and tried until it succeeds", async () => {
  let isBroken = false;
  const init = () => {
    if (isBroken) throw new Refusal(status.INTERNAL, "disk is full");
    return {};
  };
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [StateStore],
    methods: { "StateStore.Init": init, "StateStore.Get": () => ({}) },
  });
  await component.start();
  const log = new KeptLog();
  const driver = pluggableDriver("state", "state.fake", component.socket);
  const store = (await openDriver(driver, {}, openContext({ log }))) as OpenedByKind["state"];
  isBroken = true;
  component.die();
  await component.start();
  const inits = () => component.names().filter((name) => name === "StateStore.Init").length;
  await expect.poll(inits).toBeGreaterThanOrEqual(4);
  isBroken = false;
  await store.get("k", {}, {});
  expect(log.lines.filter((line) => line.includes("disk is full"))).toHaveLength(1);
});

test("of a thousand messages over ten deaths of the process none is lost", async () => {
  const backlog = new Backlog();
  const { component, broker } = await startBroker(backlog.serve);
  const seen = new Set<string>();
  let deliveries = 0;
  const handler = async ({ data }: IncomingMessage) => {
    deliveries += 1;
    seen.add(toText(data) ?? "");
    await new Promise<void>((resolve) => setImmediate(resolve));
    return "ack" as const;
  };
  await broker.subscribe(options("t", { concurrency: 20 }), handler, {});
  const sent = Array.from({ length: 1000 }, (_, n) => String(n));
  for (let death = 0; death < 10; death += 1) {
    backlog.put(...sent.slice(death * 100, death * 100 + 100));
    await expect.poll(() => backlog.acknowledged.length, { interval: 1 }).toBeGreaterThan(death * 100 + 50);
    component.die();
    await component.start();
  }
  await expect.poll(() => new Set(backlog.acknowledged).size).toBe(sent.length);
  expect([...seen].sort()).toEqual([...sent].sort());
  console.info(`1000 messages, 10 deaths: ${deliveries - sent.length} came twice`);
  // Again comes only what was not acknowledged when the process died.
  expect(deliveries - sent.length).toBeLessThanOrEqual(10 * 100);
});

test("a message in the handler when its process dies comes again", async () => {
  const backlog = new Backlog();
  const { component, broker } = await startBroker(backlog.serve);
  let finish = () => {};
  const { messages, handler, texts } = keeper(() =>
    messages.length > 1 ? "ack" : new Promise((resolve) => (finish = () => resolve("ack"))),
  );
  await broker.subscribe(options("t"), handler, {});
  backlog.put("1");
  await expect.poll(() => messages.length).toBe(1);
  component.die();
  await component.start();
  await expect.poll(texts).toEqual(["1", "1"]);
  finish();
  await expect.poll(() => backlog.acknowledged).toEqual(["1"]);
});

test("a stream that the process ends is opened again, with pauses that grow", async () => {
  let streams = 0;
  const { broker, log } = await startBroker((stream) => {
    streams += 1;
    stream.sendMetadata(stream.metadata.clone());
    setImmediate(() => stream.emit("error", new Refusal(status.INTERNAL, "shard moved")));
  });
  const started = performance.now();
  await broker.subscribe(options("t"), keeper().handler, {});
  await expect.poll(() => streams).toBe(4);
  expect(performance.now() - started).toBeGreaterThanOrEqual(200 + 400);
  expect(log.lines.join("\n")).toMatch(/warn the stream of topic t has ended and is opened again .*shard moved/);
});

test("a topic that the process refuses is refused to the subscriber", async () => {
  const { broker } = await startBroker((stream) => {
    stream.emit("error", new Refusal(status.INVALID_ARGUMENT, "there is no topic t"));
  });
  await expect(broker.subscribe(options("t"), keeper().handler, {})).rejects.toMatchObject({
    reason: "malformedRequest",
    message: expect.stringContaining("there is no topic t"),
  });
});

test("a process that says nothing before the first message is subscribed to all the same", async () => {
  const { component, broker } = await startBroker(() => {});
  await broker.subscribe(options("t", { metadata: { rawPayload: "true" } }), keeper().handler, {});
  expect(component.names()).toContain("PubSub.Ping");
});

test("a process that does not end a stream is not waited for", async () => {
  const { broker } = await startBroker((stream) => stream.sendMetadata(stream.metadata.clone()));
  const subscription = await broker.subscribe(options("t"), keeper().handler, {});
  await subscription.close();
});

test("no more messages are taken than are handled, so that the rest stays with the process", async () => {
  let written = 0;
  const { broker } = await startBroker((stream) => {
    stream.sendMetadata(stream.metadata.clone());
    const data = Buffer.alloc(10_000);
    const send = () => {
      while (written < 1000) {
        written += 1;
        if (!stream.write({ id: String(written), data })) return stream.once("drain", send);
      }
      return undefined;
    };
    send();
    stream.once("end", () => stream.end());
  });
  let finish = () => {};
  const held = new Promise<"ack">((resolve) => (finish = () => resolve("ack")));
  const { messages, handler } = keeper(() => held);
  await broker.subscribe(options("t", { concurrency: 3 }), handler, {});
  await expect.poll(() => messages.length).toBe(3);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect([messages.length, written < 1000]).toEqual([3, true]);
  finish();
  await expect.poll(() => messages.length).toBe(1000);
});

test("events of a binding are read on after its process came back", async () => {
  const backlog = new Backlog();
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [InputBinding],
    methods: { "InputBinding.Init": () => ({}), "InputBinding.Read": backlog.serve },
  });
  await component.start();
  const driver = pluggableDriver("bindings", "bindings.fake", component.socket);
  const binding = (await openDriver(driver, {})) as OpenedByKind["bindings"];
  const texts: string[] = [];
  await binding.read?.(async ({ data }) => {
    texts.push(toText(data) ?? "");
    return undefined;
  }, {});
  backlog.put("1");
  await expect.poll(() => backlog.acknowledged).toEqual(["1"]);
  component.die();
  backlog.put("2");
  await component.start();
  await expect.poll(() => backlog.acknowledged).toEqual(["1", "2"]);
  expect(texts).toContain("2");
});

const languages: readonly Language[] = ["python", "go"];
for (const language of languages) {
  const isMissing = !(await requireExample(language));
  describe.skipIf(isMissing)(`the example in ${language}`, () => {
    test.each(["kill9", "stop"] as const)("is found again after %s", async (end) => {
      const example = await makeExample(language);
      await example.start();
      const { socket } = example;
      const open = <K extends "state" | "pubsub">(kind: K) =>
        openDriver(pluggableDriver(kind, exampleDriver(kind, language).type, socket), {}) as Promise<OpenedByKind[K]>;
      const [store, broker] = [await open("state"), await open("pubsub")];
      const { handler, texts } = keeper();
      await broker.subscribe(options("t"), handler, {});
      await store.set("k", Buffer.from("1"), {}, {});
      await broker.publish(toTopic("t", "before"), {});
      await expect.poll(texts).toEqual(["before"]);
      await example[end]();
      await example.start();
      // Its memory is empty, as it says.
      expect(await store.get("k", {}, {})).toBeUndefined();
      await store.set("k", Buffer.from("2"), {}, {});
      expect(toText((await store.get("k", {}, {}))?.data)).toBe("2");
      await expect
        .poll(async () => {
          await broker.publish(toTopic("t", "after"), {});
          return texts();
        })
        .toContain("after");
    });
  });
}
