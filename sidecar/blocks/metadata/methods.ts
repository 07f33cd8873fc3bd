import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import type { Kind } from "../../../components/contract/any-driver.ts";
import { capabilitiesOf } from "../../../components/contract/capabilities.ts";
import { fail } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import {
  ActorRuntime_ActorRuntimeStatus as ActorStatus,
  GetMetadataResponseSchema,
  PubsubSubscriptionType,
} from "../../../specs/gen/dapr/proto/runtime/v1/metadata_pb.js";
import type { ComponentStatus } from "../../kernel/components.ts";
import type { Config, Subscription } from "../../kernel/config-types.ts";
import { formatDuration } from "../../kernel/duration.ts";
import { decodeText, isRecord } from "../../kernel/json.ts";
import { type AnyMethod, method, type Route } from "../../kernel/method.ts";

export type SubscriptionType = "DECLARATIVE" | "PROGRAMMATIC" | "STREAMING" | "UNKNOWN";

/** What the sidecar tells about itself. */
export interface Facts {
  readonly config: Config;
  readonly version: string;
  components(): readonly ComponentStatus[];
  subscriptions(): readonly (Subscription & { readonly type: SubscriptionType })[];
  /** The resources in force now; those of `config` are the ones of the start. */
  declared(): Pick<Config, "httpEndpoints" | "resiliency">;
  /** Why the sidecar is not ready; undefined: it is. */
  notReady(): string | undefined;
  /** Why the outbound APIs are not ready; undefined: they are. */
  outboundNotReady(): string | undefined;
  /** Begins to shut down; `force` ends the process at once. */
  shutdown(force: boolean): void;
}

/** What apps and tools have added to the metadata, by key. */
export type ExtendedMetadata = Map<string, string>;

/** Reads the metadata; alone on the public port. */
export function metadataReader(facts: Facts, extended: Readonly<ExtendedMetadata>): AnyMethod {
  return method(
    Dapr.method.getMetadata,
    "metadata",
    {
      verbs: ["GET"],
      paths: ["/v1.0/metadata"],
      output: (output) => ({ status: 200, body: JSON.stringify(toHttp(output)) }),
    },
    async () => describe(facts, extended),
  );
}

/** Metadata and shutdown, over both wires. */
export function metadataMethods(facts: Facts, extended: ExtendedMetadata = new Map()): readonly AnyMethod[] {
  return [
    metadataReader(facts, extended),
    method(
      Dapr.method.setMetadata,
      "metadata",
      {
        verbs: ["PUT"],
        paths: ["/v1.0/metadata/:key"],
        input: (http) => ({ key: http.params["key"] ?? "", value: decodeText(http.body, "the body") }),
        status: 204,
      },
      async ({ key, value }) => {
        if (key !== "") extended.set(key, value);
        return {};
      },
    ),
    method(
      Dapr.method.shutdown,
      "shutdown",
      { verbs: ["POST"], paths: ["/v1.0/shutdown"], input: () => ({}), status: 204 },
      async (_, request) => {
        facts.shutdown(request.header("dapr-force-shutdown") === "true");
        return {};
      },
    ),
  ];
}

/** Health, over HTTP; the gRPC server has the standard health service. */
export function healthRoutes(facts: Facts): readonly Route[] {
  const common = { verbs: ["GET"], group: "healthz", open: true, public: true } as const;
  return [
    {
      ...common,
      paths: ["/v1.0/healthz"],
      run: async (http) => {
        const expected = http.query("appid");
        const actual = facts.config.appId;
        if (expected !== undefined && expected !== actual) throw fail("healthAppIdMismatch", { expected, actual });
        const why = facts.notReady();
        if (why !== undefined) throw fail("healthNotReady", { why });
        return { status: 204 };
      },
    },
    {
      ...common,
      paths: ["/v1.0/healthz/outbound"],
      run: async () => {
        const why = facts.outboundNotReady();
        if (why !== undefined) throw fail("outboundNotReady", { why });
        return { status: 204 };
      },
    },
  ];
}

type Metadata = MessageInitShape<typeof GetMetadataResponseSchema>;

/** Capability names as the published API writes them. */
function publishedCapabilities({ type, capabilities }: ComponentStatus): string[] {
  const known = capabilitiesOf(type.slice(0, type.indexOf(".")).toLowerCase() as Kind);
  return capabilities.map((name) => known[name]?.published ?? name.toUpperCase());
}

function describe(
  { config, version, components, subscriptions, declared }: Facts,
  extended: ReadonlyMap<string, string>,
): Metadata {
  const { app } = config;
  return {
    id: config.appId,
    runtimeVersion: version,
    enabledFeatures: Object.entries(config.configuration.features).flatMap(([name, on]) => (on ? [name] : [])),
    registeredComponents: components()
      .filter(({ state }) => state === "ready" || state === "degraded")
      .map((one) => ({
        name: one.name,
        type: one.type,
        version: one.version,
        capabilities: publishedCapabilities(one),
      })),
    extendedMetadata: { daprRuntimeVersion: version, ...Object.fromEntries(extended) },
    subscriptions: subscriptions().map((one) => ({
      pubsubName: one.pubsubName,
      topic: one.topic,
      metadata: { ...one.metadata },
      rules: { rules: one.routes.map(({ match, path }) => ({ match, path })) },
      deadLetterTopic: one.deadLetterTopic ?? "",
      type: PubsubSubscriptionType[one.type],
    })),
    httpEndpoints: declared().httpEndpoints.map(({ name }) => ({ name })),
    resiliencies: declared().resiliency.map(({ name }) => ({ name })),
    actorRuntime: { runtimeStatus: ActorStatus.DISABLED, hostReady: false, placement: "placement: disconnected" },
    ...(app.port === undefined
      ? {}
      : {
          appConnectionProperties: {
            port: app.port,
            protocol: app.protocol,
            channelAddress: app.address,
            maxConcurrency: app.maxConcurrency,
            ...(app.healthCheck.enabled ? { health: describeHealth(config) } : {}),
          },
        }),
  };
}

function describeHealth({ app: { healthCheck, protocol } }: Config) {
  return {
    healthCheckPath: protocol.startsWith("grpc") ? "" : healthCheck.path,
    healthProbeInterval: formatDuration(healthCheck.intervalMs),
    healthProbeTimeout: formatDuration(healthCheck.timeoutMs),
    healthThreshold: healthCheck.threshold,
  };
}

/** Over HTTP the rules are a flat array, and some fields that protojson leaves out are always there. */
function toHttp(output: Metadata): unknown {
  const json = toJson(GetMetadataResponseSchema, create(GetMetadataResponseSchema, output)) as Record<string, unknown>;
  const actorRuntime = isRecord(json["actorRuntime"]) ? json["actorRuntime"] : {};
  const subscriptions = Array.isArray(json["subscriptions"])
    ? (json["subscriptions"] as Record<string, unknown>[])
    : undefined;
  return {
    ...json,
    actorRuntime: { runtimeStatus: "INITIALIZING", hostReady: false, ...actorRuntime },
    ...(subscriptions ? { subscriptions: subscriptions.map(flatRules) } : {}),
  };
}

function flatRules(subscription: Record<string, unknown>): unknown {
  const { rules } = subscription;
  return { deadLetterTopic: "", ...subscription, rules: isRecord(rules) ? (rules["rules"] ?? []) : [] };
}
