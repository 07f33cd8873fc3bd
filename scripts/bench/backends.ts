import { spawnSync } from "node:child_process";
import { installService } from "../services/support/install-service.ts";
import type { Running as Server } from "../services/support/service.ts";
import { loadService, startService } from "../services/support/start-service.ts";
import { paced, saturate } from "./load.ts";
import { freePorts, start, untilUp } from "./processes.ts";
import { type Line, ms, rate, type Scenario, us, withRunning } from "./scenario.ts";
import { component, type Executable, startSidecar } from "./sidecars.ts";

const bareStore = `${import.meta.dirname}/bare-store.ts`;
const pacedPerSecond = 500;
const pacedSeconds = 8;

/** Runs with a server of its own; a machine that lacks it gets a line that says so. */
async function withServer(name: string, use: (server: Server) => Promise<readonly Line[]>): Promise<readonly Line[]> {
  const service = await loadService(name);
  const missing = await installService(service);
  if (missing !== undefined) return [{ what: `not measured: ${missing}`, value: "" }];
  const server = await startService(service);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

interface Backend {
  readonly service: string;
  readonly type: string;
  readonly label: string;
  /** How the bare server is told where the store is. */
  readonly address: (server: Server) => string;
}

const backends: readonly Backend[] = [
  { service: "redis", type: "state.redis", label: "Redis", address: ({ host, port }) => `${host}:${port}` },
  {
    service: "postgres",
    type: "state.postgresql",
    label: "PostgreSQL",
    address: ({ settings }) => settings["connectionString"] ?? "",
  },
];

/** Single gets of one key through the sidecar, and through fastify with the same library. */
const stateBehindServer = ({ service, type, label, address }: Backend): Scenario => ({
  name: `state get over HTTP, ${label}`,
  run: (executable) =>
    withServer(service, (server) => measureStore(executable, server, { type, label, service, address })),
});

async function measureStore(executable: Executable, server: Server, backend: Backend): Promise<readonly Line[]> {
  const { service, type, label, address } = backend;
  const resources = component("store", type, server.settings);
  const sidecar = await startSidecar(executable, { appId: "bench", resources });
  return withRunning(Promise.resolve([sidecar]), async () => {
    const store = `http://127.0.0.1:${sidecar.httpPort}/v1.0/state/store`;
    await fetch(store, { method: "POST", body: '[{"key":"key","value":"value"}]' });
    // Alone on the measured core, one after the other.
    const own = await saturate(`${store}/key`, sidecar);
    const ownPaced = await paced(`${store}/key`, undefined, pacedPerSecond, pacedSeconds);
    sidecar.process.kill("SIGSTOP");
    const [port] = (await freePorts(1)) as [number];
    const bareServer = start([process.execPath, bareStore, String(port), service, address(server)], { measured: true });
    const [bare, barePaced] = await withRunning(Promise.resolve([bareServer]), async () => {
      const url = `http://127.0.0.1:${port}/v1.0/state/store/key`;
      await untilUp(url);
      return [await saturate(url, bareServer), await paced(url, undefined, pacedPerSecond, pacedSeconds)] as const;
    });
    sidecar.process.kill("SIGCONT");
    const what = `state get over HTTP, ${label}`;
    return [
      {
        what,
        value: rate(own.perSecond),
        limit: `fastify with the same library ${rate(bare.perSecond)}`,
        ratio: (own.perSecond / bare.perSecond).toFixed(2),
      },
      {
        what: "… processor time per request",
        value: us(own.cpuUs),
        limit: `fastify with the same library ${us(bare.cpuUs)}`,
        ratio: (bare.cpuUs / own.cpuUs).toFixed(2),
      },
      {
        what: `… at ${pacedPerSecond}/s, added p50`,
        value: ms(ownPaced.p50 - barePaced.p50),
        limit: `fastify with the same library ${ms(barePaced.p50)}`,
      },
    ];
  });
}

const batchCount = 400;
const batchSize = 100;
const messageBytes = 1024;

/** Bulk publishing of 1 KB messages over HTTP and their delivery to an app, beside the client library alone. */
const kafka: Scenario = {
  name: "bulk publish → delivered, Kafka",
  run: (executable) =>
    withServer("kafka", async (server) => {
      const bare = bareKafka(`${server.host}:${server.port}`);
      const [appPort] = (await freePorts(1)) as [number];
      const app = start([process.execPath, `${import.meta.dirname}/echo-app.ts`, String(appPort)], { measured: false });
      await untilUp(`http://127.0.0.1:${appPort}/events`);
      const resources = component("kafka", "pubsub.kafka", { ...server.settings, consumerGroup: "bench" });
      const sidecar = await startSidecar(executable, { appId: "bench", appPort, resources });
      return withRunning(Promise.resolve([sidecar, app]), async () => {
        const url = `http://127.0.0.1:${sidecar.httpPort}/v1.0/publish/bulk/kafka/events`;
        const delivered = async () => Number(await (await fetch(`http://127.0.0.1:${appPort}/events`)).text());
        const event = "x".repeat(messageBytes);
        const entries = Array.from({ length: batchSize }, (_, n) => ({
          entryId: String(n),
          event,
          contentType: "text/plain",
        }));
        const body = JSON.stringify(entries);
        const publish = async () => (await fetch(url, { method: "POST", body })).arrayBuffer();
        while ((await delivered()) === 0) await publish();
        for (let last = -1, now = await delivered(); now !== last; now = await delivered()) {
          last = now;
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
        const before = await delivered();
        const started = performance.now();
        for (let n = 0; n < batchCount; n += 4) await Promise.all([publish(), publish(), publish(), publish()]);
        const published = (batchCount * batchSize * 1000) / (performance.now() - started);
        while ((await delivered()) < before + batchCount * batchSize) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        const through = (batchCount * batchSize * 1000) / (performance.now() - started);
        return [
          {
            what: "bulk publish of 1 KB over HTTP, Kafka",
            value: rate(published),
            limit: `the client library alone ${rate(bare)}`,
            ratio: (published / bare).toFixed(2),
          },
          { what: "… published and delivered to an app", value: rate(through) },
        ];
      });
    }),
};

function bareKafka(address: string): number {
  const args = [
    `${import.meta.dirname}/bare-kafka.ts`,
    address,
    String(batchCount),
    String(batchSize),
    String(messageBytes),
  ];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const perSecond = Number(stdout);
  if (!(perSecond > 0)) throw new Error(`bare-kafka.ts measured nothing: ${stderr}`);
  return perSecond;
}

const idleTypes: readonly (readonly [type: string, service: string])[] = [
  ["state.redis", "redis"],
  ["pubsub.redis", "redis"],
  ["state.postgresql", "postgres"],
  ["pubsub.kafka", "kafka"],
  ["pubsub.rabbitmq", "rabbitmq"],
  ["pubsub.jetstream", "nats"],
  ["pubsub.mqtt3", "mosquitto"],
  ["state.mysql", "mariadb"],
  ["state.aws.dynamodb", "moto"],
];

/** Resident memory of an idle sidecar with one component, over one without any. */
const idleMemory: Scenario = {
  name: "idle memory per driver",
  async run(executable) {
    const without = await idleMb(executable, "");
    const lines: Line[] = [];
    for (const [type, service] of idleTypes) {
      lines.push(
        ...(await withServer(service, async ({ settings }) => [
          {
            what: `idle memory of ${type}`,
            value: `${((await idleMb(executable, component("one", type, settings))) - without).toFixed(1)} MB`,
            limit: `sidecar without components ${without.toFixed(0)} MB`,
          },
        ])),
      );
    }
    return lines;
  },
};

async function idleMb(executable: Executable, resources: string): Promise<number> {
  const seen: number[] = [];
  for (let n = 0; n < 3; n += 1) {
    const sidecar = await startSidecar(executable, { appId: "idle", ...(resources ? { resources } : { bare: true }) });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    seen.push(sidecar.rssMb());
    await sidecar.stop();
  }
  return seen.sort((a, b) => a - b)[1] ?? 0;
}

export const backendScenarios: readonly Scenario[] = [...backends.map(stateBehindServer), kafka, idleMemory];
