import { Readable } from "node:stream";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { GetStateRequestSchema, GetStateResponseSchema } from "../../specs/gen/dapr/proto/runtime/v1/state_pb.js";
import { backendScenarios } from "./backends.ts";
import { paced, saturate, saturateCalls, saturateWith } from "./load.ts";
import { freePorts, type Running, start, untilUp } from "./processes.ts";
import { ms, rate, type Scenario, us, withRunning } from "./scenario.ts";
import { startSidecar } from "./sidecars.ts";

const node = process.execPath;
const script = (name: string) => `${import.meta.dirname}/${name}`;
async function bareFastify(): Promise<{ readonly perSecond: number; readonly cpuUs: number }> {
  const [port] = (await freePorts(1)) as [number];
  const server = start([node, script("bare-fastify.ts"), String(port)], { measured: true });
  return withRunning(Promise.resolve([server]), async () => {
    const url = `http://127.0.0.1:${port}/v1.0/state/memory-state/key`;
    await untilUp(url);
    return saturate(url, server);
  });
}

function stateOverHttp(store: string, label: string): Scenario {
  return {
    name: `state get over HTTP, ${label}`,
    async run(executable) {
      const bare = await bareFastify();
      const sidecar = await startSidecar(executable, { appId: "bench", ours: executable.name === "mecha" });
      return withRunning(Promise.resolve([sidecar]), async () => {
        const base = `http://127.0.0.1:${sidecar.httpPort}/v1.0/state/${store}`;
        await fetch(base, { method: "POST", body: '[{"key":"key","value":"value"}]' });
        const own = await saturate(`${base}/key`, sidecar);
        return [
          {
            what: `state get over HTTP, ${label}`,
            value: rate(own.perSecond),
            limit: `bare fastify ${rate(bare.perSecond)}`,
            ratio: (own.perSecond / bare.perSecond).toFixed(2),
          },
          {
            what: "… processor time per request",
            value: us(own.cpuUs),
            limit: `bare fastify ${us(bare.cpuUs)}`,
            ratio: (bare.cpuUs / own.cpuUs).toFixed(2),
          },
        ];
      });
    },
  };
}

const getState = (client: Client, request: Buffer) => () =>
  new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      "/dapr.proto.runtime.v1.Dapr/GetState",
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => fromBinary(GetStateResponseSchema, bytes),
      request,
      (error, value) => (error ? reject(error) : resolve(value)),
    );
  });

async function grpcRate(port: number, server: Running) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const request = Buffer.from(
    toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: "memory-state", key: "key" })),
  );
  try {
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve())),
    );
    return await saturateCalls(getState(client, request), server);
  } finally {
    client.close();
  }
}

const stateOverGrpc: Scenario = {
  name: "state get over gRPC, memory",
  async run(executable) {
    const [port] = (await freePorts(1)) as [number];
    const bareServer = start([node, script("bare-grpc.ts"), String(port)], { measured: true });
    const bare = await withRunning(Promise.resolve([bareServer]), () => grpcRate(port, bareServer));
    const sidecar = await startSidecar(executable, { appId: "bench", ours: executable.name === "mecha" });
    return withRunning(Promise.resolve([sidecar]), async () => {
      await fetch(`http://127.0.0.1:${sidecar.httpPort}/v1.0/state/memory-state`, {
        method: "POST",
        body: '[{"key":"key","value":"value"}]',
      });
      const own = await grpcRate(sidecar.grpcPort, sidecar);
      return [
        {
          what: "state get over gRPC, memory",
          value: rate(own.perSecond),
          limit: `bare grpc-js ${rate(bare.perSecond)}`,
          ratio: (own.perSecond / bare.perSecond).toFixed(2),
        },
        {
          what: "… processor time per call",
          value: us(own.cpuUs),
          limit: `bare grpc-js ${us(bare.cpuUs)}`,
          ratio: (bare.cpuUs / own.cpuUs).toFixed(2),
        },
      ];
    });
  },
};

async function echoApp(): Promise<{ app: Running; port: number }> {
  const [port] = (await freePorts(1)) as [number];
  const app = start([node, script("echo-app.ts"), String(port)], { measured: false });
  await untilUp(`http://127.0.0.1:${port}/events`);
  return { app, port };
}

const invocation: Scenario = {
  name: "invocation through two sidecars",
  async run(executable) {
    const { app, port } = await echoApp();
    const ours = executable.name === "mecha";
    const callee = await startSidecar(executable, { appId: "callee", appPort: port, ours });
    const caller = await startSidecar(executable, { appId: "caller", ours });
    return withRunning(Promise.resolve([caller, callee, app]), async () => {
      const body = Buffer.alloc(1024, "x");
      const direct = await paced(`http://127.0.0.1:${port}/echo`, body, 500, 8);
      const through = await paced(`http://127.0.0.1:${caller.httpPort}/v1.0/invoke/callee/method/echo`, body, 500, 8);
      return [
        {
          what: "invocation of 1 KB at 500/s, added p50",
          value: ms(through.p50 - direct.p50),
          limit: `direct ${ms(direct.p50)}`,
        },
        { what: "… added p99", value: ms(through.p99 - direct.p99), limit: `direct ${ms(direct.p99)}` },
      ];
    });
  },
};

