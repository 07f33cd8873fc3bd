import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { awsClient, awsSettings, ownAws } from "../support/aws.ts";
import { startHttpApp } from "../support/fake-app.ts";
import { requireService } from "../support/server.ts";
import { startSidecar } from "../support/sidecar.ts";

const isMissing = !(await requireService("moto"));

const component = (name: string, type: string, settings: Readonly<Record<string, string>>) =>
  stringify({
    apiVersion: "dapr.io/v1alpha1",
    kind: "Component",
    metadata: { name },
    spec: { type, version: "v1", metadata: Object.entries(settings).map(([key, value]) => ({ name: key, value })) },
  });

test.skipIf(isMissing)(
  "a sidecar that is killed loses no message and no value, and the keys of a topic keep their order",
  async () => {
    const place = await ownAws();
    const create = new CreateTableCommand({
      TableName: "items",
      KeySchema: [{ AttributeName: "key", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST",
    });
    await awsClient(DynamoDBClient, place).send(create);
    const seen: string[] = [];
    const app = await startHttpApp((request, response) => {
      if (request.url === "/dapr/subscribe") {
        response.setHeader("content-type", "application/json");
        const metadata = { order: "key", concurrency: "4" };
        response.end(JSON.stringify([{ pubsubname: "broker", topic: "orders", route: "/events", metadata }]));
        return;
      }
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (request.url === "/events") {
          seen.push(String((JSON.parse(Buffer.concat(chunks).toString()) as { data: unknown }).data));
        }
        response.end();
      });
    });
    await using sidecar = await startSidecar({
      appId: "shop",
      appPort: app.port,
      resources: {
        "broker.yaml": component("broker", "pubsub.snssqs", {
          ...awsSettings(place),
          fifo: "true",
          messageVisibilityTimeout: "1",
        }),
        "store.yaml": component("store", "state.aws.dynamodb", { ...awsSettings(place), table: "items" }),
      },
    });
    const publish = async (key: string, n: number) => {
      const headers = { "content-type": "text/plain" };
      const url = `${sidecar.url}/v1.0/publish/broker/orders?metadata.partitionKey=${key}`;
      return (await fetch(url, { method: "POST", headers, body: `${key}${n}` })).status;
    };
    const save = async (value: number, etag?: string) => {
      const body = JSON.stringify([{ key: "count", value, ...(etag === undefined ? {} : { etag }) }]);
      return (await fetch(`${sidecar.url}/v1.0/state/store`, { method: "POST", body })).status;
    };
    expect([await save(1), await save(2), await save(3, "stale")]).toEqual([204, 204, 409]);
    // A topic keeps nothing for those who are not there yet: the first one that arrives says that the app is.
    await expect
      .poll(async () => (await publish("first", 0)) === 204 && seen.length > 0, { timeout: 30_000 })
      .toBe(true);
    const keys = ["a", "b", "c"];
    for (let n = 0; n < 15; n += 1) for (const key of keys) expect(await publish(key, n)).toBe(204);
    await sidecar.kill9();
    await sidecar.restart();
    const firsts = () => [...new Set(seen)].filter((text) => /^[abc]/.test(text));
    await expect.poll(() => firsts().length, { timeout: 40_000 }).toBe(45);
    for (const key of keys) {
      const numbers = firsts()
        .filter((text) => text.startsWith(key))
        .map((text) => Number(text.slice(1)));
      expect(numbers).toEqual([...numbers].sort((left, right) => left - right));
    }
    expect(await (await fetch(`${sidecar.url}/v1.0/state/store/count`)).text()).toBe("2");
  },
);
