import type {
  AppConfig,
  AppProtocol,
  Configuration,
  ControlPlaneConfig,
  LimitsConfig,
  ListenConfig,
  LogConfig,
  ShutdownConfig,
} from "../kernel/config-types.ts";
import { type FlagName, type FlagValues, flags } from "./flags.ts";

type Env = Readonly<Record<string, string | undefined>>;

export function toApp(values: FlagValues, env: Env): AppConfig {
  const port = values["app-port"];
  const apiToken = env["APP_API_TOKEN"];
  return {
    ...(port === undefined ? {} : { port }),
    protocol: values["app-ssl"] ? withTls(values["app-protocol"]) : values["app-protocol"],
    address: values["app-channel-address"] || flags["app-channel-address"].default,
    maxConcurrency: Math.max(0, values["app-max-concurrency"]),
    healthCheck: {
      enabled: values["enable-app-health-check"],
      path: values["app-health-check-path"],
      intervalMs: positiveOrDefault(values, "app-health-probe-interval") * 1000,
      timeoutMs: positiveOrDefault(values, "app-health-probe-timeout"),
      threshold: positiveOrDefault(values, "app-health-threshold"),
    },
    bindingOptionsTimeoutMs: values["app-binding-options-timeout"],
    ...(apiToken ? { apiToken } : {}),
  };
}

export function toListen(values: FlagValues, env: Env, { metrics }: Configuration): ListenConfig {
  const publicPort = values["dapr-public-port"];
  const socketDir = values["unix-domain-socket"];
  return {
    addresses: values["dapr-listen-addresses"],
    httpPort: values["dapr-http-port"],
    grpcPort: values["dapr-grpc-port"],
    internalGrpcPort: values["dapr-internal-grpc-port"],
    internalListenAddress: values["dapr-internal-grpc-listen-address"],
    ...(publicPort === undefined ? {} : { publicPort }),
    publicAddress: values["dapr-public-listen-address"],
    ...(socketDir ? { unixDomainSocketDir: socketDir } : {}),
    h2c: !isTruthy(env["DAPR_HTTP_DISABLE_H2C"]),
    metrics: {
      enabled: values["enable-metrics"] && metrics.enabled,
      port: values["metrics-port"],
      address: values["metrics-listen-address"],
    },
    allowedOrigins: values["allowed-origins"],
  };
}

/** The deprecated flags count in MiB and KiB, and only when the new ones are not given. */
export function toLimits(values: FlagValues, given: ReadonlySet<FlagName>): LimitsConfig {
  const bodyMib = given.has("max-body-size") ? 0 : values["dapr-http-max-request-size"];
  const bufferKib = given.has("read-buffer-size") ? 0 : values["dapr-http-read-buffer-size"];
  return {
    maxBodyBytes: bodyMib > 0 ? bodyMib * 2 ** 20 : values["max-body-size"],
    readBufferBytes: bufferKib > 0 ? bufferKib * 2 ** 10 : values["read-buffer-size"],
  };
}

export function toShutdown(values: FlagValues): ShutdownConfig {
  const seconds = values["dapr-graceful-shutdown-seconds"];
  const blockMs = values["dapr-block-shutdown-duration"];
  const gracefulMs = (seconds < 0 ? Number(flags["dapr-graceful-shutdown-seconds"].default) : seconds) * 1000;
  return { gracefulMs, ...(blockMs === undefined ? {} : { blockMs }) };
}

export function toLog(values: FlagValues, { logging }: Configuration): LogConfig {
  const { enabled = false, obfuscateUrls, omitHealthChecks } = logging.apiLogging;
  const apiLogging = { enabled: values["enable-api-logging"] ?? enabled, obfuscateUrls, omitHealthChecks };
  return { level: values["log-level"], json: values["log-as-json"], apiLogging };
}

export function toControlPlane(values: FlagValues): ControlPlaneConfig {
  return {
    address: values["control-plane-address"],
    sentryAddress: values["sentry-address"],
    trustDomain: values["control-plane-trust-domain"],
    namespace: values["control-plane-namespace"],
    mtlsEnabled: values["enable-mtls"],
    sentryRequestJwtAudiences: values["sentry-request-jwt-audiences"],
    placementAddresses: values["placement-host-address"],
    schedulerAddresses: values["scheduler-host-address"],
    schedulerJobStreams: values["scheduler-job-streams"],
    actorsDisseminateTimeoutMs: values["actors-disseminate-timeout"],
  };
}

function withTls(protocol: AppProtocol): AppProtocol {
  if (protocol === "http") return "https";
  return protocol === "grpc" ? "grpcs" : protocol;
}

type HealthFlag = "app-health-probe-interval" | "app-health-probe-timeout" | "app-health-threshold";

function positiveOrDefault(values: FlagValues, name: HealthFlag): number {
  return values[name] > 0 ? values[name] : Number(flags[name].default);
}

function isTruthy(text: string | undefined): boolean {
  return /^(1|t|true|y|yes|on)$/i.test(text ?? "");
}
