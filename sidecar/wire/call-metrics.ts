import { MechaError, type Reason } from "../../specs/errors.ts";
import type { MetricsConfig } from "../kernel/config-types.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Request } from "../kernel/request.ts";
import { grpcStatusName } from "../kernel/status.ts";
import { pathLabels } from "./path-labels.ts";

/** Notes a call that has ended, with the status in its wire's own numbers. */
export type NoteCall = (request: Request, status: number, ms: number) => void;

export type CallMetricsConfig = Pick<MetricsConfig, "http" | "recordErrorCodes">;

/** Callers choose paths, and methods of other apps; those of an endpoint that come after so many share one series. */
const mostSeries = 1000;

/** How calls of one endpoint are noted. `name`: the method's, or the route. */
export function callNotes(metrics: Metrics, wire: "http" | "grpc", name: string, config: CallMetricsConfig): NoteCall {
  return wire === "http" ? httpNotes(metrics, name, config.http) : grpcNotes(metrics, name);
}

/** Counts refusals by their codes, where the configuration asks for it. */
export function errorNotes(metrics: Metrics, { recordErrorCodes }: CallMetricsConfig): (error: unknown) => void {
  if (!recordErrorCodes) return () => {};
  return (error) => {
    if (!(error instanceof MechaError)) return;
    const { tag, info } = error.row;
    const labels = { error_code: tag ?? info ?? error.reason, category: categoryOf(error.reason) };
    metrics.count("error_code_total", "Calls that were refused, by the code they were answered.", labels)();
  };
}

type Record = (request: Request, ms: number) => void;

function httpNotes(metrics: Metrics, name: string, http: CallMetricsConfig["http"]): NoteCall {
  const pathOf = pathLabels(http);
  const bound = new Map<string, Record>();
  const find = (method: string, path: string, status: string): Record => {
    const key = `${status} ${method} ${path}`;
    const known = bound.get(key);
    if (known) return known;
    if (bound.size >= mostSeries && path !== "") return find(method, "", status);
    const record = httpRecord(metrics, { method, path }, status);
    bound.set(key, record);
    return record;
  };
  return (request, status, ms) => {
    const { api } = request;
    const cut = api.indexOf(" ");
    const path = pathOf(api.slice(cut + 1));
    const labelled = cut > 0 && (http.increasedCardinality || path !== "");
    const verb = http.excludeVerbs ? "" : api.slice(0, cut);
    const record = labelled ? find(verb, path, String(status)) : find(shortName(name, api), "", String(status));
    record(request, ms);
  };
}

/** Without paths an invocation is told by its app. */
function shortName(name: string, api: string): string {
  const appId = name === "InvokeService" ? /\/v1\.0\/invoke\/([^/]+)\/method(\/|$)/.exec(api)?.[1] : undefined;
  return appId ? `${name}/${appId}` : name;
}

function httpRecord(metrics: Metrics, target: { readonly method: string; readonly path: string }, status: string) {
  const labels = { ...target, status };
  const requests = metrics.count("http_server_request_count", "Calls of the HTTP API that have ended.", labels);
  const responses = metrics.count("http_server_response_count", "Answers of the HTTP API.", labels);
  const latency = metrics.latency("http_server_latency", "Milliseconds per call of the HTTP API.", labels);
  const received = metrics.size("http_server_request_bytes", "Bytes of a request's body.", target);
  const sent = metrics.size("http_server_response_bytes", "Bytes of an answer's body.", target);
  return ({ receivedBytes, sentBytes }: Request, ms: number): void => {
    requests();
    responses();
    latency(ms);
    received(receivedBytes);
    sent(sentBytes);
  };
}

function grpcNotes(metrics: Metrics, name: string): NoteCall {
  const bound = new Map<string, Record>();
  const find = (method: string, status: number): Record => {
    const key = `${status} ${method}`;
    const known = bound.get(key);
    if (known) return known;
    if (bound.size >= mostSeries && method !== name) return find(name, status);
    const record = grpcRecord(metrics, method, status);
    bound.set(key, record);
    return record;
  };
  return (request, status, ms) => find(request.api || name, status)(request, ms);
}

function grpcRecord(metrics: Metrics, method: string, status: number) {
  const target = { grpc_server_method: method };
  const labels = { ...target, grpc_server_status: grpcStatusName(status) };
  const calls = metrics.count("grpc_io_server_completed_rpcs", "Calls of the gRPC API that have ended.", labels);
  const latency = metrics.latency("grpc_io_server_server_latency", "Milliseconds per call of the gRPC API.", labels);
  const received = metrics.size("grpc_io_server_received_bytes_per_rpc", "Bytes of a call's requests.", target);
  const sent = metrics.size("grpc_io_server_sent_bytes_per_rpc", "Bytes of a call's answers.", target);
  return ({ receivedBytes, sentBytes }: Request, ms: number): void => {
    calls();
    latency(ms);
    received(receivedBytes);
    sent(sentBytes);
  };
}

/** First words of reasons → what they belong to. */
const categories: readonly (readonly [start: RegExp, category: string])[] = [
  [/^(state|etag|outbox)/, "state"],
  [/^(pubsub|topic|subscribe|stream)/, "pubsub"],
  [/^(invoke|peer|app|proxy)/, "service-invocation"],
  [/^binding/, "bindings"],
  [/^secret/, "secret"],
  [/^configuration/, "configuration"],
  [/^lock/, "lock"],
  [/^crypto/, "crypto"],
  [/^conversation/, "conversation"],
  [/^actor/, "actor"],
  [/^workflow/, "workflow"],
  [/^job/, "job"],
  [/^(health|outbound)/, "health"],
];

const categoryOf = (reason: Reason): string => categories.find(([start]) => start.test(reason))?.[1] ?? "common";
