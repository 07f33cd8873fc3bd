import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { CliContext } from "./context.ts";
import { CliError } from "./failure.ts";
import { isAlive, type ProcessMark } from "./processes.ts";

/** What `mecha run` leaves in a file, so that other commands find its app. */
export interface RunRecord {
  readonly appId: string;
  /** Absent where the sidecar listens on a socket. */
  readonly httpPort?: number | undefined;
  readonly grpcPort?: number | undefined;
  /** Socket of the HTTP API, instead of a port. */
  readonly httpSocket?: string | undefined;
  readonly appPort?: number | undefined;
  readonly metricsPort?: number | undefined;
  /** Empty: only the sidecar runs. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** ISO 8601. */
  readonly created: string;
  /** File of several apps that this one came from. */
  readonly runFile?: string | undefined;
  readonly logFile: string;
  readonly cli: ProcessMark;
  readonly sidecar: ProcessMark;
  /** Absent until the app has been started. */
  readonly app?: ProcessMark | undefined;
}

/** `orphaned`: the command that started it is gone, and the sidecar or the app runs on. */
export type RunStatus = "starting" | "running" | "orphaned" | "ended";

/** The folder of this user's records and logs: `run` in MECHA_HOME, default `~/.mecha`. */
export function runFolder(env: CliContext["env"]): string {
  return join(env["MECHA_HOME"] || join(homedir(), ".mecha"), "run");
}

/** The file of everything an app and its sidecar write. */
export function logFileOf(appId: string, env: CliContext["env"]): string {
  return join(runFolder(env), `${encodeURIComponent(appId)}.log`);
}

function recordPath(appId: string, env: CliContext["env"]): string {
  return join(runFolder(env), `${encodeURIComponent(appId)}.json`);
}

/** Writes the record in one step: a reader sees the old one or the new one. */
export async function writeRecord(record: RunRecord, env: CliContext["env"]): Promise<void> {
  await mkdir(runFolder(env), { recursive: true });
  const path = recordPath(record.appId, env);
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, `${JSON.stringify(record, null, 2)}\n`);
  await rename(fresh, path);
}

export async function removeRecord(appId: string, env: CliContext["env"]): Promise<void> {
  await rm(recordPath(appId, env), { force: true });
}

export function statusOf({ cli, sidecar, app, command }: RunRecord): RunStatus {
  if (!isAlive(cli)) return isAlive(sidecar) || (app !== undefined && isAlive(app)) ? "orphaned" : "ended";
  return app !== undefined || command.length === 0 ? "running" : "starting";
}

/** Records of what runs, by app id. Files of what has ended are removed on the way. */
export async function readRecords(env: CliContext["env"]): Promise<readonly RunRecord[]> {
  const names = await readdir(runFolder(env)).catch(() => []);
  const files = names.filter((name) => name.endsWith(".json")).sort();
  const found = await Promise.all(files.map((name) => readOne(join(runFolder(env), name))));
  return found.filter((record) => record !== undefined);
}

async function readOne(path: string): Promise<RunRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, "utf8")) as RunRecord;
    if (statusOf(record) !== "ended") return record;
    await rm(path, { force: true });
  } catch {
    // Removed in between, or not ours.
  }
  return undefined;
}

/** The record of a running app. Throws a CliError that names those which run. */
export async function requireRecord(appId: string, env: CliContext["env"]): Promise<RunRecord> {
  const records = await readRecords(env);
  const record = records.find((one) => one.appId === appId);
  if (record) return record;
  throw new CliError(`no app with id ${appId} is running`, { hint: runningHint(appId, records) });
}

/** What runs, for a hint. */
export function runningHint(wanted: string, records: readonly RunRecord[]): string {
  if (records.length === 0) return "nothing is running; start something with `mecha run`";
  const ids = records.map((record) => record.appId);
  const meant = didYouMean(wanted, ids);
  return `${meant ? `${meant} ` : ""}running: ${ids.join(", ")}`;
}
