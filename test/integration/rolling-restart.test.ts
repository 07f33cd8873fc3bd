import { describe, expect, test } from "vitest";
import { startHttpApp } from "../support/fake-app.ts";
import { requireService, startServer } from "../support/server.ts";
import { type RunningSidecar, startSidecar } from "../support/sidecar.ts";

const brokers = [
  { type: "pubsub.redis", service: "redis" },
  { type: "pubsub.postgresql", service: "postgres" },
] as const;
const missing = new Set<string>();
for (const { service } of brokers) if (!(await requireService(service))) missing.add(service);

const publishers = 16;
const restarts = 4;

/** An app that takes 5 ms for each event, and counts them and the dead letters. */
async function startApp() {
  const seen = new Map<string, number>();
  const dead: string[] = [];
  const { port } = await startHttpApp((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method !== "POST") return void response.writeHead(404).end();
      const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: string };
      if (request.url === "/dead") dead.push(data);
      else seen.set(data, (seen.get(data) ?? 0) + 1);
      setTimeout(() => response.end(), 5);
    });
  });
  return { port, seen, dead };
}

const resources = (type: string, settings: Readonly<Record<string, string>>) => ({
  "broker.yaml": `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: broker
spec:
  type: ${type}
  version: v1
  metadata: ${JSON.stringify(Object.entries(settings).map(([name, value]) => ({ name, value })))}
`,
  "subscriptions.yaml": ["events", "dead"]
    .map(
      (topic) => `apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: ${topic}
spec:
  pubsubname: broker
  topic: ${topic}
  routes:
    default: /${topic}
${topic === "events" ? "  deadLetterTopic: dead\n  delivery: {concurrency: 32, retry: {maxAttempts: 2, interval: 10ms}}\n" : ""}`,
    )
    .join("---\n"),
});

describe("sidecars that are restarted one after the other under load", { timeout: 120_000 }, () => {
  test.each(brokers.map((broker) => [broker.type, broker] as const))(
    "lose nothing and kill nothing over %s",
    async (_, { type, service }) => {
      if (missing.has(service)) return;
      const { settings } = await startServer(service, { own: true });
      const { port, seen, dead } = await startApp();
      const start = () => startSidecar({ appId: "worker", appPort: port, resources: resources(type, settings) });
      const sidecars: readonly RunningSidecar[] = await Promise.all([start(), start()]);
      let [next, isOver] = [0, false];
      const publish = async () => {
        while (!isOver) {
          const text = String(next++);
          for (let n = 0; ; n++) {
            const { url } = sidecars[n % sidecars.length] as RunningSidecar;
            const headers = { "content-type": "text/plain" };
            const answer = await fetch(`${url}/v1.0/publish/broker/events`, {
              method: "POST",
              headers,
              body: text,
            }).catch(() => undefined);
            await answer?.arrayBuffer().catch(() => undefined);
            if (answer?.ok) break;
          }
        }
      };
      const publishing = Promise.all(Array.from({ length: publishers }, publish));
      for (let n = 0; n < restarts; n++) await sidecars[n % sidecars.length]?.restart();
      isOver = true;
      await publishing;
      await expect.poll(() => seen.size, { timeout: 60_000 }).toBe(next);
      const twice = [...seen.values()].reduce((sum, times) => sum + times - 1, 0);
      expect(dead).toEqual([]);
      console.info(`${type}: ${next} messages through ${restarts} restarts: ${twice} came twice`);
      // A sidecar that is asked to stop lets what is with the app be settled.
      expect(twice).toBe(0);
      await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    },
  );
});
