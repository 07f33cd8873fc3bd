import { describe, expect, it } from "vitest";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import { Request } from "../../../../sidecar/kernel/request.ts";
import { type CallMetricsConfig, callNotes, errorNotes } from "../../../../sidecar/wire/call-metrics.ts";
import { fail } from "../../../../specs/errors.ts";

class Called extends Request {
  readonly #api: string;
  constructor(wire: "http" | "grpc", api: string) {
    super(wire, {}, () => {});
    this.#api = api;
  }

  override get api(): string {
    return this.#api;
  }
}

const config = (http: Partial<CallMetricsConfig["http"]> = {}, recordErrorCodes = false): CallMetricsConfig => ({
  recordErrorCodes,
  http: { increasedCardinality: true, pathMatching: [], excludeVerbs: false, ...http },
});

/** Notes calls of one endpoint and gives what is counted, without what all series have in common. */
async function counted(
  wire: "http" | "grpc",
  name: string,
  apis: readonly string[],
  how: CallMetricsConfig = config(),
) {
  const metrics = new Metrics({}, []);
  const note = callNotes(metrics, wire, name, how);
  for (const api of apis) note(new Called(wire, api), wire === "http" ? 200 : 0, 1);
  const series = wire === "http" ? "dapr_http_server_request_count" : "dapr_grpc_io_server_completed_rpcs";
  const { text } = await metrics.expose();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${series}{`))
    .map((line) => line.slice(series.length));
}

describe("calls over HTTP", () => {
  it("are counted by verb and path, without keys and ids", async () => {
    const paths = ["/v1.0/state/store/a", "/v1.0/state/store/b", "/v1.0/secrets/vault/key", "/v1.0/metadata"];
    expect(
      await counted(
        "http",
        "GetState",
        paths.map((path) => `GET ${path}`),
      ),
    ).toEqual([
      '{method="GET",path="/v1.0/state/store",status="200"} 2',
      '{method="GET",path="/v1.0/secrets/vault",status="200"} 1',
      '{method="GET",path="/v1.0/metadata",status="200"} 1',
    ]);
    const ids = ["PUT /v1.0/actors/cat/tom/method/purr", "POST /v1.0/workflows/dapr/id/pause"];
    expect(await counted("http", "InvokeActor", ids)).toEqual([
      '{method="PUT",path="/v1.0/actors/cat/{id}/method",status="200"} 1',
      '{method="POST",path="/v1.0/workflows/dapr/{id}/pause",status="200"} 1',
    ]);
  });

  it("are counted by method where paths are not wanted", async () => {
    const low = config({ increasedCardinality: false });
    expect(await counted("http", "GetState", ["GET /v1.0/state/store/a"], low)).toEqual([
      '{method="GetState",path="",status="200"} 1',
    ]);
    const apis = ["GET /v1.0/invoke/shop/method/a/b", "GET /v1.0/invoke/shop/method/c", "GET /by/header"];
    expect(await counted("http", "InvokeService", apis, low)).toEqual([
      '{method="InvokeService/shop",path="",status="200"} 2',
      '{method="InvokeService",path="",status="200"} 1',
    ]);
  });

  it("are counted by the template that says most about their path", async () => {
    const pathMatching = ["/orders/", "/orders/{id}", "/orders/open", "/files/{rest...}"];
    const apis = ["GET /orders/7", "GET /orders/open", "GET /orders/7/items", "GET /files/a/b", "GET /other"];
    const matched = [
      '{method="GET",path="/orders/{id}",status="200"} 1',
      '{method="GET",path="/orders/open",status="200"} 1',
      '{method="GET",path="/orders/",status="200"} 1',
      '{method="GET",path="/files/{rest...}",status="200"} 1',
    ];
    const other = '{method="GET",path="/other",status="200"} 1';
    expect(await counted("http", "InvokeService", apis, config({ pathMatching }))).toEqual([...matched, other]);
    const low = config({ pathMatching, increasedCardinality: false });
    const unmatched = '{method="InvokeService",path="",status="200"} 1';
    expect(await counted("http", "InvokeService", apis, low)).toEqual([...matched, unmatched]);
  });

  it("may leave the verb out", async () => {
    expect(await counted("http", "GetMetadata", ["GET /a", "PUT /a"], config({ excludeVerbs: true }))).toEqual([
      '{method="",path="/a",status="200"} 2',
    ]);
  });

  it("share one series when there are too many paths", async () => {
    const apis = Array.from({ length: 1100 }, (_, i) => `GET /v1.0/invoke/app/method/${i}`);
    const lines = await counted("http", "InvokeService", apis);
    expect(lines).toHaveLength(1001);
    expect(lines.at(-1)).toBe('{method="GET",path="",status="200"} 100');
  });

  it("are counted and measured, and so are their bodies", async () => {
    const metrics = new Metrics({}, [1]);
    const call = new Called("http", "GET /a");
    Object.assign(call, { receivedBytes: 2000, sentBytes: 10 });
    callNotes(metrics, "http", "X", config())(call, 404, 5);
    const { text } = await metrics.expose();
    for (const line of [
      'dapr_http_server_response_count{method="GET",path="/a",status="404"} 1',
      'dapr_http_server_latency_sum{method="GET",path="/a",status="404"} 5',
      'dapr_http_server_request_bytes_bucket{method="GET",path="/a",le="1024"} 0',
      'dapr_http_server_request_bytes_bucket{method="GET",path="/a",le="2048"} 1',
      'dapr_http_server_response_bytes_sum{method="GET",path="/a"} 10',
    ])
      expect(text).toContain(`${line}\n`);
  });
});

describe("calls over gRPC", () => {
  it("are counted by their full method, those of other services too", async () => {
    expect(await counted("grpc", "proxy", ["/my.Svc/A", "/my.Svc/B", "/my.Svc/A"])).toEqual([
      '{grpc_server_method="/my.Svc/A",grpc_server_status="OK"} 2',
      '{grpc_server_method="/my.Svc/B",grpc_server_status="OK"} 1',
    ]);
  });

  it("share one series when callers make up too many methods", async () => {
    const lines = await counted(
      "grpc",
      "proxy",
      Array.from({ length: 1100 }, (_, i) => `/s/${i}`),
    );
    expect(lines.at(-1)).toBe('{grpc_server_method="proxy",grpc_server_status="OK"} 100');
  });
});

describe("refusals", () => {
  const errors = [
    fail("stateStoreNotFound", { name: "s" }),
    fail("tokenInvalid", {}),
    fail("invokeFailed", { id: "a", cause: "c" }),
  ];
  const lines = async (recordErrorCodes: boolean) => {
    const metrics = new Metrics({}, []);
    const note = errorNotes(metrics, config({}, recordErrorCodes));
    for (const error of [...errors, new Error("not ours")]) note(error);
    return (await metrics.expose()).text.split("\n").filter((line) => line.startsWith("dapr_error_code_total{"));
  };

  it("are counted by code and category where it is asked for", async () => {
    expect(await lines(true)).toEqual([
      'dapr_error_code_total{error_code="ERR_STATE_STORE_NOT_FOUND",category="state"} 1',
      'dapr_error_code_total{error_code="Unauthorized",category="common"} 1',
      'dapr_error_code_total{error_code="ERR_DIRECT_INVOKE",category="service-invocation"} 1',
    ]);
    expect(await lines(false)).toEqual([]);
  });
});
