import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Dapr } from "../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Health } from "../../specs/gen/grpc/health/v1/health_pb.js";
import { startHttpApp } from "../support/fake-app.ts";
import { callHttp } from "../support/http-call.ts";
import { startHttpServer } from "../support/http-server.ts";
import {
  component,
  type InProcessSidecar,
  type InProcessStart,
  startInProcess,
} from "../support/in-process-sidecar.ts";
import { startSidecar as startProgram } from "../support/sidecar.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** What the runtime promises besides its API: traces, metrics, logs, reloading, by whole sidecars and real calls. */

const running: InProcessSidecar[] = [];
afterEach(async () => {
  for (const sidecar of running.splice(0).reverse()) await sidecar.stop();
});

async function start(given: InProcessStart): Promise<InProcessSidecar> {
  const sidecar = await startInProcess(given);
  running.push(sidecar);
  return sidecar;
}

/** A Configuration file with this spec, as flags. */
function configuration(spec: object): string[] {
  const file = join(tempFolder(), "config.yaml");
  const resource = { apiVersion: "dapr.io/v1alpha1", kind: "Configuration", metadata: { name: "c" }, spec };
  writeFileSync(file, JSON.stringify(resource));
  return ["--config", file];
}

interface Span {
  readonly name: string;
  readonly id: string;
  readonly parentId?: string;
  readonly traceId: string;
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
}

describe("traces", () => {
  it("hang together over sidecars, apps and events", async () => {
    const spans: Span[] = [];
    const collector = await startHttpServer((_, body) => {
      spans.push(...(JSON.parse(body) as Span[]));
      return { status: 202 };
    });
    const heard = new Map<string, string | undefined>();
    const app = await startHttpApp((request, response) => {
      const { url = "" } = request;
      heard.set(url, String(request.headers["traceparent"]).split("-")[2]);
      if (url === "/dapr/subscribe") response.setHeader("content-type", "application/json");
      response.end(url === "/dapr/subscribe" ? '[{"pubsubname":"bus","topic":"t","route":"/event"}]' : "ok");
    });
    const home = tempFolder();
    const tracing = { samplingRate: "1", zipkin: { endpointAddress: `${collector}/api/v2/spans` } };
    const given = {
      env: { MECHA_HOME: home, POD_NAME: "pod-1" },
      resources: { "bus.yaml": component("bus", "pubsub.in-memory") },
    };
    const args = configuration({ tracing });
    const callee = await start({ ...given, args: [...args, "--app-id", "callee", "--app-port", `${app.port}`] });
    const caller = await start({ ...given, args: [...args, "--app-id", "caller"] });
    await callee.whenReady();

    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    await caller.http({ path: "/v1.0/invoke/callee/method/hello", headers: { traceparent } });
    await caller.grpc.call(Dapr.method.invokeService, { id: "callee", message: { method: "hi" } }, { traceparent });
    await callee.http({ verb: "POST", path: "/v1.0/publish/bus/t", body: "{}", headers: { traceparent } });
    await caller.grpc.call(Health.method.check, {});
    await expect.poll(() => heard.has("/event")).toBe(true);
    for (const sidecar of [callee, caller]) await sidecar.stop();

    const find = (service: string, name: string) =>
      spans.find((span) => span.localEndpoint.serviceName === service && span.name === name);
    const chain = (...names: readonly (readonly [string, string])[]) => {
      let above = "b".repeat(16);
      for (const [service, name] of names) {
        const span = find(service, name);
        expect([service, name, span?.parentId, span?.traceId]).toEqual([service, name, above, "a".repeat(32)]);
        above = span?.id ?? "";
      }
      return above;
    };
    expect(heard.get("/hello")).toBe(chain(["caller", "CallLocal/callee/hello"], ["callee", "CallLocal/callee/hello"]));
    const invokeService = "/dapr.proto.runtime.v1.Dapr/InvokeService";
    expect(heard.get("/hi")).toBe(chain(["caller", invokeService], ["callee", "CallLocal/callee/hi"]));
    expect(heard.get("/event")).toBe(chain(["callee", "/v1.0/publish/bus/t"], ["callee", "pubsub/t"]));
    expect(find("caller", "CallLocal/callee/hello")?.tags).toMatchObject({
      "dapr.api": "GET /v1.0/invoke/callee/method/hello",
      "dapr.app_id": "caller",
      "dapr.protocol": "http",
      "dapr.status_code": "200",
      "process.pid": String(process.pid),
      "k8s.pod.name": "pod-1",
    });
    expect(spans.filter(({ name }) => name.includes("Health"))).toEqual([]);
  });

  it("go to an OTLP collector with the headers that are configured, and a rate of 0 makes none", async () => {
    const posts: string[] = [];
    const collector = await startHttpServer((request) => {
      posts.push(`${request.url} ${request.headers["x-key"]}`);
      return { body: "{}" };
    });
    const otel = { endpointAddress: new URL(collector).host, isSecure: false, protocol: "http", headers: ["x-key=1"] };
    for (const samplingRate of ["1", "0"]) {
      const sidecar = await start({ args: configuration({ tracing: { samplingRate, otel } }) });
      await sidecar.http({ path: "/v1.0/metadata" });
      await sidecar.stop();
    }
    expect(posts).toEqual(["/v1/traces 1"]);
  });
});

