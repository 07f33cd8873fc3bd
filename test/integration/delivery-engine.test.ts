import { describe, expect, test } from "vitest";
import { startHttpApp } from "../support/fake-app.ts";
import { type RunningSidecar, startSidecar } from "../support/sidecar.ts";

interface Arrived {
  readonly id: string;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** An app that keeps the events of topic `t` and answers as a test says. */
async function startApp() {
  const events: Arrived[] = [];
  const control = { answer: (_: Arrived): number | Promise<number> => 200 };
  const { port } = await startHttpApp((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      if (request.url !== "/events") return void response.writeHead(404).end();
      const { id, data } = JSON.parse(Buffer.concat(chunks).toString()) as { id: string; data: unknown };
      const event = { id, data, headers: request.headers };
      events.push(event);
      response.writeHead(await control.answer(event)).end();
    });
  });
  return { port, events, control };
}

const subscription = (delivery: object, pubsub = "pubsub") => `apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: orders
spec:
  pubsubname: ${pubsub}
  topic: t
  routes:
    default: /events
  delivery: ${JSON.stringify(delivery)}
`;

const component = (name: string, type: string, settings: Readonly<Record<string, string>> = {}) => `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${name}
spec:
  type: ${type}
  version: v1
  metadata: ${JSON.stringify(Object.entries(settings).map(([key, value]) => ({ name: key, value })))}
`;

