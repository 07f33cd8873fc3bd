import { timingSafeEqual } from "node:crypto";
import { fail, MechaError } from "../../specs/errors.ts";
import type { ScopedLog } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Request } from "../kernel/request.ts";
import { StatusFailure } from "../kernel/status.ts";
import type { Tracing } from "../kernel/tracing.ts";

/** What the pipeline needs to know of an endpoint. */
export interface Endpoint {
  /** Stable name for metrics and logs: the rpc's or the route's. */
  readonly name: string;
  /** Answers without an API token. */
  readonly open: boolean;
}

/** Decodes, runs and encodes; resolves with the status that the caller was given, in its wire's own numbers. */
export type Handle<R extends Request = Request> = (request: R) => Promise<number>;

export interface PipelineParts {
  readonly apiToken: string | undefined;
  readonly metrics: Metrics | undefined;
  /** Absent: no spans are made. */
  readonly tracing: Tracing | undefined;
  /** Absent: API logging is off. */
  readonly apiLog: ScopedLog | undefined;
  readonly omitHealthChecks: boolean;
}

type Layer = (endpoint: Endpoint, next: Handle, wire: "http" | "grpc") => Handle;

/**
 * The cross-cutting work of both servers, outermost first. The body limit stands before it, in the servers, since it
 * guards reading.
 */
export class Pipeline {
  readonly #layers: readonly Layer[];

  constructor(parts: PipelineParts) {
    this.#layers = [
      // Outermost, so that a span covers all that a call costs; health is asked too often to be worth one.
      ...(parts.tracing ? [traceCalls(parts.tracing)] : []),
      // So that refused calls are counted and logged too.
      ...(parts.metrics ? [measure(parts.metrics)] : []),
      ...(parts.apiLog ? [logCalls(parts.apiLog, parts.omitHealthChecks)] : []),
      // Before decoding: a stranger's body is not looked at.
      ...(parts.apiToken ? [requireToken(parts.apiToken)] : []),
    ];
  }

  /** `handle` with the layers around it. */
  wrap<R extends Request>(wire: "http" | "grpc", endpoint: Endpoint, handle: Handle<R>): Handle<R> {
    // Layers only pass the request through, so what goes in at the top arrives at the handle.
    return this.#layers.reduceRight((next, layer) => layer(endpoint, next, wire), handle as Handle);
  }
}

/** Compares in constant time, so that the token cannot be guessed by its timing. */
export function tokenMatches(expected: string, given: string | undefined): boolean {
  const a = Buffer.from(expected);
  const b = Buffer.from(given ?? "");
  return a.length === b.length && timingSafeEqual(a, b);
}

const requireToken =
  (token: string): Layer =>
  (endpoint, next) =>
    endpoint.open
      ? next
      : (request) => {
          if (!tokenMatches(token, request.header("dapr-api-token"))) return Promise.reject(fail("tokenInvalid", {}));
          return next(request);
        };

const traceCalls =
  (tracing: Tracing): Layer =>
  (endpoint, next, wire) =>
    endpoint.open
      ? next
      : (request) =>
          tracing.span(
            endpoint.name,
            request,
            () => next(request),
            (status) => (wire === "http" ? status >= 500 : status !== 0),
          );

const statusOf = (wire: "http" | "grpc", error: unknown): number => {
  if (error instanceof MechaError || error instanceof StatusFailure)
    return wire === "http" ? error.httpStatus : error.grpcCode;
  return wire === "http" ? 500 : 13;
};

function measure(metrics: Metrics): Layer {
  return (endpoint, next, wire) => {
    const [countName, latencyName] =
      wire === "http"
        ? ["http_server_request_count", "http_server_latency"]
        : ["grpc_io_server_completed_rpcs", "grpc_io_server_server_latency"];
    const labels = (status: number): Record<string, string> =>
      wire === "http"
        ? { method: endpoint.name, path: "", status: String(status) }
        : { grpc_server_method: endpoint.name, grpc_server_status: String(status) };
    const bound = new Map<number, (ms: number) => void>();
    const note = (status: number, started: number) => {
      let record = bound.get(status);
      if (!record) {
        const count = metrics.count(countName as string, "Calls of the API that have ended.", labels(status));
        const latency = metrics.latency(latencyName as string, "Milliseconds per call of the API.", labels(status));
        record = (ms) => {
          count();
          latency(ms);
        };
        bound.set(status, record);
      }
      record(performance.now() - started);
    };
    return async (request) => {
      const started = performance.now();
      try {
        const status = await next(request);
        note(status, started);
        return status;
      } catch (error) {
        note(statusOf(wire, error), started);
        throw error;
      }
    };
  };
}

function logCalls(log: ScopedLog, omitHealthChecks: boolean): Layer {
  return (endpoint, next, wire) => {
    if (omitHealthChecks && endpoint.open) return next;
    const message = wire === "http" ? "HTTP API Called" : "gRPC API Called";
    return async (request) => {
      const started = performance.now();
      const write = (code: number) =>
        log.info(message, {
          method: endpoint.name,
          duration: Math.round(performance.now() - started),
          useragent: request.header("user-agent") ?? "",
          code,
        });
      try {
        const status = await next(request);
        write(status);
        return status;
      } catch (error) {
        write(statusOf(wire, error));
        throw error;
      }
    };
  };
}