const bigBody: Scenario = {
  name: "1 GB through invocation",
  async run(executable) {
    const { app, port } = await echoApp();
    const ours = executable.name === "mecha";
    const callee = await startSidecar(executable, { appId: "callee", appPort: port, ours });
    const caller = await startSidecar(executable, { appId: "caller", ours });
    return withRunning(Promise.resolve([caller, callee, app]), async () => {
      const before = [caller.rssMb(), callee.rssMb()] as const;
      let most = [0, 0];
      const watch = setInterval(() => {
        most = [Math.max(most[0] ?? 0, caller.rssMb()), Math.max(most[1] ?? 0, callee.rssMb())];
      }, 50);
      const total = 1024 ** 3;
      const chunk = Buffer.alloc(64 * 1024);
      const chunks = function* () {
        for (let sent = 0; sent < total; sent += chunk.length) yield chunk;
      };
      const started = performance.now();
      const response = await fetch(`http://127.0.0.1:${caller.httpPort}/v1.0/invoke/callee/method/swallow`, {
        method: "POST",
        body: Readable.toWeb(Readable.from(chunks())) as never,
        // Node's fetch wants this said for a body that streams.
        ...({ duplex: "half" } as object),
      });
      const received = await response.text();
      clearInterval(watch);
      const seconds = (performance.now() - started) / 1000;
      const grown = Math.max((most[0] ?? 0) - before[0], (most[1] ?? 0) - before[1]);
      return [
        {
          what: "1 GB body through two sidecars, growth of memory",
          value: `${grown.toFixed(0)} MB`,
          limit: Number(received) === total ? "whole body arrived" : `only ${received} bytes arrived`,
        },
        { what: "… throughput", value: `${(1024 / seconds).toFixed(0)} MB/s` },
      ];
    });
  },
};

function delivery(pubsub: string, label: string, oursOnly: boolean): Scenario {
  return {
    name: `publish → delivered, ${label}`,
    oursOnly,
    async run(executable) {
      const { app, port } = await echoApp();
      const sidecar = await startSidecar(executable, {
        appId: "bench",
        appPort: port,
        ours: executable.name === "mecha",
      });
      return withRunning(Promise.resolve([sidecar, app]), async () => {
        const url = `http://127.0.0.1:${sidecar.httpPort}/v1.0/publish/${pubsub}/events`;
        const delivered = async () => Number(await (await fetch(`http://127.0.0.1:${port}/events`)).text());
        const body = '{"orderId":1,"item":"chair"}';
        const options = { url, body, method: "POST" as const, headers: { "content-type": "application/json" } };
        while ((await delivered()) === 0) await fetch(url, options);
        await saturateWith(options, sidecar, 1);
        await settle(delivered);
        const before = await delivered();
        const cpuBefore = sidecar.cpuMs();
        const started = performance.now();
        const published = await saturateWith(options, sidecar, 5);
        const wanted = before + published.total;
        while ((await delivered()) < wanted) await new Promise((resolve) => setTimeout(resolve, 2));
        const seconds = (performance.now() - started) / 1000;
        const us = ((sidecar.cpuMs() - cpuBefore) * 1000) / published.total;
        return [
          {
            what: `publish → delivered, ${label}`,
            value: rate(published.total / seconds),
            limit: `published ${rate(published.perSecond)}`,
          },
          { what: "… processor time per message", value: `${us.toFixed(0)} µs` },
        ];
      });
    },
  };
}

function bulkDelivery(pubsub: string, label: string, oursOnly: boolean): Scenario {
  return {
    name: `bulk publish → delivered, ${label}`,
    oursOnly,
    async run(executable) {
      const { app, port } = await echoApp();
      const sidecar = await startSidecar(executable, {
        appId: "bench",
        appPort: port,
        ours: executable.name === "mecha",
      });
      return withRunning(Promise.resolve([sidecar, app]), async () => {
        const url = `http://127.0.0.1:${sidecar.httpPort}/v1.0/publish/bulk/${pubsub}/events`;
        const delivered = async () => Number(await (await fetch(`http://127.0.0.1:${port}/events`)).text());
        const entries = Array.from({ length: 100 }, (_, i) => ({
          entryId: String(i),
          event: { orderId: i, item: "chair" },
          contentType: "application/json",
        }));
        const body = JSON.stringify(entries);
        const batches = 200;
        while ((await delivered()) === 0) await fetch(url, { method: "POST", body });
        await settle(delivered);
        const before = await delivered();
        const started = performance.now();
        for (let i = 0; i < batches; i += 4)
          await Promise.all(
            Array.from({ length: 4 }, () => fetch(url, { method: "POST", body }).then((r) => r.arrayBuffer())),
          );
        const wanted = before + batches * entries.length;
        while ((await delivered()) < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
        const seconds = (performance.now() - started) / 1000;
        return [{ what: `bulk publish → delivered, ${label}`, value: rate((batches * entries.length) / seconds) }];
      });
    },
  };
}

/** Waits until the count stands still. */
async function settle(count: () => Promise<number>): Promise<void> {
  for (let last = -1, now = await count(); now !== last; ) {
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
    now = await count();
  }
}

const startUp: Scenario = {
  name: "start and idle memory",
  async run(executable) {
    const starts: number[] = [];
    let rss = 0;
    for (let i = 0; i < 5; i++) {
      const sidecar = await startSidecar(executable, { appId: "idle", bare: true, ours: executable.name === "mecha" });
      starts.push(sidecar.startMs);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      rss = sidecar.rssMb();
      await sidecar.stop();
    }
    starts.sort((a, b) => a - b);
    return [
      { what: "start to healthy, median of 5", value: `${(starts[2] as number).toFixed(0)} ms` },
      { what: "resident memory, idle", value: `${rss.toFixed(0)} MB` },
    ];
  },
};

export const scenarios: readonly Scenario[] = [
  startUp,
  stateOverHttp("memory-state", "memory"),
  stateOverHttp("sqlite-state", "SQLite"),
  stateOverGrpc,
  invocation,
  bigBody,
  delivery("memory", "memory", false),
  delivery("sqlite", "SQLite, durable", true),
  bulkDelivery("memory", "memory", false),
  bulkDelivery("sqlite", "SQLite, durable", true),
  ...backendScenarios,
];