const call = async ({ url }: RunningSidecar, verb: string, path: string, body?: unknown) => {
  const response = await fetch(`${url}${path}`, {
    method: verb,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
};
const until = (isMet: () => boolean | Promise<boolean>) =>
  expect.poll(isMet, { timeout: 20_000, interval: 20 }).toBe(true);

/** A sidecar with the embedded defaults and one subscription. */
async function start(delivery: object, resources: Readonly<Record<string, string>> = {}) {
  const app = await startApp();
  const sidecar = await startSidecar({
    appId: "worker",
    appPort: app.port,
    resources: {
      "broker.yaml": component("pubsub", "pubsub.sqlite"),
      "orders.yaml": subscription(delivery),
      ...resources,
    },
  });
  const parked = async () =>
    ((await call(sidecar, "GET", "/v1.0-alpha1/subscriptions/pubsub/t/parked"))["messages"] ?? []) as { id: string }[];
  return {
    ...app,
    sidecar,
    parked,
    publish: (data: unknown, query = "") => call(sidecar, "POST", `/v1.0/publish/pubsub/t?${query}`, data),
  };
}

describe("the delivery engine of a sidecar", { timeout: 60_000 }, () => {
  test("keeps parked messages through a kill, and redrives them", async () => {
    const { sidecar, events, control, parked, publish } = await start({ retry: { maxAttempts: 2, interval: "10ms" } });
    control.answer = ({ data }) => (String(data).startsWith("bad") ? 500 : 200);
    for (const data of ["bad1", "good", "bad2"]) await publish(data);
    await until(async () => (await parked()).length === 2);
    expect(events.map(({ headers }) => headers["mecha-delivery-attempt"]).sort()).toEqual(["1", "1", "1", "2", "2"]);
    expect(events[0]?.headers["mecha-delivery-maximum"]).toBe("2");
    await sidecar.kill9();
    await sidecar.restart();
    await until(async () => (await call(sidecar, "GET", "/v1.0/healthz")) !== undefined);
    control.answer = () => 200;
    await until(async () => {
      const { subscriptions } = await call(sidecar, "GET", "/v1.0-alpha1/subscriptions");
      return (subscriptions as { state: string }[])[0]?.state === "attached";
    });
    expect(await call(sidecar, "POST", "/v1.0-alpha1/subscriptions/pubsub/t/redrive", {})).toEqual({ delivered: 2 });
    expect(events.slice(-2).map(({ data }) => data)).toEqual(["bad1", "bad2"]);
    expect(await parked()).toEqual([]);
    await sidecar.stop();
  });

  test("publishes delayed messages when they are due, those of a killed sidecar too", async () => {
    const { sidecar, events, publish } = await start({});
    const accepted = Array.from({ length: 50 }, (_, n) => publish(n, `metadata.delay=${n % 2 === 0 ? "700ms" : "3s"}`));
    await Promise.all(accepted);
    expect(events).toEqual([]);
    await until(() => events.length === 25);
    await sidecar.kill9();
    await sidecar.restart();
    await until(() => new Set(events.map(({ data }) => data)).size === 50);
    await sidecar.stop();
  });

  test("a pause holds messages back, and nothing of them is lost", async () => {
    const { sidecar, events, publish } = await start({ paused: true });
    await publish(1);
    await call(sidecar, "POST", "/v1.0-alpha1/subscriptions/pubsub/t/resume");
    await until(() => events.length === 1);
    await call(sidecar, "POST", "/v1.0-alpha1/subscriptions/pubsub/t/pause");
    await publish(2);
    await call(sidecar, "POST", "/v1.0-alpha1/subscriptions/pubsub/t/resume");
    await until(() => events.length === 2);
    await sidecar.stop();
  });

  test("an effect is done once, though its sidecar is killed before the event is acknowledged", async () => {
    const store = { "store.yaml": component("store", "state.sqlite", { connectionString: "" }) };
    const broker = {
      "broker.yaml": component("pubsub", "pubsub.sqlite", { deliveryStore: "store", processingTimeout: "1s" }),
    };
    const { sidecar, events, control, publish } = await start({ dedupe: { key: "id" } }, { ...store, ...broker });
    let kills = 0;
    control.answer = async ({ headers }) => {
      const [item] = (await call(sidecar, "POST", "/v1.0/state/store/bulk", { keys: ["sum"] })) as unknown as {
        data?: number;
      }[];
      const operations = [{ operation: "upsert", request: { key: "sum", value: (item?.data ?? 0) + 1 } }];
      const metadata = { "mecha-dedupe-mark": headers["mecha-dedupe-mark"] };
      await call(sidecar, "POST", "/v1.0/state/store/transaction", { operations, metadata });
      // The effect is there, the acknowledgement is not.
      if (kills++ === 0) await sidecar.kill9();
      return 200;
    };
    await publish(1);
    await until(() => kills === 1 && sidecar.process.exitCode === null);
    await sidecar.restart();
    await publish(2);
    await until(
      async () =>
        events.some(({ data }) => data === 2) &&
        ((await call(sidecar, "GET", "/v1.0/state/store/sum")) as unknown) === 2,
    );
    expect(events.filter(({ data }) => data === 1)).toHaveLength(1);
    await sidecar.stop();
  });

  test("the same setting is understood from the metadata of an app's own subscription", async () => {
    const events: string[] = [];
    const { port } = await startHttpApp((request, response) => {
      if (request.url === "/dapr/subscribe") {
        response.setHeader("content-type", "application/json");
        const delivery = { order: "topic", retry: { interval: "5ms" } };
        return void response.end(JSON.stringify([{ pubsubname: "pubsub", topic: "t", route: "/events", delivery }]));
      }
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (request.url !== "/events") return void response.writeHead(404).end();
        events.push(String((JSON.parse(Buffer.concat(chunks).toString()) as { data: unknown }).data));
        response.writeHead(events.length === 1 ? 500 : 200).end();
      });
    });
    const resources = { "broker.yaml": component("pubsub", "pubsub.in-memory") };
    const sidecar = await startSidecar({ appId: "worker", appPort: port, resources });
    await until(async () => {
      const { subscriptions = [] } = await call(sidecar, "GET", "/v1.0-alpha1/subscriptions");
      return (subscriptions as { state: string }[])[0]?.state === "attached";
    });
    for (const n of [1, 2, 3]) await call(sidecar, "POST", "/v1.0/publish/pubsub/t", n);
    await until(() => events.length === 4);
    expect(events).toEqual(["1", "1", "2", "3"]);
    await sidecar.stop();
  });
});
