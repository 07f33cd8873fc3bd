import type { Flag } from "./flag.ts";

/**
 * Every flag of the sidecar. Parsing, `--help` and the published list derive from this table, so that a flag is
 * described once. Defaults are written as a user would write them.
 */

const noPlacement = "actors need no placement service here";
const noScheduler = "jobs and reminders need no scheduler service here";

export const flags = {
  "app-id": { type: "text", group: "app", description: "Name of the app; required, unique in its namespace." },
  "app-port": { type: "optional-port", group: "app", description: "Port the app listens on; none when left out." },
  "app-protocol": {
    type: "choice",
    group: "app",
    values: ["http", "https", "h2c", "grpc", "grpcs"],
    default: "http",
    description: "Protocol the app speaks. https and grpcs do not verify the app's certificate.",
  },
  "app-channel-address": {
    type: "text",
    group: "app",
    default: "127.0.0.1",
    description: "Address the app listens on.",
  },
  "app-max-concurrency": {
    type: "integer",
    group: "app",
    default: "-1",
    description: "Calls to the app at once; 0 or less means without limit.",
  },
  "app-ssl": {
    type: "switch",
    group: "app",
    description: "Speaks TLS to the app.",
    deprecated: "--app-protocol https or grpcs",
  },
  "app-binding-options-timeout": {
    type: "duration",
    group: "app",
    default: "3s",
    description: "How long to wait when asking the app whether it takes an input binding.",
  },
  "enable-app-health-check": { type: "switch", group: "app", description: "Checks the health of the app." },
  "app-health-check-path": {
    type: "text",
    group: "app",
    default: "/healthz",
    description: "Path of the health check of an HTTP app.",
  },
  "app-health-probe-interval": {
    type: "integer",
    group: "app",
    default: "5",
    unit: "s",
    description: "Seconds between health checks.",
  },
  "app-health-probe-timeout": {
    type: "integer",
    group: "app",
    default: "500",
    unit: "ms",
    description: "Milliseconds a health check may take; at most the interval.",
  },
  "app-health-threshold": {
    type: "integer",
    group: "app",
    default: "3",
    description: "Failed checks in a row after which the app counts as unhealthy.",
  },
  "disable-init-endpoints": {
    type: "list",
    group: "app",
    values: ["config", "subscribe"],
    description: "App endpoints not to ask when the app becomes healthy.",
  },

  "dapr-http-port": { type: "port", group: "api", default: "3500", description: "Port of the HTTP API; 0 = any free." },
  "dapr-grpc-port": {
    type: "port",
    group: "api",
    default: "50001",
    description: "Port of the gRPC API; 0 = any free.",
  },
  "dapr-internal-grpc-port": {
    type: "port",
    group: "api",
    default: "0",
    description: "Port other sidecars call; 0 = any free.",
  },
  "dapr-internal-grpc-listen-address": {
    type: "text",
    group: "api",
    description: "Address of that port; every interface when left out.",
  },
  "dapr-listen-addresses": {
    type: "list",
    group: "api",
    description: "Addresses of the APIs; every interface when left out.",
  },
  "dapr-public-port": {
    type: "optional-port",
    group: "api",
    description: "Port of a second listener that offers health and metadata only.",
  },
  "dapr-public-listen-address": {
    type: "text",
    group: "api",
    description: "Address of the public port; every interface when left out.",
  },
  "unix-domain-socket": {
    type: "text",
    group: "api",
    description: "Folder of sockets to serve the APIs on instead of TCP.",
  },
  "allowed-origins": {
    type: "list",
    group: "api",
    description: "Origins that browsers may call the HTTP API from; * = all, none when left out.",
  },
  "max-body-size": {
    type: "bytes",
    group: "api",
    default: "4Mi",
    minimum: 1,
    description: "Largest request body.",
  },
  "read-buffer-size": {
    type: "bytes",
    group: "api",
    default: "4Ki",
    minimum: 1,
    description: "Largest block of request headers.",
  },
  "dapr-http-max-request-size": {
    type: "integer",
    group: "api",
    default: "-1",
    description: "Largest request body in MiB.",
    deprecated: "--max-body-size",
  },
  "dapr-http-read-buffer-size": {
    type: "integer",
    group: "api",
    default: "-1",
    description: "Largest block of request headers in KiB.",
    deprecated: "--read-buffer-size",
  },

  "resources-path": {
    type: "list",
    group: "resources",
    description: "Folder of resource files; may be repeated.",
  },
  "components-path": {
    type: "list",
    group: "resources",
    description: "Folder of resource files.",
    deprecated: "--resources-path",
  },
  config: {
    type: "list",
    group: "resources",
    description: "Configuration file; may be repeated, later ones win.",
  },
  strict: {
    type: "switch",
    group: "resources",
    ours: true,
    description: "Treats unknown keys and skipped resources as errors.",
  },
  "data-dir": {
    type: "text",
    group: "resources",
    ours: true,
    default: ".mecha",
    description: "Folder for the data of embedded stores.",
  },
  embedded: {
    type: "switch",
    group: "resources",
    ours: true,
    description: "Adds the embedded default for every block that no component is declared for.",
  },
  "hot-reload-reconcile-interval": {
    type: "duration",
    group: "resources",
    default: "60s",
    minimum: 0,
    description: "How often resource folders are read again besides watching them; 0 means 60s.",
  },
  "secret-refresh-interval": {
    type: "duration",
    group: "resources",
    ours: true,
    default: "60s",
    minimum: 0,
    description:
      "How often the secrets of components are read again; a component is opened anew when one has changed and works. 0: never.",
  },
  "disable-builtin-k8s-secret-store": {
    type: "switch",
    group: "resources",
    description: "Does not offer the secret store of Kubernetes by default.",
  },

  mode: {
    type: "choice",
    group: "control plane",
    values: ["standalone", "kubernetes"],
    default: "standalone",
    description: "Where the sidecar runs.",
  },
  "control-plane-address": { type: "text", group: "control plane", description: "Address of the operator." },
  "sentry-address": { type: "text", group: "control plane", description: "Address of the certificate authority." },
  "control-plane-trust-domain": {
    type: "text",
    group: "control plane",
    default: "localhost",
    env: "DAPR_CONTROLPLANE_TRUST_DOMAIN",
    description: "Trust domain of the control plane.",
  },
  "control-plane-namespace": {
    type: "text",
    group: "control plane",
    default: "default",
    env: "DAPR_CONTROLPLANE_NAMESPACE",
    description: "Namespace of the control plane.",
  },
  "sentry-request-jwt-audiences": {
    type: "list",
    group: "control plane",
    description: "Audiences of the token shown to the certificate authority.",
  },
  "enable-mtls": { type: "switch", group: "control plane", description: "Authenticates sidecars by certificates." },
  "placement-host-address": {
    type: "list",
    group: "control plane",
    unused: noPlacement,
    description: "Addresses of placement services.",
  },
  "scheduler-host-address": {
    type: "list",
    group: "control plane",
    env: "DAPR_SCHEDULER_HOST_ADDRESS_DNS_A",
    unused: noScheduler,
    description: "Addresses of scheduler services.",
  },
  "scheduler-job-streams": {
    type: "integer",
    group: "control plane",
    default: "3",
    unused: noScheduler,
    description: "Streams opened to each scheduler.",
  },
  "actors-disseminate-timeout": {
    type: "duration",
    group: "control plane",
    default: "30s",
    minimum: Number.MIN_VALUE,
    description: "Longest time in which the table of actor hosts may be changing.",
  },
  "actors-service": {
    type: "text",
    group: "control plane",
    unused: noPlacement,
    description: "Kind of actor service.",
  },
  "reminders-service": {
    type: "text",
    group: "control plane",
    unused: noScheduler,
    description: "Kind of reminder service.",
  },

  "log-level": {
    type: "choice",
    group: "logs and metrics",
    values: ["debug", "info", "warn", "error", "fatal"],
    default: "info",
    description: "Least severe messages that are logged.",
  },
  "log-as-json": { type: "switch", group: "logs and metrics", description: "Logs JSON lines." },
  "enable-api-logging": {
    type: "optional-switch",
    group: "logs and metrics",
    description: "Logs calls of the APIs; the Configuration decides when left out.",
  },
  "enable-metrics": { type: "switch", group: "logs and metrics", default: "true", description: "Serves metrics." },
  "metrics-port": { type: "port", group: "logs and metrics", default: "9090", description: "Port of the metrics." },
  "metrics-listen-address": {
    type: "text",
    group: "logs and metrics",
    default: "0.0.0.0",
    description: "Address of the metrics.",
  },
  "enable-profiling": { type: "switch", group: "logs and metrics", description: "Serves profiles." },
  "profile-port": { type: "port", group: "logs and metrics", default: "7777", description: "Port of the profiles." },

  "dapr-graceful-shutdown-seconds": {
    type: "integer",
    group: "life cycle",
    default: "5",
    unit: "s",
    description: "Seconds a shutdown may take; less than 0 means 5.",
  },
  "dapr-block-shutdown-duration": {
    type: "duration",
    group: "life cycle",
    minimum: 0,
    description: "How long the APIs stay open, without new input, before a shutdown goes on.",
  },
  wait: { type: "switch", group: "life cycle", description: "Waits until a running sidecar is ready, then exits." },
  version: { type: "switch", group: "life cycle", description: "Prints the version and exits." },
  "build-info": { type: "switch", group: "life cycle", description: "Prints details of the build and exits." },
  help: { type: "switch", group: "life cycle", description: "Prints this list and exits." },
} as const satisfies Record<string, Flag>;

export type FlagName = keyof typeof flags;

type ValueOf<F extends Flag> = F extends { type: "switch" }
  ? boolean
  : F extends { type: "optional-switch" }
    ? boolean | undefined
    : F extends { type: "integer" | "port" | "bytes" }
      ? number
      : F extends { type: "duration"; default: string }
        ? number
        : F extends { type: "duration" | "optional-port" }
          ? number | undefined
          : F extends { type: "list"; values: readonly (infer V)[] }
            ? readonly V[]
            : F extends { type: "list" }
              ? readonly string[]
              : F extends { type: "choice"; values: readonly (infer V)[] }
                ? V
                : string;

/** Values by flag; durations in milliseconds, sizes in bytes. */
export type FlagValues = { readonly [N in FlagName]: ValueOf<(typeof flags)[N]> };
