import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Request } from "../../../../../sidecar/kernel/request.ts";
import { SubscribeTopicEventsRequestAlpha1Schema } from "../../../../../specs/gen/dapr/proto/runtime/v1/pubsub_pb.js";
import { FakeApp, FakeBroker, failureOf, type Given, openFakes, retryPolicy, settled } from "./fakes.ts";

type Sent =
  | {
      readonly initial: {
        readonly pubsubName?: string;
        readonly topic?: string;
        readonly metadata?: Record<string, string>;
        readonly deadLetterTopic?: string;
      };
    }
  | { readonly processed: { readonly id: string; readonly status?: number } };

const messageOf = (sent: Sent) =>
  create(SubscribeTopicEventsRequestAlpha1Schema, {
    subscribeTopicEventsRequestType:
      "initial" in sent
        ? { case: "initialRequest", value: sent.initial }
        : {
            case: "eventProcessed",
            value: {
              id: sent.processed.id,
              ...(sent.processed.status === undefined ? {} : { status: { status: sent.processed.status } }),
            },
          },
  });

/** The client's end of a stream. */
class Client {
  readonly received: string[] = [];
  readonly events: Record<string, unknown>[] = [];
  failure: unknown;
  over = false;
  readonly #outgoing: Sent[] = [];
  #wake = () => {};
  #done = false;
  leave = () => {};

  send(...messages: readonly Sent[]): Promise<void> {
    this.#outgoing.push(...messages);
    this.#wake();
    return settled();
  }

  halfClose(): Promise<void> {
    this.#done = true;
    this.#wake();
    return settled();
  }