describe("metrics", () => {
  it("tell of the API, the app, events and other apps", async () => {
    const app = await startHttpApp((request, response) => {
      if (request.url === "/dapr/subscribe") response.setHeader("content-type", "application/json");
      response.end(request.url === "/dapr/subscribe" ? '[{"pubsubname":"bus","topic":"t","route":"/event"}]' : "ok");
    });
    const env = { MECHA_HOME: tempFolder(), NAMESPACE: "ns" };
    const resources = {
      "bus.yaml": component("bus", "pubsub.in-memory"),
      "store.yaml": component("store", "state.in-memory"),
    };
    const args = [
      ...configuration({ metrics: { recordErrorCodes: true } }),
      "--enable-metrics=true",
      "--metrics-port=0",
    ];
    const callee = await start({ env, resources, args: [...args, "--app-id", "callee", "--app-port", `${app.port}`] });
    const caller = await start({ env, resources, args: [...args, "--app-id", "caller"] });
    await callee.whenReady();
    await caller.http({ path: "/v1.0/invoke/callee/method/hello/1" });
    await caller.http({ path: "/v1.0/state/store/key" });
    await caller.grpc.call(Dapr.method.getState, { storeName: "none" });
    await callee.http({ verb: "POST", path: "/v1.0/publish/bus/t", body: "{}" });
    const shown = async ({ sidecar }: InProcessSidecar) =>
      (await callHttp(sidecar.ports.metrics as number, { path: "/any" })).text;
    const ingress = 'component_pubsub_ingress_count{app_id="callee",component="bus",namespace="ns"';
    await expect.poll(() => shown(callee)).toContain(`dapr_${ingress},process_status="success",topic="t",status=""} 1`);
    const [here, there] = [await shown(caller), await shown(callee)];
    for (const line of [
      'http_server_request_count{app_id="caller",method="GET",path="/v1.0/invoke/callee/method/hello/1",status="200"} 1',
      'http_server_response_count{app_id="caller",method="GET",path="/v1.0/state/store",status="204"} 1',
      'http_server_response_bytes_sum{app_id="caller",method="GET",path="/v1.0/invoke/callee/method/hello/1"} 2',
      'grpc_io_server_completed_rpcs{app_id="caller",grpc_server_method="/dapr.proto.runtime.v1.Dapr/GetState",grpc_server_status="InvalidArgument"} 1',
      'error_code_total{app_id="caller",error_code="ERR_STATE_STORE_NOT_FOUND",category="state"} 1',
      'runtime_service_invocation_req_sent_total{app_id="caller",dst_app_id="callee",type="unary"} 1',
      'runtime_service_invocation_res_recv_total{app_id="caller",src_app_id="callee",status="200",type="unary"} 1',
    ])
      expect(here).toContain(`dapr_${line}\n`);
    for (const line of [
      'runtime_service_invocation_req_recv_total{app_id="callee",src_app_id="caller"} 1',
      'runtime_service_invocation_res_sent_total{app_id="callee",dst_app_id="caller",status="200"} 1',
      'http_client_completed_count{app_id="callee",method="GET",path="/hello/1",status="200"} 1',
    ])
      expect(there).toContain(`dapr_${line}\n`);
  });
});

