import { describe, expect, it } from "vitest";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import { Request } from "../../../../sidecar/kernel/request.ts";
import { type Endpoint, tokenMatches } from "../../../../sidecar/wire/pipeline.ts";
import { fail, type MechaError } from "../../../../specs/errors.ts";
import { KeptScopedLog, pipelineOf } from "../../../support/wires.ts";

const endpoint: Endpoint = { name: "GetState", open: false };
const open: Endpoint = { name: "/v1.0/healthz", open: true };
const request = (headers: Record<string, string> = {}, wire: "http" | "grpc" = "http") =>
  new Request(wire, headers, () => {});
class Called extends Request {
  readonly #api: string;
  constructor(api: string) {
    super("http", {}, () => {});
    this.#api = api;
  }

  override get api(): string {
    return this.#api;
  }
}
const failing = () => Promise.reject(fail("stateStoreNotFound", { name: "s" }));
const reasonOf = (running: Promise<unknown>) => running.catch((error: MechaError) => error.reason ?? String(error));

describe("the pipeline", () => {
  it("is the handle itself where nothing is asked of it", () => {
    const handle = async () => 200;
    expect(pipelineOf().wrap("http", endpoint, handle)).toBe(handle);
  });

  it("measures and logs refused calls too, and refuses before the method", async () => {
    const log = new KeptScopedLog();
    const metrics = new Metrics({ app_id: "a" }, [1, 10]);
    let ran = 0;
    const handle = pipelineOf({ apiToken: "t", apiLog: log, metrics }).wrap("http", endpoint, async () => {
      ran++;
      return 200;
    });
    expect(await reasonOf(handle(request()))).toBe("tokenInvalid");
    expect(await handle(request({ "dapr-api-token": "t" }))).toBe(200);
    expect(ran).toBe(1);
    const { text } = await metrics.expose();
    expect(text).toMatch(/dapr_http_server_request_count\{[^}]*method="GetState"[^}]*status="401"[^}]*\} 1/);
    expect(text).toMatch(/dapr_http_server_request_count\{[^}]*status="200"[^}]*\} 1/);
    expect(text).toMatch(/dapr_http_server_latency_count\{[^}]*status="200"[^}]*\} 1/);
    expect(log.lines.map((line) => /"code":(\d+)/.exec(line)?.[1])).toEqual(["401", "200"]);
    expect(log.lines.join()).not.toContain("dapr-api-token");
  });

  it("counts over gRPC in gRPC's own numbers and names", async () => {
    const metrics = new Metrics({ app_id: "a" }, [1, 10]);
    const pipeline = pipelineOf({ metrics });
    const path = { name: "/dapr.proto.runtime.v1.Dapr/GetState", open: false };
    await pipeline.wrap("grpc", path, async () => 0)(request({}, "grpc"));
    await reasonOf(pipeline.wrap("grpc", path, failing)(request({}, "grpc")));
    await reasonOf(pipeline.wrap("grpc", path, () => Promise.reject(new Error("?")))(request({}, "grpc")));
    const { text } = await metrics.expose();
    for (const status of ["OK", "InvalidArgument", "Internal"]) {
      expect(text).toMatch(
        new RegExp(
          `dapr_grpc_io_server_completed_rpcs\\{[^}]*grpc_server_method="${path.name}"[^}]*grpc_server_status="${status}"[^}]*\\} 1`,
        ),
      );
    }
  });

  it("passes the failure on as it was", async () => {
    const metrics = new Metrics({}, [1]);
    const cause = new Error("mine");
    const handle = pipelineOf({ metrics, apiLog: new KeptScopedLog(), apiToken: "t" }).wrap("http", endpoint, () =>
      Promise.reject(cause),
    );
    await expect(handle(request({ "dapr-api-token": "t" }))).rejects.toBe(cause);
  });
});

describe("API logging", () => {
  it("tells method, duration, user agent and code, and no header else", async () => {
    const log = new KeptScopedLog();
    const handle = pipelineOf({ apiLog: log }).wrap("http", endpoint, async () => 204);
    await handle(request({ "user-agent": "curl/8", authorization: "secret" }));
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatch(/^info HTTP API Called /);
    expect(JSON.parse((log.lines[0] as string).slice("info HTTP API Called ".length))).toEqual({
      method: "GetState",
      duration: expect.any(Number),
      useragent: "curl/8",
      code: 204,
      size: 0,
    });
  });

  it("names the path that was called, or the method where paths are not to be told", async () => {
    const called = new Called("GET /v1.0/state/store/secret-key");
    called.sentBytes = 7;
    for (const [obfuscateUrls, method] of [
      [false, "GET /v1.0/state/store/secret-key"],
      [true, "GetState"],
    ] as const) {
      const log = new KeptScopedLog();
      await pipelineOf({ apiLog: log, obfuscateUrls }).wrap("http", endpoint, async () => 200)(called);
      expect(log.lines[0]).toContain(`"method":"${method}"`);
      expect(log.lines[0]).toContain('"size":7');
    }
  });

  it("has a scope per wire", async () => {
    const scopes: string[] = [];
    const log = new KeptScopedLog();
    const scope = (name: string) => {
      scopes.push(name);
      return log;
    };
    pipelineOf({ apiLog: Object.assign(log, { scope }) });
    expect(scopes).toEqual(["dapr.runtime.http", "dapr.runtime.grpc.api-info"]);
  });

  it("names the wire", async () => {
    const log = new KeptScopedLog();
    await pipelineOf({ apiLog: log }).wrap("grpc", endpoint, async () => 0)(request({}, "grpc"));
    expect(log.lines[0]).toMatch(/^info gRPC API Called /);
  });

  it("leaves health checks out where it is told to", async () => {
    const log = new KeptScopedLog();
    await pipelineOf({ apiLog: log, omitHealthChecks: true }).wrap("http", open, async () => 204)(request());
    expect(log.lines).toEqual([]);
    await pipelineOf({ apiLog: log }).wrap("http", open, async () => 204)(request());
    expect(log.lines).toHaveLength(1);
  });
});

describe("the API token", () => {
  it("is not asked for on open endpoints", async () => {
    const handle = pipelineOf({ apiToken: "t" }).wrap("http", open, async () => 204);
    expect(await handle(request())).toBe(204);
  });

  it.each([
    ["t", true],
    ["", false],
    [undefined, false],
    ["T", false],
    ["tt", false],
    ["ü", false],
  ])("%j matches: %s", (given, matches) => {
    expect(tokenMatches("t", given)).toBe(matches);
  });

  it("may have letters beyond ASCII", () => {
    expect(tokenMatches("schlüssel", "schlüssel")).toBe(true);
    expect(tokenMatches("schlüssel", "schlussel")).toBe(false);
  });
});