  async *messages() {
    while (true) {
      for (const sent of this.#outgoing.splice(0)) yield messageOf(sent);
      if (this.#outgoing.length > 0) continue;
      if (this.#done) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async read(responses: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const response of responses) {
        const { case: kind, value } = (
          response as { subscribeTopicEventsResponseType: { case: string; value: Record<string, unknown> } }
        ).subscribeTopicEventsResponseType;
        this.received.push(kind === "eventMessage" ? `event ${value["id"]}` : kind);
        if (kind === "eventMessage") this.events.push(value);
      }
    } catch (error) {
      this.failure = error;
    }
    this.over = true;
  }
}

const streaming = (given: Given = {}) => {
  const fakes = openFakes({ app: null, ...given });
  const method = fakes.block.methods[2];
  if (!method) throw new Error("no method");
  /** Resolves when the first answer may be read. */
  const open = async (...first: readonly Sent[]) => {
    const client = new Client();
    void client.send(...first);
    const request = new Request("grpc", {}, (abort) => {
      client.leave = abort;
    });
    void client.read((await method.run(client.messages() as never, request)) as AsyncIterable<unknown>);
    await settled();
    return client;
  };
  const receive = async (...ids: readonly string[]) => {
    for (const id of ids)
      fakes.broker.deliver({
        topic: "t",
        data: Buffer.from(JSON.stringify({ id, data: "x", datacontenttype: "text/plain" })),
      });
    await settled();
  };
  return { ...fakes, method, open, receive };
};
const initial: Sent = { initial: { pubsubName: "ps", topic: "t" } };
const processed = (id: string, status?: number): Sent => ({
  processed: { id, ...(status === undefined ? {} : { status }) },
});

describe("the protocol", () => {
  test("initial_request is answered once the subscription stands, then events follow", async () => {
    const { open, receive, broker, method } = streaming();
    const client = await open(initial);
    expect([method.rpcs[0].name, client.received]).toEqual(["SubscribeTopicEventsAlpha1", ["initialResponse"]]);
    expect(broker.subscribed).toMatchObject([{ topic: "t", group: "app1" }]);
    await receive("1");
    expect(client.received).toEqual(["initialResponse", "event 1"]);
    expect(client.events[0]).toMatchObject({
      id: "1",
      topic: "t",
      pubsubName: "ps",
      path: "/",
      data: Buffer.from("x"),
    });
  });

  test.each<[string, Sent[], object]>([
    ["the first message is something else", [processed("1")], { reason: "streamProtocol", grpcCode: 3 }],
    ["the component is not named", [{ initial: { topic: "t" } }], { reason: "pubsubNameEmpty", grpcCode: 3 }],
    ["the topic is not named", [{ initial: { pubsubName: "ps" } }], { reason: "topicEmpty", grpcCode: 3 }],
    [
      "the component is unknown",
      [{ initial: { pubsubName: "no", topic: "t" } }],
      { reason: "pubsubNotFound", grpcCode: 3 },
    ],
    [
      "metadata is wrong",
      [{ initial: { pubsubName: "ps", topic: "t", metadata: { rawPayload: "x" } } }],
      { reason: "subscribeFailed" },
    ],
  ])("the stream is refused when %s", async (_, first, expected) => {
    expect(await failureOf(streaming().open(...first))).toMatchObject(expected);
  });

  test("the stream is refused when the scopes deny, or the broker does", async () => {
    const broker = new FakeBroker();
    const scoped = streaming({ declared: { ps: { broker, runtime: { subscriptionScopes: "app1=" } } } });
    expect(await failureOf(scoped.open(initial))).toMatchObject({ reason: "pubsubForbidden", grpcCode: 7 });
    const { open, broker: refusing, block } = streaming();
    refusing.refuseSubscribe = () => new Error("no");
    expect(await failureOf(open(initial))).toMatchObject({ reason: "subscribeFailed", grpcCode: 13 });
    expect(block.subscriptions()).toEqual([]);
  });

  test("a second initial_request ends the stream with an error, and what is owed stays with the broker", async () => {
    const { open, receive, broker } = streaming();
    const client = await open(initial);
    await receive("1");
    await client.send(initial);
    expect(client).toMatchObject({ over: true, failure: { reason: "streamProtocol" } });
    expect([broker.returned, broker.closed.length]).toEqual([["t/m1"], 1]);
  });

  test("a client that has left before the subscription stands leaves nothing behind", async () => {
    const { method, broker, block } = streaming();
    const client = new Client();
    void client.send(initial);
    const run = method.run(client.messages() as never, new Request("grpc", {}, (abort) => abort()));
    expect(await failureOf(run)).toMatchObject({ reason: "subscribeFailed" });
    expect([broker.closed.length, block.subscriptions()]).toEqual([broker.subscribed.length, []]);
  });

  test("a stream that ends before it begins is refused", async () => {
    const { method } = streaming();
    const empty = (async function* () {})();
    expect(await failureOf(method.run(empty as never, new Request("grpc", {}, () => {})))).toMatchObject({
      reason: "streamProtocol",
    });
  });
});

describe("replies", () => {
  test.each([
    ["SUCCESS", 0, { acknowledged: ["t/m1"], returned: [], dead: 0 }],
    ["no status", undefined, { acknowledged: ["t/m1"], returned: [], dead: 0 }],
    ["RETRY", 1, { acknowledged: [], returned: ["t/m1"], dead: 0 }],
    ["DROP", 2, { acknowledged: ["t/m1"], returned: [], dead: 0 }],
    ["an unknown status", 9, { acknowledged: [], returned: ["t/m1"], dead: 0 }],
  ])("%s", async (_, status, expected) => {
    const { open, receive, broker } = streaming();
    const client = await open(initial);
    await receive("1");
    await client.send(processed("1", status));
    expect({ acknowledged: broker.acknowledged, returned: broker.returned, dead: broker.published.length }).toEqual(
      expected,
    );
  });

  test("come in any order", async () => {
    const { open, receive, broker } = streaming();
    const client = await open(initial);
    await receive("1", "2", "3");
    await client.send(processed("3"), processed("1"));
    expect(broker.acknowledged).toEqual(["t/m3", "t/m1"]);
  });

  test("to two events of one id settle one each", async () => {
    const { open, receive, broker } = streaming();
    const client = await open(initial);
    await receive("1", "1");
    await client.send(processed("1"));
    expect(broker.acknowledged).toEqual(["t/m1"]);
    await client.send(processed("1"));
    expect(broker.acknowledged).toEqual(["t/m1", "t/m2"]);
  });

  test("to nothing change nothing", async () => {
    const { open, receive, broker } = streaming();
    const client = await open(initial);
    await client.send(processed("9"));
    await receive("1");
    await client.send(processed("1"), processed("1"));
    expect([broker.acknowledged, client.over]).toEqual([["t/m1"], false]);
  });

  test("that refuse go through the policy, then to the dead letter topic", async () => {
    const { open, receive, broker, clock } = streaming({ policy: (time) => retryPolicy(time, 1) });
    const client = await open({ initial: { pubsubName: "ps", topic: "t", deadLetterTopic: "dead" } });
    await receive("1");
    await client.send(processed("1", 1));
    await clock.advance(1000);
    expect(client.received.slice(1)).toEqual(["event 1", "event 1"]);
    await client.send(processed("1", 1));
    expect([broker.events("dead").map(({ id }) => id), broker.acknowledged]).toEqual([["1"], ["t/m1"]]);
  });
});

describe("the end of a stream", () => {
  test.each<[string, (client: Client) => unknown]>([
    ["the client leaves", (client) => client.leave()],
    ["the client closes its side", (client) => client.halfClose()],
  ])("when %s, what is owed stays with the broker, without dead letter", async (_, end) => {
    const { open, receive, broker, block } = streaming();
    const client = await open({ initial: { pubsubName: "ps", topic: "t", deadLetterTopic: "dead" } });
    await receive("1");
    await end(client);
    await settled();
    expect([broker.returned, broker.published, client.over, client.failure]).toEqual([["t/m1"], [], true, undefined]);
    expect([broker.closed.length, block.subscriptions()]).toEqual([1, []]);
  });

  test("shutdown waits for the replies that are owed", async () => {
    const { open, receive, broker, block } = streaming();
    const client = await open(initial);
    await receive("1");
    const closing = block.close();
    await settled();
    expect([client.over, broker.acknowledged]).toEqual([false, []]);
    await client.send(processed("1"));
    await closing;
    await settled();
    expect([client.over, client.failure, broker.acknowledged]).toEqual([true, undefined, ["t/m1"]]);
  });

  test("shutdown takes back after 30 s what is not replied to, and new streams are refused", async () => {
    const { open, receive, broker, block, clock } = streaming();
    const client = await open(initial);
    await receive("1");
    const closing = block.close();
    expect(await failureOf(open(initial))).toMatchObject({ reason: "shuttingDown" });
    await clock.advance(30_000);
    await closing;
    await settled();
    expect([client.over, broker.returned]).toEqual([true, ["t/m1"]]);
  });
});

describe("beside other subscriptions", () => {
  test("each stream has a broker subscription of its own", async () => {
    const { open, receive, broker, block } = streaming();
    const [one, two] = [await open(initial), await open(initial)];
    await receive("1");
    expect([one.received.length, two.received.length, broker.subscribed.length]).toEqual([2, 2, 2]);
    expect(block.subscriptions()).toMatchObject([
      { origin: "STREAMING", state: "attached", topic: "t" },
      { origin: "STREAMING", state: "attached", topic: "t" },
    ]);
    await one.halfClose();
    expect([two.over, broker.closed.length]).toEqual([false, 1]);
  });

  test("a declared subscription of the same topic stays", async () => {
    const { open, receive, app, block } = streaming({ app: new FakeApp(), subscriptions: [{}] });
    await block.start();
    const client = await open(initial);
    await receive("1");
    expect([client.received.length, app.ids]).toEqual([2, ["1"]]);
  });

  test("a stream goes on at a component that is opened anew, and what it owes to the old one is settled there", async () => {
    const { open, receive, broker, components, block } = streaming();
    const client = await open(initial);
    await receive("1");
    const next = new FakeBroker();
    components.open("ps", { broker: next });
    await settled();
    expect([next.subscribed.length, broker.closed.length]).toEqual([1, 0]);
    next.deliver({ topic: "t", data: Buffer.from('{"id":"2","data":"x"}') });
    await settled();
    expect(client.received).toEqual(["initialResponse", "event 1", "event 2"]);
    await client.send(processed("1"), processed("2"));
    expect([broker.acknowledged, broker.closed.length, next.acknowledged]).toEqual([["t/m1"], 1, ["t/m1"]]);
    expect(block.subscriptions()).toMatchObject([{ origin: "STREAMING", state: "attached" }]);
    await block.close();
    expect([client.over, next.closed.length]).toEqual([true, 1]);
  });
});
