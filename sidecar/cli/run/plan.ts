import { resolve } from "node:path";
import { checkFlags } from "../../config/check-flags.ts";
import type { FlagValues } from "../../config/flags.ts";
import { parseFlags } from "../../config/parse-flags.ts";
import { formatProblem, isError } from "../../config/problems.ts";
import { CliError, usageExitCode } from "../failure.ts";
import type { SidecarPlace } from "../sidecar-client.ts";
import { findFreePorts } from "./free-ports.ts";

/** Where the lines of a program go. */
export type Destination = "file" | "console" | "fileAndConsole";

/** An app to run, as it was asked for. */
export interface AppPlan {
  readonly appId: string;
  /** Folder that the app and its sidecar run in. */
  readonly cwd: string;
  /** Empty: only the sidecar runs. */
  readonly command: readonly string[];
  /** Flags of the sidecar that were given, by name without dashes. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  /** Added to the environment of the app and of its sidecar. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of embedded stores. */
  readonly dataDir: string;
  /** Resources to use when the flags name none; undefined: the embedded default. */
  readonly resources: readonly string[] | undefined;
  readonly appLog: Destination;
  readonly sidecarLog: Destination;
  /** Folder of log files of its own; absent: none are written. */
  readonly logFolder?: string | undefined;
  readonly runFile?: string | undefined;
}

/** An app that can be started. */
export interface ReadyPlan extends AppPlan {
  readonly sidecarArgs: readonly string[];
  readonly sidecarEnv: Env;
  readonly appEnv: Env;
  readonly place: SidecarPlace;
  readonly grpcPort: number | undefined;
  readonly appPort: number | undefined;
  readonly metricsPort: number | undefined;
  /** How long the sidecar may take to stop. */
  readonly gracefulMs: number;
  /** What the sidecar works on, in a word or a path. */
  readonly resourcesSaid: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Chooses ports and completes flags and environments. Throws a CliError that names every wrong flag. */
export async function completePlans(plans: readonly AppPlan[], env: Env): Promise<ReadyPlan[]> {
  const open = plans.map((plan) => ({ plan, missing: missingPorts(plan, env) }));
  const ports = await findFreePorts(open.reduce((sum, { missing }) => sum + missing.length, 0));
  return open.map(({ plan, missing }) =>
    complete(plan, new Map(missing.map((name) => [name, String(ports.shift())])), env),
  );
}

/** Flags of ports that the plan leaves open. */
function missingPorts(plan: AppPlan, env: Env): string[] {
  const { flags } = plan;
  const values = readFlags(plan.appId, toArgs(flags), env);
  const names = ["dapr-internal-grpc-port"];
  if (values["unix-domain-socket"] === "") names.push("dapr-http-port", "dapr-grpc-port");
  if (values["enable-metrics"]) names.push("metrics-port");
  if (values["enable-profiling"]) names.push("profile-port");
  return names.filter((name) => !flags.has(name) || Number(flags.get(name)?.at(-1)) === 0);
}

function complete(plan: AppPlan, ports: ReadonlyMap<string, string>, env: Env): ReadyPlan {
  const flags = new Map<string, readonly string[]>([
    ...plan.flags,
    ...[...ports].map(([name, port]) => [name, [port]] as const),
  ]);
  const either = (name: string, value: string) => flags.has(name) || flags.set(name, [value]);
  // A sidecar on a desk is nobody else's business.
  either("dapr-listen-addresses", "127.0.0.1");
  either("dapr-internal-grpc-listen-address", "127.0.0.1");
  either("metrics-listen-address", "127.0.0.1");
  either("data-dir", plan.dataDir);
  if (!flags.has("resources-path") && !flags.has("components-path")) {
    if (plan.resources === undefined) either("embedded", "true");
    else flags.set("resources-path", plan.resources);
  }
  const sidecarArgs = toArgs(new Map([["app-id", [plan.appId]], ...flags]));
  const values = readFlags(plan.appId, sidecarArgs, env);
  const socketFolder = values["unix-domain-socket"];
  const place = socketFolder
    ? { httpSocket: resolve(plan.cwd, socketFolder, `dapr-${plan.appId}-http.socket`) }
    : { httpPort: values["dapr-http-port"] };
  const sidecarEnv: Env = { ...env, ...plan.env };
  return {
    ...plan,
    sidecarArgs,
    sidecarEnv: { DAPR_API_TOKEN: sidecarEnv["MECHA_API_TOKEN"], ...sidecarEnv },
    appEnv: { ...sidecarEnv, ...sdkVariables(plan.appId, values, sidecarEnv) },
    place,
    grpcPort: socketFolder ? undefined : values["dapr-grpc-port"],
    appPort: values["app-port"],
    metricsPort: values["enable-metrics"] ? values["metrics-port"] : undefined,
    gracefulMs:
      Math.max(values["dapr-graceful-shutdown-seconds"], 5) * 1000 + (values["dapr-block-shutdown-duration"] ?? 0),
    resourcesSaid: values.embedded
      ? "embedded"
      : [...values["resources-path"], ...values["components-path"]].join(", "),
  };
}

/** What tells an SDK where the sidecar is; each also under a name of ours. */
function sdkVariables(appId: string, values: FlagValues, env: Env): Record<string, string> {
  const socketFolder = values["unix-domain-socket"];
  const found: Record<string, string | number | undefined> = {
    APP_ID: appId,
    APP_PORT: values["app-port"],
    APP_PROTOCOL: values["app-protocol"],
    HTTP_PORT: socketFolder ? undefined : values["dapr-http-port"],
    GRPC_PORT: socketFolder ? undefined : values["dapr-grpc-port"],
    METRICS_PORT: values["enable-metrics"] ? values["metrics-port"] : undefined,
    API_TOKEN: env["DAPR_API_TOKEN"] || env["MECHA_API_TOKEN"],
  };
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(found)) {
    if (value === undefined || value === "") continue;
    variables[`MECHA_${name}`] = String(value);
    variables[name.startsWith("APP_") ? name : `DAPR_${name}`] = String(value);
  }
  return variables;
}

/** Flags as a command line, one `--name=value` each. */
function toArgs(flags: ReadonlyMap<string, readonly string[]>): string[] {
  return [...flags].flatMap(([name, values]) => values.map((value) => `--${name}=${value}`));
}

function readFlags(appId: string, args: readonly string[], env: Env): FlagValues {
  const { values, problems } = parseFlags([`--app-id=${appId}`, ...args], env);
  const wrong = [...problems, ...checkFlags(values)].filter(isError);
  if (wrong.length === 0) return values;
  throw new CliError(`${appId}: ${wrong.map(formatProblem).join("\n")}`, { exitCode: usageExitCode });
}
