import { causeText } from "../../specs/errors.ts";
import type { ConfigurationDocument } from "../../specs/schemas/configuration.ts";
import type {
  AccessControl,
  Configuration,
  MetricsConfig,
  MtlsConfig,
  PipelineHandler,
  SecretScope,
  WorkflowConfig,
} from "../kernel/config-types.ts";
import { parseDurationMs } from "../kernel/duration.ts";
import type { Checks } from "./checks.ts";
import { toTracing } from "./to-tracing.ts";

type Spec = ConfigurationDocument["spec"];

/** Features that are known, with their defaults. */
const features = {
  HotReload: true,
  WorkflowsRemoteActivityReminder: true,
  ActorStateTTL: false,
  WorkflowsClusteredDeployment: false,
  WorkflowHistorySigning: false,
  WorkflowsFastPath: false,
};

/** Turns the merged document, defaults filled in, into what the sidecar works with. */
export function toConfiguration(
  { metadata, spec }: ConfigurationDocument,
  env: Readonly<Record<string, string | undefined>>,
  checks: Checks,
): Configuration {
  const accessControl = toAccessControl(spec.accessControl);
  return {
    name: metadata.name,
    tracing: toTracing(spec.tracing, env, checks),
    metrics: toMetrics(spec.metrics, checks),
    httpPipeline: toHandlers(spec.httpPipeline),
    appHttpPipeline: toHandlers(spec.appHttpPipeline),
    ...(accessControl && { accessControl }),
    ...(spec.nameResolution && { nameResolution: spec.nameResolution }),
    secretScopes: toSecretScopes(spec.secrets.scopes, checks),
    features: { ...features, ...Object.fromEntries(spec.features.map(({ name, enabled }) => [name, enabled])) },
    api: spec.api,
    deniedComponents: spec.components.deny,
    requiredCapabilities: spec.components.requires,
    logging: { apiLogging: toApiLogging(spec.logging.apiLogging) },
    wasm: spec.wasm,
    workflow: toWorkflow(spec.workflow),
    mtls: toMtls(spec.mtls),
  };
}

function toMetrics(
  { enabled, recordErrorCodes, http, rules, ...rest }: Spec["metrics"],
  checks: Checks,
): MetricsConfig {
  checkPatterns(rules, checks);
  const latencyBucketsMs = rest.latencyDistributionBuckets;
  const workflow = rest.workflow;
  const latencyUnitMs = parseDurationMs(workflow?.latencyDistributionUnits ?? "1ms") || 1;
  const own = workflow?.latencyDistributionBuckets ?? [];
  return {
    enabled,
    recordErrorCodes,
    http,
    rules,
    latencyBucketsMs,
    workflow: { latencyBuckets: own.length > 0 ? own : latencyBucketsMs, latencyUnitMs },
  };
}

/** A pattern that cannot be read rewrites nothing. */
function checkPatterns(rules: Spec["metrics"]["rules"], checks: Checks): void {
  for (const [i, { labels }] of rules.entries()) {
    for (const [j, { regex }] of labels.entries()) {
      for (const pattern of Object.values(regex)) {
        try {
          new RegExp(pattern);
        } catch (error) {
          const keyPath = `spec.metrics.rules[${i}].labels[${j}].regex`;
          checks.passOver(keyPath, `${JSON.stringify(pattern)} is no pattern`, causeText(error));
        }
      }
    }
  }
}

function toHandlers({ handlers }: Spec["httpPipeline"]): PipelineHandler[] {
  return handlers.map(({ name, type, version, selector }) => ({
    name,
    type,
    version,
    selector: selector?.fields ?? [],
  }));
}

function toAccessControl(written: Spec["accessControl"]): AccessControl | undefined {
  if (written === undefined) return undefined;
  // Left out it means allow; emptied on purpose, while there are policies, it means deny.
  const emptied = written.defaultAction === "" && written.policies.length > 0;
  return {
    defaultAction: written.defaultAction || (emptied ? "deny" : "allow"),
    trustDomain: written.trustDomain || "public",
    policies: written.policies.map(({ defaultAction, operations, ...caller }) => ({
      ...caller,
      ...(defaultAction ? { defaultAction } : {}),
      operations: operations.map(({ name, httpVerb, action }) => ({
        name: name.startsWith("/") ? name : `/${name}`,
        httpVerbs: httpVerb.map((verb) => verb.toUpperCase()),
        action,
      })),
    })),
  };
}

function toSecretScopes(scopes: Spec["secrets"]["scopes"], checks: Checks): SecretScope[] {
  for (const [index, { storeName }] of scopes.entries()) {
    if (scopes.findIndex((scope) => scope.storeName === storeName) === index) continue;
    const message = `the scope of ${JSON.stringify(storeName)} is written twice`;
    checks.refuse(`spec.secrets.scopes[${index}].storeName`, message, "merge the two into one");
  }
  return scopes;
}

function toApiLogging(written: Spec["logging"]["apiLogging"]): Configuration["logging"]["apiLogging"] {
  const { enabled, obfuscateURLs: obfuscateUrls, omitHealthChecks } = written;
  return { ...(enabled === undefined ? {} : { enabled }), obfuscateUrls, omitHealthChecks };
}

function toWorkflow({ stateRetentionPolicy, ...limits }: Spec["workflow"]): WorkflowConfig {
  const { anyTerminal, ...outcomes } = stateRetentionPolicy ?? {};
  const retention = (outcome: string | undefined) => {
    const text = outcome ?? anyTerminal;
    return text === undefined ? undefined : parseDurationMs(text);
  };
  const [completedMs, failedMs, terminatedMs] = [outcomes.completed, outcomes.failed, outcomes.terminated].map(
    retention,
  );
  return {
    ...limits,
    maxConcurrentWorkflowInvocations: Math.max(0, limits.maxConcurrentWorkflowInvocations),
    maxConcurrentActivityInvocations: Math.max(0, limits.maxConcurrentActivityInvocations),
    globalMaxConcurrentWorkflowInvocations: Math.max(0, limits.globalMaxConcurrentWorkflowInvocations),
    globalMaxConcurrentActivityInvocations: Math.max(0, limits.globalMaxConcurrentActivityInvocations),
    stateRetention: {
      ...(completedMs === undefined ? {} : { completedMs }),
      ...(failedMs === undefined ? {} : { failedMs }),
      ...(terminatedMs === undefined ? {} : { terminatedMs }),
    },
  };
}

function toMtls(written: Spec["mtls"]): MtlsConfig {
  const { workloadCertTTL, allowedClockSkew, ...rest } = written;
  return {
    ...rest,
    workloadCertTtlMs: parseDurationMs(workloadCertTTL),
    allowedClockSkewMs: parseDurationMs(allowedClockSkew),
  };
}
