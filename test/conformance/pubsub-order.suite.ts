import { expect, test } from "vitest";
import type { IncomingMessage, Order } from "../../components/contract/pubsub.ts";
import { keeper, type OpenPubsub, options, toTopic } from "./pubsub-bench.ts";
import { fresh, toText } from "./target.ts";

type Text = string | undefined;
const keyOf = ({ key, metadata }: IncomingMessage): Text => key ?? metadata["partitionKey"];

/** The cases of brokers that keep the order across the members of a group. */
export function pubsubOrderCases(open: OpenPubsub): void {
  test("a message arrives with the partition key of its publication", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const { messages, handler } = keeper();
    await opened.subscribe(options(topic, { order: "key" }), handler, {});
    await opened.publish(toTopic(topic, "1", { metadata: { partitionKey: "blue" } }), {});
    await until(() => messages.length === 1);
    expect(messages.map(keyOf)).toEqual(["blue"]);
  });

  test.each<[Order, (message: IncomingMessage) => Text]>([
    ["key", keyOf],
    ["topic", () => ""],
  ])(
    "in the order of the %s no two members hold messages of one queue, and each queue keeps its order",
    async (order, queueOf) => {
      const { opened, until } = await open();
      const topic = fresh("t");
      const seen: { readonly queue: Text; readonly n: number }[] = [];
      const mixed: string[] = [];
      const holders = new Map<Text, { member: number; count: number }>();
      const member = (self: number) => async (message: IncomingMessage) => {
        const queue = queueOf(message);
        const holder = holders.get(queue) ?? { member: self, count: 0 };
        if (holder.count > 0 && holder.member !== self) mixed.push(`${queue}: ${holder.member} and ${self}`);
        holders.set(queue, { member: self, count: holder.count + 1 });
        seen.push({ queue, n: Number(toText(message.data)) });
        await new Promise<void>((resolve) => setImmediate(resolve));
        const held = holders.get(queue);
        if (held) held.count -= 1;
        return "ack" as const;
      };
      for (const self of [1, 2, 3]) await opened.subscribe(options(topic, { order, concurrency: 4 }), member(self), {});
      const count = 120;
      for (let n = 0; n < count; n += 1) {
        await opened.publish(toTopic(topic, String(n), { metadata: { partitionKey: `key-${n % 5}` } }), {});
      }
      await until(() => seen.length >= count, 60_000);
      expect(mixed).toEqual([]);
      for (const queue of new Set(seen.map((one) => one.queue))) {
        const numbers = seen.filter((one) => one.queue === queue).map(({ n }) => n);
        expect(numbers).toEqual([...numbers].sort((left, right) => left - right));
      }
      expect(seen).toHaveLength(count);
    },
  );

  test.each<Order>(["key", "topic"])(
    "in the order of the %s a message that is not acknowledged comes again before later ones",
    async (order) => {
      const { opened, until } = await open();
      const topic = fresh("t");
      const { handler, texts } = keeper(({ data, attempt }) =>
        toText(data) === "first" && attempt === 1 ? "retry" : "ack",
      );
      await opened.subscribe(options(topic, { order, concurrency: 1 }), handler, {});
      for (const text of ["first", "second", "third"]) {
        await opened.publish(toTopic(topic, text, { metadata: { partitionKey: "blue" } }), {});
      }
      await until(() => texts().length >= 4, 60_000);
      expect(texts()).toEqual(["first", "first", "second", "third"]);
    },
  );

  test("the queues of a member that leaves go on with another one, in their order", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const arrived: number[] = [];
    const handler = async ({ data }: IncomingMessage) => {
      arrived.push(Number(toText(data)));
      return "ack" as const;
    };
    const options1 = options(topic, { order: "key", concurrency: 1 });
    const leaving = await opened.subscribe(options1, handler, {});
    await opened.subscribe(options1, handler, {});
    const sent = Array.from({ length: 40 }, (_, n) => n);
    const send = (n: number) => opened.publish(toTopic(topic, String(n), { metadata: { partitionKey: "blue" } }), {});
    for (const n of sent.slice(0, 20)) await send(n);
    await until(() => arrived.length >= 20, 60_000);
    await leaving.close();
    for (const n of sent.slice(20)) await send(n);
    await until(() => arrived.length >= 40, 60_000);
    expect(arrived).toEqual(sent);
  });

  test.each<Order>(["key", "topic"])(
    "in the order of the %s what a closed member held unhandled goes to the next one in its order, as first attempts",
    async (order) => {
      const { opened, until } = await open();
      const topic = fresh("t");
      const opts = options(topic, { order, concurrency: 1 });
      let finish = () => {};
      const first = keeper(() => new Promise((resolve) => (finish = () => resolve("ack"))));
      const leaving = await opened.subscribe(opts, first.handler, {});
      const send = (text: string) => opened.publish(toTopic(topic, text, { metadata: { partitionKey: "blue" } }), {});
      for (const text of ["1", "2", "3"]) await send(text);
      await until(() => first.messages.length === 1, 60_000);
      const closing = leaving.close();
      finish();
      await closing;
      await send("4");
      const second = keeper();
      await opened.subscribe(opts, second.handler, {});
      await until(() => second.messages.length === 3, 60_000);
      expect(second.texts()).toEqual(["2", "3", "4"]);
      expect(second.messages.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    },
  );
}
