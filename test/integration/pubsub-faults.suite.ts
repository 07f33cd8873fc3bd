// What every broker must outlive: its server crashing, connections breaking, the sidecar being killed.
import { describe, expect, test } from "vitest";
import type { IncomingMessage, PubsubDriver } from "../../components/contract/pubsub.ts";
import { openBench } from "../conformance/target.ts";
import { startHttpApp } from "../support/fake-app.ts";
import { requireService, type Server, startServer } from "../support/server.ts";
import { startSidecar } from "../support/sidecar.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

type Texts = Readonly<Record<string, string>>;

export interface PubsubFaults {
  readonly driver: PubsubDriver;
  /** Name of the service, and one of its variants; absent: the broker is in the sidecar, which alone can be killed. */
  readonly service?: string;
  readonly variant?: string;
  /** Metadata of the component for this server, reached by this port: the server's own, or that of a proxy before it. */
  readonly settings: (server: Pick<Server, "host" | "port" | "settings">, port: number) => Texts;
  /** Clients find the server by the address it tells them, so that no proxy can stand between; its connections only break by crashes. */
  readonly isDirect?: boolean;
  /** The server keeps what it has acknowledged only when it ends in order: it is asked to instead of being killed. */
  readonly isAskedToEnd?: boolean;
  /** With these settings the driver keeps no order. */
  readonly isUnordered?: boolean;
}

const messageCount = 10_000;
const publishers = 32;
const concurrency = 32;
const keys = 20;

const noServer = { host: "", port: 0, settings: {} };

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Publishes `key:number` in the order of each key, each until it is acknowledged, the keys at once. */
async function publishAll(
  publish: (key: string, text: string) => Promise<void>,
  onProgress: (done: number) => void,
): Promise<void> {
  let done = 0;
  const one = async (key: string) => {
    for (let n = 0; n < messageCount / keys; n += 1) {
      const taken = () =>
        publish(key, `${key}:${n}`).then(
          () => true,
          () => false,
        );
      while (!(await taken())) await pause(20);
      done += 1;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: keys }, (_, n) => one(`key${n}`)));
}

/** Counts what arrives. */
function counter() {
  const seen = new Map<string, number>();
  const firsts = new Map<string, number[]>();
  return {
    add: (text: string) => {
      const times = (seen.get(text) ?? 0) + 1;
      seen.set(text, times);
      if (times > 1) return;
      const [key = "", n] = text.split(":");
      firsts.set(key, [...(firsts.get(key) ?? []), Number(n)]);
    },
    isComplete: () => seen.size === messageCount,
    missing: () => messageCount - seen.size,
    duplicates: () => [...seen.values()].reduce((sum, times) => sum + times - 1, 0),
    /** Keys whose messages did not first arrive in the order of their publication. */
    disordered: () =>
      [...firsts].filter(([, numbers]) => numbers.some((n, at) => at > 0 && n < (numbers[at - 1] ?? 0))),
  };
}

const textOf = ({ data }: Pick<IncomingMessage, "data">) => Buffer.from(data).toString();

