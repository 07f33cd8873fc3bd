import { describe, expect, test } from "vitest";
import redisPubsub from "../../components/redis/pubsub.ts";
import { startHttpApp } from "../support/fake-app.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startSidecar } from "../support/sidecar.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("redis"));
const messageCount = 10_000;
const publishers = 32;
const concurrency = 32;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Publishes numbers, each until it is acknowledged, several at once. */
async function publishAll(publish: (text: string) => Promise<void>, onProgress: (done: number) => void): Promise<void> {
  let [next, done] = [0, 0];
  const one = async () => {
    while (next < messageCount) {
      const text = String(next);
      next += 1;
      for (;;) {
        const isTaken = await publish(text).then(
          () => true,
          () => false,
        );
        if (isTaken) break;
        await pause(20);
      }
      done += 1;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: publishers }, one));
}

/** Counts what arrives. */
function counter() {
  const seen = new Map<string, number>();
  return {
    add: (text: string) => void seen.set(text, (seen.get(text) ?? 0) + 1),
    isComplete: () => seen.size === messageCount,
    missing: () => Array.from({ length: messageCount }, (_, n) => String(n)).filter((text) => !seen.has(text)),
    duplicates: () => [...seen.values()].reduce((sum, times) => sum + times - 1, 0),
  };
}

describe.skipIf(isMissing)("pubsub.redis through faults", { timeout: 180_000 }, () => {
  test("no acknowledged message is lost over a server that crashes thrice and connections that break", async () => {
    const server = await startServer("redis", { own: true });
    const proxy = await startTcpProxy(server.port);
    const quick = {
      redisMinRetryInterval: 5,
      redisMaxRetryInterval: 50,
      redeliverInterval: 200,
      processingTimeout: 2000,
    };
    const broker = await openDriver(redisPubsub, { redisHost: `127.0.0.1:${proxy.port}`, ...quick });
    const { add, isComplete, missing, duplicates } = counter();
    const handler = async ({ data }: { data: Uint8Array }) => {
      add(Buffer.from(data).toString());
      return "ack" as const;
    };
    await broker.subscribe({ topic: "t", group: "g", metadata: {}, concurrency }, handler, {});

    let faults = 0;
    const faultAt = (done: number) => {
      if (done % 500 !== 0) return;
      faults += 1;
      proxy.cut();
      if (done % 2500 === 0 && done < messageCount) void server.kill9().then(() => server.restart());
    };
    await publishAll((text) => broker.publish({ topic: "t", data: Buffer.from(text), metadata: {} }, {}), faultAt);
    await expect
      .poll(isComplete, { timeout: 30_000 })
      .toBe(true)
      .catch(() => {});

    expect(missing()).toEqual([]);
    // Twice comes only what was on its way when something broke.
    expect(duplicates()).toBeLessThanOrEqual((faults + 3) * (publishers + concurrency));
    console.info(`${messageCount} messages, ${faults} cuts, 3 crashes: ${duplicates()} came twice`);
  });

  test("no acknowledged message is lost over a sidecar that is killed thrice", async () => {
    const { settings } = await startServer("redis", { own: true });
    const { add, isComplete, missing, duplicates } = counter();
    const app = await startHttpApp((request, response) => {
      if (request.url === "/dapr/subscribe") {
        const metadata = { concurrency: String(concurrency) };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify([{ pubsubname: "broker", topic: "t", route: "/events", metadata }]));
        return;
      }
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (request.url === "/events")
          add(String((JSON.parse(Buffer.concat(chunks).toString()) as { data: unknown }).data));
        response.end();
      });
    });
    await using sidecar = await startSidecar({
      appId: "worker",
      appPort: app.port,
      resources: { "broker.yaml": brokerYaml({ ...settings, redeliverInterval: "200ms", processingTimeout: "1s" }) },
    });
    const publish = async (text: string) => {
      const headers = { "content-type": "text/plain" };
      const answer = await fetch(`${sidecar.url}/v1.0/publish/broker/t`, { method: "POST", headers, body: text });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(String(answer.status));
    };
    let restarts = Promise.resolve();
    const killAt = (done: number) => {
      if (done % 2500 !== 0 || done === messageCount) return;
      restarts = restarts.then(() => sidecar.kill9()).then(() => sidecar.restart());
    };
    await publishAll(publish, killAt);
    await restarts;
    await expect
      .poll(isComplete, { timeout: 30_000 })
      .toBe(true)
      .catch(() => {});

    expect(missing()).toEqual([]);
    expect(duplicates()).toBeLessThanOrEqual(3 * (publishers + concurrency));
    console.info(`${messageCount} messages, 3 kills of the sidecar: ${duplicates()} came twice`);
  });
});

const brokerYaml = (settings: Readonly<Record<string, string>>) => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: broker
spec:
  type: pubsub.redis
  version: v1
  metadata:
${Object.entries(settings)
  .map(([name, value]) => `    - name: ${name}\n      value: ${JSON.stringify(value)}`)
  .join("\n")}
`;
