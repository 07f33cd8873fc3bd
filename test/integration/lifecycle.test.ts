import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Dapr } from "../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../specs/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../specs/gen/grpc/reflection/v1/reflection_pb.js";
import { GrpcCaller, whole } from "../support/grpc-call.ts";
import { callHttp, RawConnection } from "../support/http-call.ts";
import { component, type InProcessStart, startInProcess } from "../support/in-process-sidecar.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** Starting, listening and stopping of a sidecar in this process; see shutdown.test.ts for that of a program. */

const resources = {
  "store.yaml": component("store", "state.in-memory"),
  "lite.yaml": component("lite", "state.sqlite"),
  "bus.yaml": component("bus", "pubsub.in-memory"),
  "config.yaml": component("config", "configuration.in-memory"),
  "files.yaml": component("files", "bindings.localstorage", {
    rootPath: join(import.meta.dirname, "../../.cache/lifecycle"),
  }),
};
const start = async (given: InProcessStart = {}) => {
  const sidecar = await startInProcess(given);
  onTestFinished(() => sidecar.stop());
  return sidecar;
};
/** Lets what has been closed go. */
const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const getState = [Dapr.method.getState, { storeName: "store", key: "k" }] as const;

/** An app that answers everything with 200, or as told. */
async function startApp(
  answer: (response: ServerResponse) => void = (response) => response.end("[]"),
  port = 0,
): Promise<Server> {
  const app = createServer((_, response) => answer(response)).listen(port, "127.0.0.1");
  await once(app, "listening");
  onTestFinished(() => {
    app.closeAllConnections();
    app.close();
  });
  return app;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

describe("a hundred starts and stops", () => {
  it("leave nothing open behind", async () => {
    const app = await startApp();
    const metrics = ["--enable-metrics=true", "--metrics-port", "0"];
    const once = async (i: number) => {
      // A file on disk is slow to make, and every tenth one is enough to see it closed.
      const used = i % 10 === 0 ? resources : { ...resources, "lite.yaml": component("lite", "state.in-memory") };
      const sidecar = await startInProcess({ resources: used, args: [...metrics, "--app-port", String(portOf(app))] });
      const answers = await Promise.all([
        sidecar.http({ verb: "POST", path: "/v1.0/state/lite", body: '[{"key":"k","value":1}]' }),
        sidecar.http({ path: "/v1.0/invoke/app/method/x", headers: { connection: "keep-alive" } }),
        sidecar.grpc.call(...getState),
      ]);
      expect([answers[0].status, answers[1].status, answers[2].code]).toEqual([204, 200, 0]);
      await sidecar.stop();
    };
    await once(0);
    app.closeAllConnections();
    await settled();
    const before = process.getActiveResourcesInfo().sort();
    for (let i = 0; i < 100; i++) await once(i);
    app.closeAllConnections();
    await settled();
    expect(process.getActiveResourcesInfo().sort()).toEqual(before);
  });
});

describe("stopping", () => {
  it("ends every kind of stream that is still open", async () => {
    const sidecar = await startInProcess({ resources });
    const { grpc } = sidecar;
    const streams = [
      grpc.open(Health.method.watch),
      grpc.open(Dapr.method.subscribeConfiguration),
      grpc.open(ServerReflection.method.serverReflectionInfo),
      grpc.open(Dapr.method.subscribeTopicEventsAlpha1),
    ] as const;
    const ended = streams.map((stream) => whole(stream as never));
    const first = streams.map((stream) => once(stream, "data"));
    streams[0].end({});
    streams[1].end({ storeName: "config" });
    streams[2].write({ messageRequest: { case: "listServices", value: "" } });
    streams[3].write({
      subscribeTopicEventsRequestType: { case: "initialRequest", value: { pubsubName: "bus", topic: "t" } },
    });
    await Promise.all(first);
    const http2 = connectHttp2(`http://127.0.0.1:${sidecar.httpPort}`);
    const idle = new RawConnection(sidecar.httpPort).write("GET /v1.0/healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    await Promise.all([idle.until("204"), once(http2, "remoteSettings")]);
    const gone = [idle.closed(), once(http2, "close"), ...ended];
    await sidecar.stop();
    await Promise.all(gone);
  });

  it("lets a request in flight have its answer", async () => {
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    const app = await startApp((response) => resolve(response));
    const sidecar = await startInProcess({
      args: ["--app-port", String(portOf(app)), "--disable-init-endpoints", "config,subscribe"],
    });
    const reply = sidecar.http({ path: "/v1.0/invoke/app/method/slow" });
    const response = await promise;
    const stopped = sidecar.stop();
    response.end("done");
    expect((await reply).text).toBe("done");
    await stopped;
  });

  it("may be asked for twice, and afterwards nobody answers", async () => {
    const sidecar = await startInProcess();
    await Promise.all([sidecar.stop(), sidecar.stop()]);
    await expect(callHttp(sidecar.httpPort, { path: "/v1.0/healthz" })).rejects.toThrow("ECONNREFUSED");
    expect((await new GrpcCaller(`127.0.0.1:${sidecar.grpcPort}`).call(...getState)).code).toBe(14);
  });
});

describe("a start that fails", () => {
  it("at a port says which, and leaves nothing open", async () => {
    const taken = portOf(await startApp());
    const local = ["--dapr-internal-grpc-listen-address", "127.0.0.1", "--dapr-public-listen-address", "127.0.0.1"];
    const fail = async (flag: string) => {
      const starting = startInProcess({ resources, args: [...local, flag, String(taken)] });
      await expect(starting).rejects.toThrow(`127.0.0.1:${taken}`);
      await settled();
    };
    const open = () => process.getActiveResourcesInfo().filter((one) => one !== "Immediate");
    // The first one loads what the others find loaded.
    await fail("--dapr-http-port");
    const before = open();
    for (const flag of ["--dapr-http-port", "--dapr-grpc-port", "--dapr-internal-grpc-port", "--dapr-public-port"]) {
      await fail(flag);
      // What ends by itself, such as a request to the file system, gets its time.
      for (const end = performance.now() + 10_000; open().length > before.length && performance.now() < end; ) {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      expect(open().length, `${open()} after ${flag}, ${before} before`).toBeLessThanOrEqual(before.length);
    }
  });

  it("at a component says which", async () => {
    const broken = component("broken", "secretstores.local.file", { secretsFile: "/no/such/file.json" });
    await expect(startInProcess({ resources: { ...resources, "broken.yaml": broken } })).rejects.toThrow(
      /broken\.yaml:\d+: component broken/,
    );
  });
});

describe("readiness", () => {
  it("waits for the app, and outbound readiness does not", async () => {
    const later = await startApp();
    const port = portOf(later);
    later.close();
    await once(later, "close");
    const sidecar = await start({ args: ["--app-port", String(port)] });
    expect((await sidecar.http({ path: "/v1.0/healthz" })).status).toBe(500);
    expect((await sidecar.grpc.call(Health.method.check, {})).messages).toMatchObject([{ status: Status.NOT_SERVING }]);
    expect((await sidecar.http({ path: "/v1.0/healthz/outbound" })).status).toBe(204);
    await startApp(undefined, port);
    await sidecar.whenReady();
    expect((await sidecar.grpc.call(Health.method.check, {})).messages).toMatchObject([{ status: Status.SERVING }]);
  });
});

describe("listening", () => {
  it("on Unix sockets serves both APIs there and not on TCP", async () => {
    const folder = tempFolder();
    const sidecar = await start({ resources, args: ["--unix-domain-socket", folder] });
    expect([sidecar.httpPort, sidecar.grpcPort]).toEqual([-1, -1]);
    const [http, grpc] = [join(folder, "dapr-app-http.socket"), join(folder, "dapr-app-grpc.socket")];
    expect((await callHttp(http, { path: "/v1.0/healthz" })).status).toBe(204);
    expect((await new GrpcCaller(`unix:${grpc}`).call(...getState)).code).toBe(0);
    await sidecar.stop();
    expect([existsSync(http), existsSync(grpc)]).toEqual([false, false]);
  });

  it("at several addresses serves both APIs at each", async () => {
    const sidecar = await start({ resources, addresses: "127.0.0.1,127.0.0.2,[::1]" });
    for (const host of ["127.0.0.1", "127.0.0.2", "[::1]"]) {
      expect((await fetch(`http://${host}:${sidecar.httpPort}/v1.0/healthz`)).status).toBe(204);
      expect((await new GrpcCaller(`${host}:${sidecar.grpcPort}`).call(...getState)).code).toBe(0);
    }
  });

  it("at the public port serves health and metadata, without a token, and nothing else", async () => {
    const free = await startApp();
    const port = portOf(free);
    free.close();
    await once(free, "close");
    const args = ["--dapr-public-port", String(port), "--dapr-public-listen-address", "127.0.0.1"];
    const sidecar = await start({ resources, args, env: { DAPR_API_TOKEN: "secret" } });
    const set = await sidecar.http({
      verb: "PUT",
      path: "/v1.0/metadata/cliPID",
      body: "7",
      headers: { "dapr-api-token": "secret" },
    });
    expect(set.status).toBe(204);
    const open = (path: string, verb = "GET") => callHttp(port, { path, verb });
    expect((await open("/v1.0/healthz")).status).toBe(204);
    expect((await open("/v1.0/healthz/outbound")).status).toBe(204);
    expect((await open("/v1.0/metadata")).json()).toMatchObject({ id: "app", extended: { cliPID: "7" } });
    for (const [path, verb] of [
      ["/v1.0/state/store/k"],
      ["/v1.0/shutdown", "POST"],
      ["/v1.0/metadata/a", "PUT"],
      ["/v1.0/invoke/app/method/x"],
    ] as const) {
      expect((await open(path, verb)).status).toBe(404);
    }
    expect(sidecar.shutdowns).toEqual([]);
  });

  it("does not speak HTTP/2 where it is switched off", async () => {
    const sidecar = await start({ env: { DAPR_HTTP_DISABLE_H2C: "true" } });
    const answer = await new RawConnection(sidecar.httpPort).write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").closed();
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe("the API token", () => {
  it("is asked for by both wires, but not for health over HTTP", async () => {
    const sidecar = await start({ resources, env: { DAPR_API_TOKEN: "secret" } });
    const ask = (headers: Record<string, string>, path = "/v1.0/state/store/k") => sidecar.http({ path, headers });
    expect(await ask({})).toMatchObject({ status: 401, text: "invalid api token" });
    expect((await ask({ "dapr-api-token": "wrong" })).status).toBe(401);
    expect((await ask({ "dapr-api-token": "secret" })).status).toBe(204);
    expect((await ask({}, "/v1.0/healthz")).status).toBe(204);
    expect((await ask({}, "/v1.0/healthz/outbound")).status).toBe(204);
    expect((await ask({}, "/v1.0/invoke/app/method/x")).status).toBe(401);
    expect((await sidecar.grpc.call(...getState)).code).toBe(16);
    expect((await sidecar.grpc.call(Health.method.check, {})).code).toBe(16);
    expect((await sidecar.grpc.call(...getState, { "dapr-api-token": "secret" })).code).toBe(0);
    expect(sidecar.log()).not.toContain("secret");
  });
});

const configuration = (spec: string) => {
  const folder = tempFolder({
    "config.yaml": `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: c\nspec:\n${spec}`,
  });
  return ["--config", join(folder, "config.yaml")];
};

describe("the API lists", () => {
  it("leave open only what is allowed", async () => {
    const allowed = ["http", "grpc"]
      .map((protocol) => `      - {name: state, version: v1, protocol: ${protocol}}\n`)
      .join("");
    const sidecar = await start({ resources, args: configuration(`  api:\n    allowed:\n${allowed}`) });
    expect((await sidecar.http({ path: "/v1.0/state/store/k" })).status).toBe(204);
    expect((await sidecar.http({ path: "/v1.0/metadata" })).status).toBe(404);
    expect((await sidecar.http({ path: "/v1.0/healthz" })).status).toBe(204);
    expect((await sidecar.http({ verb: "POST", path: "/v1.0-alpha1/state/store/query", body: "{}" })).status).toBe(404);
    expect((await sidecar.grpc.call(...getState)).code).toBe(0);
    expect(await sidecar.grpc.call(Dapr.method.getMetadata, {})).toMatchObject({
      code: 12,
      details: [{ metadata: { "http.code": "501" } }],
    });
    expect((await sidecar.grpc.call(Dapr.method.queryStateAlpha1, { storeName: "store", query: "{}" })).code).toBe(12);
  });

  it("close what is denied, even when it is allowed", async () => {
    const rule = "      - {name: state, version: v1, protocol: http}\n";
    const sidecar = await start({
      resources,
      args: configuration(`  api:\n    allowed:\n${rule}    denied:\n${rule}`),
    });
    expect((await sidecar.http({ path: "/v1.0/state/store/k" })).status).toBe(404);
    expect((await sidecar.grpc.call(...getState)).code).toBe(0);
  });
});

describe("what flags switch on", () => {
  it("cross-origin requests", async () => {
    const sidecar = await start({ args: ["--allowed-origins", "http://a.example,http://b.example"] });
    const { headers } = await sidecar.http({ path: "/v1.0/healthz", headers: { origin: "http://b.example" } });
    expect(headers["access-control-allow-origin"]).toBe("http://b.example");
  });

  it("a log of all calls", async () => {
    const sidecar = await start({ resources, args: ["--enable-api-logging"] });
    await sidecar.http({ path: "/v1.0/state/store/k", headers: { "user-agent": "me/1" } });
    await sidecar.grpc.call(...getState);
    expect(sidecar.log()).toMatch(/HTTP API Called.*me\/1/);
    expect(sidecar.log()).toContain("gRPC API Called");
  });

  it("a limit for bodies, on both wires", async () => {
    const sidecar = await start({ resources, args: ["--max-body-size", "1Ki"] });
    const body = JSON.stringify([{ key: "k", value: "x".repeat(2000) }]);
    expect((await sidecar.http({ verb: "POST", path: "/v1.0/state/store", body })).json()).toMatchObject({
      errorCode: "ERR_BODY_READ",
    });
    expect((await sidecar.grpc.call(Dapr.method.getState, { storeName: "store", key: "k".repeat(2000) })).code).toBe(8);
  });
});
