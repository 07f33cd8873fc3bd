import { hostname } from "node:os";
import { type Context, context, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { MechaError } from "../../specs/errors.ts";
import type { Config, ResolvedPair } from "../kernel/config-types.ts";
import type { Request, Trace } from "../kernel/request.ts";
import { StatusFailure } from "../kernel/status.ts";
import type { OpenSpan, SpanStart, Tracing } from "../kernel/tracing.ts";
import { factsOf } from "./span-facts.ts";

/**
 * Opens tracing; undefined when nothing would receive a span, and callers pay nothing.
 * The exporters' libraries load here, not before.
 */
export async function openTracing(
  config: Config,
  otelHeaders: readonly ResolvedPair[],
  version: string,
): Promise<Tracing | undefined> {
  const { tracing } = config.configuration;
  const anywhere = tracing.stdout || tracing.zipkinEndpoint !== undefined || tracing.otel !== undefined;
  if (!anywhere || tracing.samplingRate <= 0) return undefined;
  const {
    BasicTracerProvider,
    BatchSpanProcessor,
    ConsoleSpanExporter,
    ParentBasedSampler,
    SimpleSpanProcessor,
    TraceIdRatioBasedSampler,
  } = await import("@opentelemetry/sdk-trace-base");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const processors = [];
  if (tracing.stdout) processors.push(new SimpleSpanProcessor(new ConsoleSpanExporter()));
  if (tracing.zipkinEndpoint !== undefined) {
    const { ZipkinExporter } = await import("@opentelemetry/exporter-zipkin");
    processors.push(
      new BatchSpanProcessor(new ZipkinExporter({ url: tracing.zipkinEndpoint, serviceName: config.appId })),
    );
  }
  if (tracing.otel) processors.push(new BatchSpanProcessor(await otlpExporter(tracing.otel, otelHeaders)));
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      "service.name": config.appId,
      "service.version": version,
      "host.name": hostname(),
      "process.pid": process.pid,
      "k8s.namespace.name": config.namespace,
      ...(config.podName !== undefined && { "k8s.pod.name": config.podName }),
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(tracing.samplingRate) }),
    spanProcessors: processors,
  });
  const tracer = provider.getTracer("mecha", version);
  const open = (name: string, { parent, attributes }: SpanStart): OpenSpan => {
    const all = { ...attributes, "dapr.app_id": config.appId };
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: all }, contextOf(parent));
    return openSpan(span, parent?.tracestate);
  };
  return {
    start: open,
    async span(endpoint, request, handle, failed) {
      const { name, attributes } = factsOf(request, endpoint);
      const span = open(name, { parent: request.callerTrace, attributes });
      request.trace = span.trace;
      try {
        const status = await handle();
        span.end({ status: String(status), failed: failed(status) });
        return status;
      } catch (error) {
        span.end({ ...statusOf(request, error), failed: true, error });
        throw error;
      }
    },
    close: () => provider.shutdown(),
  };
}

function openSpan(span: Span, tracestate: string | undefined): OpenSpan {
  return {
    trace: traceOfSpan(span, tracestate),
    end({ status, failed, error }) {
      if (status !== undefined) span.setAttribute("dapr.status_code", status);
      if (failed) {
        span.setStatus({
          code: SpanStatusCode.ERROR,
          ...(error === undefined ? {} : { message: error instanceof Error ? error.message : String(error) }),
        });
      }
      span.end();
    },
  };
}

/** The status that a failure is answered with, in the wire's own numbers. */
function statusOf({ wire }: Request, error: unknown): { status?: string } {
  if (!(error instanceof MechaError || error instanceof StatusFailure)) return {};
  return { status: String(wire === "http" ? error.httpStatus : error.grpcCode) };
}

async function otlpExporter(
  otel: NonNullable<Config["configuration"]["tracing"]["otel"]>,
  pairs: readonly ResolvedPair[],
) {
  const { endpointAddress, isSecure, protocol, timeoutMs } = otel;
  const scheme = isSecure ? "https" : "http";
  const base = endpointAddress.includes("://") ? endpointAddress : `${scheme}://${endpointAddress}`;
  const timeout = timeoutMs === undefined ? {} : { timeoutMillis: timeoutMs };
  if (protocol === "http") {
    const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
    const headers = Object.fromEntries(pairs.map(({ name, value }) => [name, value]));
    return new OTLPTraceExporter({
      url: /\/v1\/traces$/.test(base) ? base : `${base.replace(/\/$/, "")}/v1/traces`,
      headers,
      ...timeout,
    });
  }
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-grpc");
  const { Metadata } = await import("@grpc/grpc-js");
  const metadata = new Metadata();
  for (const { name, value } of pairs) metadata.set(name, value);
  return new OTLPTraceExporter({ url: base, metadata, ...timeout });
}

/** The caller's span as the parent; without one the span begins a trace and the sampling rate decides. */
function contextOf(parent: Trace | undefined): Context {
  if (!parent) return context.active();
  const [, traceId = "", spanId = "", flags = "00"] = parent.traceparent.split("-");
  return trace.setSpanContext(context.active(), {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}

function traceOfSpan(span: Span, tracestate: string | undefined): Trace {
  const { traceId, spanId, traceFlags } = span.spanContext();
  const flags = (traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, "0");
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate };
}
