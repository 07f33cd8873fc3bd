import type { ConfigurationDocument } from "../../specs/schemas/configuration.ts";
import type { NameValueDocument } from "../../specs/schemas/name-value.ts";
import type { NameValuePair, TracingConfig } from "../kernel/config-types.ts";
import { parseDurationMs } from "../kernel/duration.ts";
import type { Checks } from "./checks.ts";
import { pairOf } from "./pairs.ts";

type Written = ConfigurationDocument["spec"]["tracing"];
type Env = Readonly<Record<string, string | undefined>>;

/** Rate of traces when none is configured: one in ten thousand. */
const DEFAULT_RATE = 1e-4;

/** `spec.tracing`, overridden by the OTEL_EXPORTER_OTLP_* variables. */
export function toTracing(written: Written, env: Env, checks: Checks): TracingConfig {
  const otel = toOtel(written.otel, env, checks);
  const zipkinEndpoint = written.zipkin?.endpointAddress;
  return {
    samplingRate: toRate(written.samplingRate, otlp(env, "ENDPOINT") !== undefined, checks),
    stdout: written.stdout,
    ...(zipkinEndpoint ? { zipkinEndpoint } : {}),
    ...(otel && { otel }),
  };
}

function toRate(text: string, hasEndpointVariable: boolean, checks: Checks): number {
  if (text.trim() === "") return hasEndpointVariable ? 1 : DEFAULT_RATE;
  const rate = Number(text);
  const keyPath = "spec.tracing.samplingRate";
  if (Number.isNaN(rate)) {
    checks.passOver(keyPath, `${JSON.stringify(text)} is not a number; ${DEFAULT_RATE} is used`, 'write "0" to "1"');
    return DEFAULT_RATE;
  }
  if (rate < 0 || rate > 1) checks.passOver(keyPath, `${rate} is not a share`, 'write a number from "0" to "1"');
  return Math.min(1, Math.max(0, rate));
}

function toOtel(written: Written["otel"], env: Env, checks: Checks): TracingConfig["otel"] {
  const endpointAddress = otlp(env, "ENDPOINT") ?? written?.endpointAddress;
  if (!endpointAddress) return undefined;
  const timeout = otlp(env, "TIMEOUT");
  const timeoutMs = timeout ? Number(timeout) : written?.timeout && parseDurationMs(written.timeout);
  return {
    endpointAddress,
    protocol: toProtocol(otlp(env, "PROTOCOL") ?? written?.protocol, endpointAddress),
    isSecure: toSecure(written?.isSecure ?? true, endpointAddress, otlp(env, "INSECURE")),
    headers: toHeaders(otlp(env, "HEADERS"), written?.headers ?? [], checks),
    ...(timeoutMs ? { timeoutMs } : {}),
  };
}

/** A variable of the exporter; the one for traces wins. */
function otlp(env: Env, name: string): string | undefined {
  return env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
}

/** Collectors take HTTP on port 4318 and gRPC on any other, unless told. */
function toProtocol(text: string | undefined, endpointAddress: string): "grpc" | "http" {
  if (text) return text.startsWith("http") ? "http" : "grpc";
  return /:4318(\/|$)/.test(endpointAddress) ? "http" : "grpc";
}

function toSecure(written: boolean, endpointAddress: string, insecure: string | undefined): boolean {
  if (endpointAddress.startsWith("http://")) return false;
  if (endpointAddress.startsWith("https://")) return true;
  return insecure === undefined ? written : !/^(1|t|true|y|yes|on)$/i.test(insecure);
}

function toHeaders(
  variable: string | undefined,
  written: readonly (string | NameValueDocument)[],
  checks: Checks,
): NameValuePair[] {
  if (variable !== undefined) {
    return variable.split(",").flatMap((text) => toHeader(decoded(text), 0) ?? []);
  }
  return written.flatMap((entry, index) => {
    const keyPath = `spec.tracing.otel.headers[${index}]`;
    const line = checks.lineOf(keyPath);
    if (typeof entry !== "string") return [pairOf(entry.name, entry, line)];
    const header = toHeader(entry, line);
    if (header === undefined) checks.refuse(keyPath, 'has no "="', "write name=value");
    return header ?? [];
  });
}

function toHeader(text: string, line: number): NameValuePair | undefined {
  const at = text.indexOf("=");
  if (at < 1) return undefined;
  return { name: text.slice(0, at).trim(), value: text.slice(at + 1).trim(), line };
}

/** Values of the variable are percent-encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
