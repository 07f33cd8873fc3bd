import { timingSafeEqual } from "node:crypto";
import { fail, MechaError } from "../../specs/errors.ts";
import type { ScopedLog } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Request } from "../kernel/request.ts";
import { StatusFailure } from "../kernel/status.ts";
import type { Tracing } from "../kernel/tracing.ts";
import { type CallMetricsConfig, callNotes, errorNotes } from "./call-metrics.ts";

/** What the pipeline needs to know of an endpoint. */
export interface Endpoint {
  /** Stable name for metrics and logs: the rpc's or the route's. */
  readonly name: string;
  /** Answers without an API token. */
  readonly open: boolean;
  /** Asked too often, or by tools, to be worth spans. */
  readonly untraced?: boolean;
}

/** Decodes, runs and encodes; resolves with the status that the caller was given, in its wire's own numbers. */
export type Handle<R extends Request = Request> = (request: R) => Promise<number>;

export interface PipelineParts {
  readonly apiToken: string | undefined;
  readonly metrics: Metrics | undefined;
  /** How much the labels of metrics say. */
  readonly labels: CallMetricsConfig;
  /** Absent: no spans are made. */
  readonly tracing: Tracing | undefined;
  /** Absent: API logging is off. */
  readonly apiLog: ScopedLog | undefined;
  readonly omitHealthChecks: boolean;
  /** API logging names the method, not the path, which may hold keys and ids. */
  readonly obfuscateUrls: boolean;
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
      ...(parts.metrics ? [measure(parts.metrics, parts.labels)] : []),
      ...(parts.apiLog ? [logCalls(parts.apiLog, parts)] : []),
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
    endpoint.open || endpoint.untraced
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

function measure(metrics: Metrics, labels: CallMetricsConfig): Layer {
  const noteError = errorNotes(metrics, labels);
  return (endpoint, next, wire) => {
    const note = callNotes(metrics, wire, endpoint.name, labels);
    return async (request) => {
      const started = performance.now();
      try {
        const status = await next(request);
        note(request, status, performance.now() - started);
        return status;
      } catch (error) {
        note(request, statusOf(wire, error), performance.now() - started);
        noteError(error);
        throw error;
      }
    };
  };
}

const apiLogs = {
  http: { scope: "dapr.runtime.http", message: "HTTP API Called" },
  grpc: { scope: "dapr.runtime.grpc.api-info", message: "gRPC API Called" },
} as const;

function logCalls(
  base: ScopedLog,
  { omitHealthChecks, obfuscateUrls }: Pick<PipelineParts, "omitHealthChecks" | "obfuscateUrls">,
): Layer {
  const logs = { http: base.scope(apiLogs.http.scope), grpc: base.scope(apiLogs.grpc.scope) };
  return (endpoint, next, wire) => {
    if (omitHealthChecks && endpoint.open) return next;
    const [log, { message }] = [logs[wire], apiLogs[wire]];
    return async (request) => {
      const started = performance.now();
      const write = (code: number) =>
        log.info(message, {
          method: obfuscateUrls ? endpoint.name : request.api || endpoint.name,
          duration: Math.round(performance.now() - started),
          useragent: request.header("user-agent") ?? "",
          code,
          ...(wire === "http" && { size: request.sentBytes }),
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
