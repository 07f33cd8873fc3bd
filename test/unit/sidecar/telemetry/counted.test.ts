import { describe, expect, it } from "vitest";
import { asStream } from "../../../../sidecar/kernel/body.ts";
import type { GrpcTarget, HttpTarget } from "../../../../sidecar/kernel/exchange.ts";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import type { Receiver } from "../../../../sidecar/kernel/peer.ts";
import { endedAnswer } from "../../../../sidecar/kernel/status.ts";
import { appMetrics } from "../../../../sidecar/telemetry/app-metrics.ts";
import { inputMetrics } from "../../../../sidecar/telemetry/input-metrics.ts";
import { accessMetrics, countedPeers, countedReceiver } from "../../../../sidecar/telemetry/invocation-metrics.ts";
import { fail } from "../../../../specs/errors.ts";
import { rawCall } from "../../../support/raw-calls.ts";

const counts = async (metrics: Metrics) =>
  (await metrics.expose()).text
    .split("\n")
    .filter((line) => line.startsWith("dapr_") && !/_(bucket|sum)\{/.test(line))
    .map((line) => line.slice("dapr_".length))
    .sort();
const signal = new AbortController().signal;
const exchange = { verb: "GET", path: "a", query: "", headers: {}, body: undefined, signal };
const answer = (status: number) => ({ status, headers: {}, body: asStream(undefined) });
const ended = (code: number) => endedAnswer({ code, details: "", metadata: {} });

describe("what is counted of service invocation", () => {
  it("calls of other apps and their answers", async () => {
    const metrics = new Metrics({}, []);
    let failing = false;
    const target: HttpTarget & GrpcTarget = {
      send: async () => (failing ? Promise.reject(fail("invokeDenied", { id: "a", operation: "b" })) : answer(204)),
      call: () => ended(0),
    };
    const found = await countedPeers({ find: async () => target }, metrics).find("shop", "default", signal);
    await found.send(exchange);
    failing = true;
    await expect(found.send(exchange)).rejects.toThrow("access control");
    await found.call(rawCall("/s/m", [], { metadata: { "dapr-stream": "true" } })).status;
    expect(await counts(metrics)).toEqual([
      'runtime_service_invocation_req_sent_total{dst_app_id="shop",type="streaming"} 1',
      'runtime_service_invocation_req_sent_total{dst_app_id="shop",type="unary"} 2',
      'runtime_service_invocation_res_recv_latency_ms_count{src_app_id="shop",status="0"} 1',
      'runtime_service_invocation_res_recv_latency_ms_count{src_app_id="shop",status="204"} 1',
      'runtime_service_invocation_res_recv_latency_ms_count{src_app_id="shop",status="403"} 1',
      'runtime_service_invocation_res_recv_total{src_app_id="shop",status="0",type="streaming"} 1',
      'runtime_service_invocation_res_recv_total{src_app_id="shop",status="204",type="unary"} 1',
      'runtime_service_invocation_res_recv_total{src_app_id="shop",status="403",type="unary"} 1',
    ]);
  });

  it("calls by other apps and what they are answered", async () => {
    const metrics = new Metrics({}, []);
    const receiver: Receiver = { receiveHttp: async () => answer(200), receiveGrpc: () => ended(13) };
    const counted = countedReceiver(receiver, metrics);
    await counted.receiveHttp(exchange, { appId: "front", namespace: "default" });
    await counted.receiveGrpc(rawCall("/s/m", []), undefined).status;
    expect(await counts(metrics)).toEqual([
      'runtime_service_invocation_req_recv_total{src_app_id=""} 1',
      'runtime_service_invocation_req_recv_total{src_app_id="front"} 1',
      'runtime_service_invocation_res_sent_total{dst_app_id="",status="13"} 1',
      'runtime_service_invocation_res_sent_total{dst_app_id="front",status="200"} 1',
    ]);
  });

  it("decisions of the access rules", async () => {
    const metrics = new Metrics({}, []);
    const note = accessMetrics(metrics, "public", "default");
    note("app", true);
    note("global", false);
    const labels = '{trustDomain="public",namespace="default"}';
    expect(await counts(metrics)).toEqual([
      `runtime_acl_app_policy_action_allowed_total${labels} 1`,
      `runtime_acl_global_policy_action_blocked_total${labels} 1`,
    ]);
  });
});

describe("what is counted of the app", () => {
  it("topic events, batches and events of bindings", async () => {
    const metrics = new Metrics({}, []);
    const inputs = inputMetrics(metrics, "ns");
    inputs.topicEvent({ pubsubName: "bus", topic: "t", outcome: "retry", ms: 1 });
    inputs.topicEvent({ pubsubName: "bus", topic: "t", outcome: "success", ms: 1, count: 3 });
    inputs.bindingEvent("tick", false, 1);
    const bulk = '{component="bus",namespace="ns",process_status="success",topic="t"}';
    const single = '{component="bus",namespace="ns",process_status="retry",topic="t",status=""}';
    const binding = '{component="tick",namespace="ns",success="false"}';
    expect(await counts(metrics)).toEqual([
      `component_input_binding_count${binding} 1`,
      `component_input_binding_latencies_count${binding} 1`,
      `component_pubsub_ingress_bulk_count${bulk} 1`,
      `component_pubsub_ingress_bulk_event_count${bulk} 3`,
      `component_pubsub_ingress_bulk_latencies_count${bulk} 1`,
      `component_pubsub_ingress_count${single} 1`,
      `component_pubsub_ingress_latencies_count${single} 1`,
    ]);
  });

  it("calls over both protocols, and health checks", async () => {
    const metrics = new Metrics({}, []);
    const app = appMetrics(metrics, true);
    app.http("POST", "/orders", 200);
    app.grpc("/s/OnInvoke", 5, 1);
    app.probe(0, 1);
    appMetrics(metrics, false).http("POST", "/orders", 200);
    expect(await counts(metrics)).toEqual([
      'grpc_io_client_completed_rpcs{grpc_client_method="/s/OnInvoke",grpc_client_status="NotFound"} 1',
      'grpc_io_client_roundtrip_latency_count{grpc_client_method="/s/OnInvoke",grpc_client_status="NotFound"} 1',
      'grpc_io_healthprobes_completed_count{grpc_client_status="OK"} 1',
      'grpc_io_healthprobes_roundtrip_latency_count{grpc_client_status="OK"} 1',
      'http_client_completed_count{method="POST",path="",status="200"} 1',
      'http_client_completed_count{method="POST",path="/orders",status="200"} 1',
    ]);
  });

  it("paths up to a limit", async () => {
    const metrics = new Metrics({}, []);
    const app = appMetrics(metrics, true);
    for (let i = 0; i < 1010; i++) app.http("GET", `/${i}`, 200);
    app.http("GET", "/0", 200);
    const lines = await counts(metrics);
    expect(lines).toContain('http_client_completed_count{method="GET",path="",status="200"} 10');
    expect(lines).toContain('http_client_completed_count{method="GET",path="/0",status="200"} 2');
  });
});
