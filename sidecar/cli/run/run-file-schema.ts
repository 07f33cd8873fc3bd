import type { Schema } from "../../config/schema.ts";

const text = (description: string): Schema => ({ type: "string", description });
const integer = (description: string): Schema => ({ type: "integer", description });
const flag = (description: string): Schema => ({ type: "boolean", description });
const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });
const destination = (description: string): Schema => ({
  type: "string",
  enum: ["file", "console", "fileAndConsole"],
  description,
});

/** Keys that become a flag of the sidecar: key → flag. Those of `portKeys` stand under an app only. */
export const flagKeys = {
  appProtocol: "app-protocol",
  appChannelAddress: "app-channel-address",
  appSSL: "app-ssl",
  appMaxConcurrency: "app-max-concurrency",
  apiListenAddresses: "dapr-listen-addresses",
  unixDomainSocket: "unix-domain-socket",
  logLevel: "log-level",
  enableApiLogging: "enable-api-logging",
  enableProfiling: "enable-profiling",
  placementHostAddress: "placement-host-address",
  schedulerHostAddress: "scheduler-host-address",
  daprHTTPMaxRequestSize: "dapr-http-max-request-size",
  daprHTTPReadBufferSize: "dapr-http-read-buffer-size",
  maxBodySize: "max-body-size",
  readBufferSize: "read-buffer-size",
  enableAppHealthCheck: "enable-app-health-check",
  appHealthCheckPath: "app-health-check-path",
  appHealthProbeInterval: "app-health-probe-interval",
  appHealthProbeTimeout: "app-health-probe-timeout",
  appHealthThreshold: "app-health-threshold",
} as const;

/** As `flagKeys`, of one app alone. */
export const portKeys = {
  appPort: "app-port",
  daprHTTPPort: "dapr-http-port",
  daprGRPCPort: "dapr-grpc-port",
  daprInternalGRPCPort: "dapr-internal-grpc-port",
  metricsPort: "metrics-port",
  profilePort: "profile-port",
} as const;

const shared: Record<string, Schema> = {
  resourcesPaths: texts("Folders of resource files."),
  resourcesPath: text("Folder of resource files; resourcesPaths takes several."),
  configFilePath: text("Configuration file."),
  env: { type: "object", patternProperties: { "^.*$": { type: "string" } }, description: "Environment variables." },
  appLogDestination: destination("Where the lines of the app go."),
  daprdLogDestination: destination("Where the lines of the sidecar go."),
  appProtocol: text("Protocol the app speaks."),
  appChannelAddress: text("Address the app listens on."),
  appSSL: flag("Speaks TLS to the app."),
  appMaxConcurrency: integer("Calls to the app at once."),
  apiListenAddresses: text("Addresses of the APIs."),
  unixDomainSocket: text("Folder of sockets to serve the APIs on."),
  logLevel: text("Least severe messages that are logged."),
  enableApiLogging: flag("Logs calls of the APIs."),
  enableProfiling: flag("Serves profiles."),
  placementHostAddress: text("Addresses of placement services."),
  schedulerHostAddress: text("Addresses of scheduler services."),
  daprHTTPMaxRequestSize: integer("Largest request body in MiB."),
  daprHTTPReadBufferSize: integer("Largest block of request headers in KiB."),
  maxBodySize: text("Largest request body."),
  readBufferSize: text("Largest block of request headers."),
  enableAppHealthCheck: flag("Checks the health of the app."),
  appHealthCheckPath: text("Path of the health check."),
  appHealthProbeInterval: integer("Seconds between health checks."),
  appHealthProbeTimeout: integer("Milliseconds a health check may take."),
  appHealthThreshold: integer("Failed checks in a row after which the app counts as unhealthy."),
  runtimePath: text("Read for compatibility; the sidecar is the one this command came with."),
  containerImage: text("For Kubernetes; read for compatibility."),
  createService: flag("For Kubernetes; read for compatibility."),
};

const own: Record<string, Schema> = {
  appID: text("Name of the app; default: the name of its folder."),
  appDirPath: { type: "string", minLength: 1, description: "Folder of the app, relative to this file." },
  command: {
    anyOf: [
      { type: "array", items: { type: "string" } },
      { type: "string", minLength: 1 },
    ],
    description: "Program and arguments, or a text for the shell; only the sidecar runs when left out.",
  },
  appPort: integer("Port the app listens on."),
  daprHTTPPort: integer("Port of the HTTP API; any free one when left out."),
  daprGRPCPort: integer("Port of the gRPC API; any free one when left out."),
  daprInternalGRPCPort: integer("Port other sidecars call; any free one when left out."),
  metricsPort: integer("Port of the metrics; any free one when left out."),
  profilePort: integer("Port of the profiles; any free one when left out."),
};

const ownHints = Object.fromEntries(
  Object.keys(own).map((key) => [key, "it differs between apps: write it under an app"]),
);

/** `mecha.yaml`: several apps that are started together. */
export const runFileSchema: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["apps"],
  properties: {
    version: { type: "integer", description: "Version of this format: 1." },
    common: {
      type: "object",
      additionalProperties: false,
      properties: shared,
      "x-hints": ownHints,
      description: "For all apps.",
    },
    apps: {
      type: "array",
      description: "The apps to run, each with an appDirPath.",
      items: {
        type: "object",
        additionalProperties: false,
        required: ["appDirPath"],
        properties: { ...shared, ...own },
      },
    },
  },
};

type Destination = "file" | "console" | "fileAndConsole";

type FlagValues = { readonly [K in keyof typeof flagKeys]?: string | number | boolean };
type PortValues = { readonly [K in keyof typeof portKeys]?: number };

export interface SharedDocument extends FlagValues {
  readonly resourcesPaths?: readonly string[];
  readonly resourcesPath?: string;
  readonly configFilePath?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly appLogDestination?: Destination;
  readonly daprdLogDestination?: Destination;
}

export interface AppDocument extends SharedDocument, PortValues {
  readonly appID?: string;
  readonly appDirPath: string;
  readonly command?: readonly string[] | string;
}

export interface RunFileDocument {
  readonly version?: number;
  readonly common?: SharedDocument;
  readonly apps: readonly AppDocument[];
}