/** Runs the cases over one broker. */
export async function pubsubFaultSuite(target: PubsubFaults): Promise<void> {
  const { driver, service, variant } = target;
  const isMissing = service !== undefined && !(await requireService(service));
  const isOrdered = driver.capabilities.includes("ordering") && !target.isUnordered;
  const order = isOrdered ? ({ order: "key" } as const) : {};
  const startOwn = (name: string) => startServer(name, { own: true, ...(variant === undefined ? {} : { variant }) });
  const waitFor = async (isMet: () => boolean) => {
    await expect
      .poll(isMet, { timeout: 60_000 })
      .toBe(true)
      .catch(() => {});
  };

  describe.skipIf(isMissing)(`${driver.type} through faults`, { timeout: 180_000 }, () => {
    if (service !== undefined) {
      test("no acknowledged message is lost over a server that crashes thrice and connections that break", async () => {
        const server = await startOwn(service);
        const proxy = target.isDirect ? undefined : await startTcpProxy(server.port);
        const settings = () => target.settings(server, proxy?.port ?? server.port);
        const { opened: broker } = await openBench({ driver, settings, time: "backend" });
        const { add, isComplete, missing, duplicates, disordered } = counter();
        const handler = async (message: IncomingMessage) => {
          add(textOf(message));
          return "ack" as const;
        };
        await broker.subscribe({ topic: "t", group: "g", metadata: {}, concurrency, ...order }, handler, {});
        let faults = 0;
        const faultAt = (done: number) => {
          if (done % 500 !== 0) return;
          faults += 1;
          proxy?.cut();
          const isEnding = done % 2500 === 0 && done < messageCount;
          if (isEnding) void (target.isAskedToEnd ? Promise.resolve() : server.kill9()).then(() => server.restart());
        };
        const publish = (key: string, text: string) =>
          broker.publish({ topic: "t", data: Buffer.from(text), metadata: { partitionKey: key } }, {});
        await publishAll(publish, faultAt);
        await waitFor(isComplete);

        expect(missing()).toBe(0);
        // Twice comes only what was on its way when something broke.
        expect(duplicates()).toBeLessThanOrEqual((faults + 3) * (publishers + concurrency));
        if (isOrdered) expect(disordered()).toEqual([]);
        console.info(
          `${driver.type}: ${messageCount} messages, 3 ${target.isAskedToEnd ? "restarts" : "crashes"}, ${proxy ? faults : 0} cuts: ${duplicates()} came twice`,
        );
      });
    }

    test("no acknowledged message is lost over a sidecar that is killed thrice", async () => {
      const server = service === undefined ? noServer : await startOwn(service);
      const { add, isComplete, missing, duplicates, disordered } = counter();
      let isHeard = false;
      const app = await startHttpApp((request, response) => {
        if (request.url === "/dapr/subscribe") {
          const metadata = { concurrency: String(concurrency), ...order };
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify([{ pubsubname: "broker", topic: "t", route: "/events", metadata }]));
          return;
        }
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          if (request.url === "/events") {
            const text = String((JSON.parse(Buffer.concat(chunks).toString()) as { data: unknown }).data);
            if (text === "first") isHeard = true;
            else add(text);
          }
          response.end();
        });
      });
      await using sidecar = await startSidecar({
        appId: "worker",
        appPort: app.port,
        resources: { "broker.yaml": brokerYaml(driver.type, target.settings(server, server.port)) },
      });
      const publish = async (key: string, text: string) => {
        const headers = { "content-type": "text/plain" };
        const url = `${sidecar.url}/v1.0/publish/broker/t?metadata.partitionKey=${key}`;
        const answer = await fetch(url, { method: "POST", headers, body: text });
        await answer.arrayBuffer();
        if (!answer.ok) throw new Error(String(answer.status));
      };
      // Some brokers keep nothing for a group that is yet to come.
      const hear = () =>
        publish("first", "first").then(
          () => isHeard,
          () => false,
        );
      await expect.poll(hear, { timeout: 60_000 }).toBe(true);
      let restarts = Promise.resolve();
      const killAt = (done: number) => {
        if (done % 2500 !== 0 || done === messageCount) return;
        restarts = restarts.then(() => sidecar.kill9()).then(() => sidecar.restart());
      };
      await publishAll(publish, killAt);
      await restarts;
      await waitFor(isComplete);

      expect(missing()).toBe(0);
      expect(duplicates()).toBeLessThanOrEqual(3 * (publishers + concurrency));
      if (isOrdered) expect(disordered()).toEqual([]);
      console.info(`${driver.type}: ${messageCount} messages, 3 kills of the sidecar: ${duplicates()} came twice`);
    });
  });
}

const brokerYaml = (type: string, settings: Texts) => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: broker
spec:
  type: ${type}
  version: v1
  metadata:
${Object.entries(settings)
  .map(([name, value]) => `    - name: ${name}\n      value: ${JSON.stringify(value)}`)
  .join("\n")}
`;