describe("API logging", () => {
  const lines = (log: string) =>
    log
      .split("\n")
      .filter((line) => line.includes("API Called"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it.each([
    [false, "GET /v1.0/state/store/key"],
    [true, "GetState"],
  ])("with obfuscateURLs %s names %s", async (obfuscateURLs, method) => {
    const args = configuration({ logging: { apiLogging: { enabled: true, obfuscateURLs, omitHealthChecks: true } } });
    const resources = { "store.yaml": component("store", "state.in-memory") };
    const sidecar = await start({ resources, args: [...args, "--log-as-json"] });
    await sidecar.http({ path: "/v1.0/state/store/key", headers: { "user-agent": "me" } });
    await sidecar.http({ path: "/v1.0/healthz" });
    await sidecar.grpc.call(Dapr.method.getState, { storeName: "none" });
    const common = { app_id: "app", type: "log", level: "info", duration: expect.any(Number) };
    expect(lines(sidecar.log())).toMatchObject([
      { ...common, scope: "dapr.runtime.http", msg: "HTTP API Called", method, code: 204, useragent: "me", size: 0 },
      {
        ...common,
        scope: "dapr.runtime.grpc.api-info",
        msg: "gRPC API Called",
        method: "/dapr.proto.runtime.v1.Dapr/GetState",
        code: 3,
      },
    ]);
  });
});

describe("a change of the resource files", () => {
  const resource = (kind: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion: "dapr.io/v1alpha1", kind, metadata: { name }, spec });
  const retries = (maxRetries: number) =>
    resource("Resiliency", "r", {
      policies: { retries: { some: { policy: "constant", duration: "1ms", maxRetries } } },
      targets: { components: { backend: { outbound: { retry: "some" } } }, apps: { app: { retry: "some" } } },
    });
  const write = ({ folder }: InProcessSidecar, name: string, text: string) =>
    writeFileSync(join(folder, "resources", name), text);

  it("puts other policies in force, for apps and for components that are open", async () => {
    let asked = 0;
    const backend = await startHttpServer(() => {
      asked++;
      return { status: 503 };
    });
    const app = await startHttpApp((_, response) => {
      asked++;
      response.writeHead(503).end();
    });
    const resources = {
      "backend.yaml": component("backend", "bindings.http", { url: backend, direction: "output" }),
      "r.yaml": retries(1),
    };
    const sidecar = await start({ resources, args: ["--app-port", `${app.port}`] });
    await sidecar.whenReady();
    const attempts = async () => {
      asked = 0;
      await sidecar.http({ verb: "POST", path: "/v1.0/bindings/backend", body: '{"operation":"get"}' });
      await sidecar.http({ path: "/v1.0/invoke/app/method/x" });
      return asked;
    };
    expect(await attempts()).toBe(4);
    write(sidecar, "r.yaml", retries(3));
    await expect.poll(attempts, { timeout: 10_000 }).toBe(8);
    expect(sidecar.log()).toContain("resiliency policies changed");
  });

  it("puts other HTTP endpoints in force and tells of them", async () => {
    const url = await startHttpServer((request) => ({ body: `${request.url} ${request.headers["x-key"]}` }));
    const endpoint = (key: string) =>
      resource("HTTPEndpoint", "github", { baseUrl: url, headers: [{ name: "x-key", value: key }] });
    const sidecar = await start({ resources: { "e.yaml": endpoint("1") } });
    const called = async () => (await sidecar.http({ path: "/v1.0/invoke/github/method/a" })).text;
    expect(await called()).toBe("/a 1");
    write(sidecar, "e.yaml", endpoint("2"));
    await expect.poll(called, { timeout: 10_000 }).toBe("/a 2");
    write(sidecar, "more.yaml", resource("HTTPEndpoint", "other", { baseUrl: url }));
    const names = async () => {
      const { httpEndpoints } = (await sidecar.http({ path: "/v1.0/metadata" })).json() as Record<string, unknown>;
      return JSON.stringify(httpEndpoints);
    };
    await expect.poll(names, { timeout: 10_000 }).toBe('[{"name":"github"},{"name":"other"}]');
  });

  it("reads an input binding that has changed", async () => {
    const heard: string[] = [];
    const app = await startHttpApp((request, response) => {
      heard.push(`${request.method} ${request.url}`);
      response.end();
    });
    const tick = (route: string) => component("tick", "bindings.cron", { schedule: "@every 1s", route });
    const sidecar = await start({ resources: { "tick.yaml": tick("/old") }, args: ["--app-port", `${app.port}`] });
    await expect.poll(() => heard, { timeout: 5000 }).toContain("POST /old");
    write(sidecar, "tick.yaml", tick("/new"));
    await expect.poll(() => heard, { timeout: 10_000 }).toContain("POST /new");
  });
});

describe("the sidecar as a program", () => {
  it("tells its environment who it is, for what reads variables", async () => {
    const resources = { "env.yaml": component("env", "secretstores.local.env") };
    await using sidecar = await startProgram({
      appId: "shop",
      appPort: 65_001,
      resources,
      env: { DAPR_HOST_IP: "10.1.2.3" },
    });
    const read = async (name: string) =>
      JSON.parse((await callHttp(sidecar.httpPort, { path: `/v1.0/secrets/env/${name}` })).text)[name] as string;
    expect([await read("APP_ID"), await read("APP_PORT"), await read("HOST_ADDRESS")]).toEqual([
      "shop",
      "65001",
      "10.1.2.3",
    ]);
  });
});
