import { expect, test } from "vitest";
import { keeper, type OpenPubsub, options, toTopic } from "./pubsub-bench.ts";
import { fresh } from "./target.ts";

/** The cases of closing subscriptions and brokers. */
export function pubsubCloseCases(open: OpenPubsub): void {
  test("closing a subscription waits for the message that is being handled", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    let finish = () => {};
    const { messages, handler } = keeper(() => new Promise((resolve) => (finish = () => resolve("ack"))));
    const subscription = await opened.subscribe(options(topic), handler, {});
    await opened.publish(toTopic(topic, "1"), {});
    await until(() => messages.length === 1);
    let isClosed = false;
    const closing = subscription.close().then(() => {
      isClosed = true;
    });
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    finish();
    await closing;
  });

  test("a closed subscription gets nothing, and the group's next member gets what came meanwhile", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const [first, second] = [keeper(), keeper()];
    const subscription = await opened.subscribe(options(topic), first.handler, {});
    await opened.publish(toTopic(topic, "1"), {});
    await until(() => first.messages.length === 1);
    await subscription.close();
    await opened.publish(toTopic(topic, "2"), {});
    await opened.subscribe(options(topic), second.handler, {});
    await until(() => second.messages.length === 1);
    expect([first.texts(), second.texts()]).toEqual([["1"], ["2"]]);
  });

  test("messages that a closed subscription held unhandled go to the group's next member as first attempts", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    let finish = () => {};
    const first = keeper(() => new Promise((resolve) => (finish = () => resolve("ack"))));
    const subscription = await opened.subscribe(options(topic, { concurrency: 1 }), first.handler, {});
    for (const text of ["1", "2", "3"]) await opened.publish(toTopic(topic, text), {});
    await until(() => first.messages.length === 1);
    const closing = subscription.close();
    finish();
    await closing;
    const second = keeper();
    await opened.subscribe(options(topic, { concurrency: 1 }), second.handler, {});
    await until(() => second.messages.length === 2, 60_000);
    expect(second.texts()).toEqual(["2", "3"]);
    expect(second.messages.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  test("a message that was to come again goes to the group's next member, with its attempts counted", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    const [first, second] = [keeper(() => "retry"), keeper()];
    const subscription = await opened.subscribe(options(topic), first.handler, {});
    await opened.publish(toTopic(topic, "1"), {});
    await until(() => first.messages.length === 1);
    await subscription.close();
    await opened.subscribe(options(topic), second.handler, {});
    await until(() => second.messages.length === 1, 60_000);
    expect(second.messages[0]).toMatchObject({ id: first.messages[0]?.id, attempt: 2 });
  });

  test("closing twice is closing once, for a subscription and for the broker", async () => {
    const { opened } = await open();
    const subscription = await opened.subscribe(options(fresh("t")), keeper().handler, {});
    await subscription.close();
    await subscription.close();
    await opened.subscribe(options(fresh("t")), keeper().handler, {});
    await opened.close();
    await opened.close();
  });
}

/** The cases of a broker that keeps messages. */
export function pubsubDurableCases(
  open: OpenPubsub,
  { forgetsUnheard = false }: { readonly forgetsUnheard?: boolean },
): void {
  test.skipIf(forgetsUnheard)("messages published before a topic's first group are delivered to it", async () => {
    const { opened, until } = await open();
    const topic = fresh("t");
    for (const text of ["1", "2"]) await opened.publish(toTopic(topic, text), {});
    const { handler, texts } = keeper();
    await opened.subscribe(options(topic, { concurrency: 1 }), handler, {});
    await until(() => texts().length === 2);
    expect(texts()).toEqual(["1", "2"]);
  });

  test("messages outlive the broker's closing", async () => {
    const { opened, reopen, until } = await open();
    const topic = fresh("t");
    const first = keeper();
    await opened.subscribe(options(topic), first.handler, {});
    await opened.publish(toTopic(topic, "1"), {});
    await until(() => first.messages.length === 1);
    await opened.close();
    const again = await reopen();
    await again.publish(toTopic(topic, "2"), {});
    await again.close();
    const second = keeper();
    await (await reopen()).subscribe(options(topic), second.handler, {});
    await until(() => second.messages.length === 1);
    expect([first.texts(), second.texts()]).toEqual([["1"], ["2"]]);
  });

  test("a message that was to come again comes after a restart, with its attempts counted", async () => {
    const { opened, reopen, until } = await open();
    const topic = fresh("t");
    const [first, second] = [keeper(() => "retry"), keeper()];
    await opened.subscribe(options(topic), first.handler, {});
    await opened.publish(toTopic(topic, "1"), {});
    await until(() => first.messages.length === 1);
    await opened.close();
    await (await reopen()).subscribe(options(topic), second.handler, {});
    await until(() => second.messages.length === 1, 120_000);
    expect(second.messages[0]).toMatchObject({ id: first.messages[0]?.id, attempt: 2 });
  });
}
