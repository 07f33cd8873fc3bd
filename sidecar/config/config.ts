import { existsSync } from "node:fs";
import type { Config, Problem, ResolvePairs } from "../kernel/config-types.ts";
import { checkFlags } from "./check-flags.ts";
import { loadConfiguration } from "./configuration-files.ts";
import type { FlagValues } from "./flags.ts";
import { deepFreeze } from "./freeze.ts";
import { toApp, toControlPlane, toLimits, toListen, toLog, toShutdown } from "./from-flags.ts";
import { parseFlags } from "./parse-flags.ts";
import { ConfigError, isError } from "./problems.ts";
import { type LoadedResources, loadResources } from "./resources.ts";
import { pairResolver } from "./values.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Reconciling with files that have changed is the published default when the interval is 0. */
const RECONCILE_MS = 60_000;

/**
 * Turns a command line, the environment and the files they name into the sidecar's configuration, deep-frozen.
 * @param argv arguments without the program's name.
 * @throws ConfigError with every problem found, when one of them is an error.
 */
export async function loadConfig(argv: readonly string[], env: Env): Promise<Config> {
  const { values, given, problems: flagProblems } = parseFlags(argv, env);
  const problems: Problem[] = [...flagProblems, ...checkFlags(values)];
  const configPaths = toConfigPaths(values, problems);
  const strict = values.strict;
  const { configuration, problems: configurationProblems } = await loadConfiguration(configPaths, { env, strict });
  problems.push(...configurationProblems);
  const loaded = await loadResources(toResourcesPaths(values), {
    ...resourceOptions(values, env),
    deniedComponents: configuration.deniedComponents,
    configPaths,
  });
  problems.push(...loaded.problems);
  if (problems.some(isError)) throw new ConfigError(problems);
  return deepFreeze<Config>({
    ...identity(values, env),
    app: toApp(values, env),
    listen: toListen(values, env, configuration),
    limits: toLimits(values, given),
    shutdown: toShutdown(values),
    log: toLog(values, configuration),
    profile: { enabled: values["enable-profiling"], port: values["profile-port"] },
    controlPlane: toControlPlane(values),
    secretRefreshMs: values["secret-refresh-interval"],
    hotReload: {
      enabled: configuration.features["HotReload"] ?? true,
      reconcileIntervalMs: values["hot-reload-reconcile-interval"] || RECONCILE_MS,
    },
    componentSocketsFolder:
      env["DAPR_COMPONENTS_SOCKETS_FOLDER"] || env["DAPR_COMPONENT_SOCKETS_FOLDER"] || "/tmp/dapr-components-sockets",
    dataDir: values["data-dir"],
    strict,
    embedded: values.embedded,
    disableInitEndpoints: values["disable-init-endpoints"],
    disableBuiltinK8sSecretStore: values["disable-builtin-k8s-secret-store"],
    resourcesPaths: toResourcesPaths(values),
    configPaths,
    ...loaded,
    configuration,
    problems,
  });
}

/**
 * Reads the resource folders of a running sidecar again, with the rules of its start. Never throws: problems,
 * errors too, are in the result.
 */
export async function reloadResources(config: Config, env: Env): Promise<LoadedResources> {
  return deepFreeze(
    await loadResources(config.resourcesPaths, {
      appId: config.appId,
      namespace: env["NAMESPACE"],
      env,
      defaultSecretStore: defaultSecretStore(config.mode),
      strict: config.strict,
      deniedComponents: config.configuration.deniedComponents,
      configPaths: config.configPaths,
    }),
  );
}

/** The function that turns metadata of the sidecar's resources into values. */
export function pairResolverOf({ appId, namespace, podName }: Config, env: Env): ResolvePairs {
  return pairResolver({ env, appId, namespace, ...(podName === undefined ? {} : { podName }) });
}

function identity(values: FlagValues, env: Env) {
  const [podName, hostIp, apiToken] = [env["POD_NAME"], env["DAPR_HOST_IP"], env["DAPR_API_TOKEN"]];
  return {
    mode: values.mode,
    appId: values["app-id"],
    namespace: env["NAMESPACE"] || "default",
    ...(podName ? { podName } : {}),
    ...(hostIp ? { hostIp } : {}),
    ...(apiToken ? { apiToken } : {}),
  };
}

function resourceOptions(values: FlagValues, env: Env) {
  return {
    appId: values["app-id"],
    namespace: env["NAMESPACE"],
    env,
    defaultSecretStore: defaultSecretStore(values.mode),
    strict: values.strict,
  };
}

function defaultSecretStore(mode: Config["mode"]): string | undefined {
  return mode === "kubernetes" ? "kubernetes" : undefined;
}

function toResourcesPaths(values: FlagValues): readonly string[] {
  return values["resources-path"].length > 0 ? values["resources-path"] : values["components-path"];
}

/** In Kubernetes `--config` may name a resource of the cluster, which this sidecar has no access to. */
function toConfigPaths(values: FlagValues, problems: Problem[]): readonly string[] {
  if (values.mode === "standalone") return values.config;
  return values.config.filter((path) => {
    if (existsSync(path)) return true;
    const message = `${JSON.stringify(path)} is not a file; the defaults are used`;
    problems.push({ severity: "warning", flag: "config", message, hint: "mount the Configuration and name its file" });
    return false;
  });
}
