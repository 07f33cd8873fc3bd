import { didYouMean } from "../kernel/did-you-mean.ts";
import type { CliContext } from "./context.ts";
import { CliError } from "./failure.ts";
import { type RunRecord, readRecords, requireRecord } from "./run-records.ts";
import { callSidecar, type SidecarPlace } from "./sidecar-client.ts";

/** A sidecar to call. */
export interface Target {
  /** Absent when it was given by its port. */
  readonly appId?: string | undefined;
  readonly place: SidecarPlace;
  readonly apiToken: string | undefined;
}

export interface TargetOptions {
  readonly appId?: string | undefined;
  /** HTTP port of a sidecar that this command did not start. */
  readonly port?: number | undefined;
}

/** A component that the sidecar must have. */
export interface Need {
  /** First word of spec.type. */
  readonly kind: "state" | "pubsub" | "configuration";
  readonly name: string;
  /** Whether it matters which of several sidecars answers. */
  readonly exact: boolean;
}

const spoken = { state: "state store", pubsub: "pub/sub", configuration: "configuration store" };

/**
 * The sidecar that options name; else one that runs here and has the component; else the one that the environment of an
 * app points to. Throws a CliError that says what runs.
 */
export async function findSidecar({ appId, port }: TargetOptions, context: CliContext, need?: Need): Promise<Target> {
  const { env } = context;
  const apiToken = env["DAPR_API_TOKEN"] || env["MECHA_API_TOKEN"];
  if (port !== undefined) return { place: { httpPort: port }, apiToken };
  if (appId !== undefined) return { appId, place: await requireRecord(appId, env), apiToken };
  const records = await readRecords(env);
  const own = env["MECHA_HTTP_PORT"] || env["DAPR_HTTP_PORT"];
  if (records.length === 0 && own) return { place: { httpPort: Number(own) }, apiToken };
  const [first] = records;
  if (first === undefined)
    throw new CliError("no sidecar is running", { hint: "start one with `mecha run`, or name its port with --port" });
  const chosen = need ? await withComponent(records, apiToken, need) : first;
  return { appId: chosen.appId, place: chosen, apiToken };
}

async function withComponent(
  records: readonly RunRecord[],
  apiToken: string | undefined,
  need: Need,
): Promise<RunRecord> {
  const offers = await Promise.all(
    records.map(async (record) => ({ record, names: await componentNames(record, apiToken, need.kind) })),
  );
  const fitting = offers.filter(({ names }) => names.includes(need.name));
  const [only] = fitting;
  if (only === undefined) {
    const known = [...new Set(offers.flatMap(({ names }) => names))];
    const running = records.map((record) => record.appId).join(", ");
    const hint =
      didYouMean(need.name, known) ?? (known.length > 0 ? `known: ${known.join(", ")}` : `none of ${running} has one`);
    throw new CliError(`no running sidecar has a ${spoken[need.kind]} called ${need.name}`, { hint });
  }
  if (need.exact && fitting.length > 1) {
    const ids = fitting.map(({ record }) => record.appId).join(", ");
    throw new CliError(`several running apps have the ${spoken[need.kind]} ${need.name}`, {
      hint: `choose one with --app-id: ${ids}`,
    });
  }
  return only.record;
}

async function componentNames(place: SidecarPlace, apiToken: string | undefined, kind: string): Promise<string[]> {
  try {
    const { body } = await callSidecar(place, apiToken, { method: "GET", path: "/v1.0/metadata", timeoutMs: 3_000 });
    const { components = [] } = JSON.parse(body.toString("utf8")) as { components?: { name: string; type: string }[] };
    return components.filter(({ type }) => type.toLowerCase().startsWith(`${kind}.`)).map(({ name }) => name);
  } catch {
    // It is starting or ending.
    return [];
  }
}
