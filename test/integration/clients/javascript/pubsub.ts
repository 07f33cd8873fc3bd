import type { DaprClient } from "@dapr/dapr";
import type { App } from "./app.ts";
import { equal, hold, refused, step } from "./steps.ts";

/** The publish API and the app's subscriptions of one pubsub; step names begin with `type`. */
export async function pubsubSteps(client: DaprClient, app: App, pubsub: string, type: string): Promise<void> {
  const it = (name: string, run: () => Promise<void>) => step(`${type}: ${name}`, run);
  const publish = async (topic: string, data: object | string, options = {}) =>
    equal(await client.pubsub.publish(pubsub, topic, data, options), {});
  const next = (name: string) => app.inbox(`${pubsub}/${name}`).take();
  await it("a published object reaches the app", async () => {
    await publish("orders", { id: 1, text: "ä" });
    equal(await next("orders"), { id: 1, text: "ä" });
  });
  await it("a published text reaches the app", async () => {
    await publish("orders", "plain");
    equal(await next("orders"), "plain");
  });
  await it("a cloud event reaches the app", async () => {
    const event = { specversion: "1.0", id: "7", source: "me", type: "t", data: { id: 2 } };
    await publish("orders", event);
    equal(await next("orders"), { id: 2 });
  });
  await it("a raw payload reaches the app", async () => {
    await publish("raw", { id: 3 }, { metadata: { rawPayload: "true" } });
    equal(await next("raw"), { id: 3 });
  });
  await it("a message comes again when the app asks for it", async () => {
    await publish("again", { id: 4 });
    equal(await next("again"), { data: { id: 4 }, attempts: 2 });
  });
  await it("a dropped message goes to the dead letter topic", async () => {
    await publish("dropped", { id: 5 });
    equal(await next("dead"), { id: 5 });
  });
  await it("messages are routed by their type", async () => {
    const big = { specversion: "1.0", id: "8", source: "me", type: "com.example.big", data: { id: 6 } };
    await publish("routed", big);
    await publish("routed", { id: 7 });
    equal([await next("routed/big"), await next("routed/other")], [{ id: 6 }, { id: 7 }]);
  });
  await it("a bulk publish reaches a bulk subscription", async () => {
    const { failedMessages } = await client.pubsub.publishBulk(pubsub, "bulk", [{ id: 1 }, { id: 2 }, "three"]);
    equal(failedMessages, []);
    const got = [await next("bulk"), await next("bulk"), await next("bulk")];
    equal(got.map((one) => JSON.stringify(one)).sort(), ['"three"', '{"id":1}', '{"id":2}']);
  });
  await it("a bulk publish with its own entry ids is taken", async () => {
    const messages = [{ entryID: "a", event: { id: 9 }, contentType: "application/json" }];
    equal((await client.pubsub.publishBulk(pubsub, "orders", messages)).failedMessages, []);
    equal(await next("orders"), { id: 9 });
  });
  await it("a publish to an unknown pubsub is refused", () =>
    refused(client.pubsub.publish("absent", "orders", { id: 1 }), "absent"));
  await it("a bulk publish to an unknown pubsub fails for each message", async () => {
    const { failedMessages } = await client.pubsub.publishBulk("absent", "orders", [{ id: 1 }, { id: 2 }]);
    hold(failedMessages.length === 2, failedMessages);
  });
}
