import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { checkFlags } from "../../config/check-flags.ts";
import { type Located, locate } from "../../config/located.ts";
import { parseFlags } from "../../config/parse-flags.ts";
import { formatProblem, isError } from "../../config/problems.ts";
import type { Finding } from "../../config/report.ts";
import { readDocuments } from "../../config/resource-files.ts";
import type { Problem } from "../../kernel/config-types.ts";
import { CliError } from "../failure.ts";
import type { AppPlan } from "./plan.ts";
import { findResourceFolder, holdsYaml } from "./resource-folder.ts";
import {
  type AppDocument,
  flagKeys,
  portKeys,
  type RunFileDocument,
  runFileSchema,
  type SharedDocument,
} from "./run-file-schema.ts";

/** Names a run file has when only its folder is given, the first one winning. */
export const runFileNames = ["mecha.yaml", "mecha.yml", "dapr.yaml", "dapr.yml"] as const;

export interface RunFile {
  readonly path: string;
  readonly plans: readonly AppPlan[];
  readonly problems: readonly Problem[];
}

/** The run file a path means: itself, or the one in the folder. Throws a CliError when there is none. */
export function findRunFile(path: string, cwd: string): string {
  const full = resolve(cwd, path);
  const found = statSync(full, { throwIfNoEntry: false });
  if (found?.isFile()) return full;
  const inside = runFileNames.map((name) => join(full, name)).find((file) => existsSync(file));
  if (inside !== undefined) return inside;
  const message = found ? `the folder ${path} holds no ${runFileNames[0]} or dapr.yaml` : `${path} does not exist`;
  throw new CliError(message, { hint: "`mecha init` makes a mecha.yaml" });
}

/** Reads a run file. Throws a CliError with every problem that is an error. */
export async function loadRunFile(path: string): Promise<RunFile> {
  const file = await readRunFile(path);
  const wrong = file.problems.filter(isError);
  if (wrong.length > 0) throw new CliError(wrong.map(formatProblem).join("\n"));
  return file;
}

/** Reads a run file; never throws, what is wrong is in `problems`. Unknown keys are warnings. */
export async function readRunFile(path: string): Promise<RunFile> {
  const problems: Problem[] = [];
  const error = (finding: Finding) => problems.push({ ...finding, severity: "error" });
  const warning = (finding: Finding) => problems.push({ ...finding, severity: "warning" });
  const [document] = await readDocuments(path, { broken: error, odd: warning });
  if (document === undefined) {
    if (problems.length === 0) error({ file: path, line: 1, message: "is empty", hint: "list apps below `apps:`" });
    return { path, plans: [], problems };
  }
  const located = locate<RunFileDocument>(document, runFileSchema, false);
  const plans = located.wrong.length > 0 ? [] : toPlans(located, path);
  for (const finding of located.odd) warning(finding);
  for (const finding of located.wrong) error(finding);
  return { path, plans, problems };
}

function toPlans(located: Located<RunFileDocument>, path: string): AppPlan[] {
  const { version = 1, common = {}, apps } = located.data;
  if (version !== 1) located.refuse("version", `${version} is unknown`, "write 1");
  if (apps.length === 0) located.refuse("apps", "is empty", "add an entry with an appDirPath");
  const root = dirname(path);
  refuseMissing(common, root, located, "common");
  const plans = apps.map((app, at) => toPlan(app, common, root, path, located, `apps[${at}]`));
  refuseSameIds(plans, located);
  refuseSamePorts(apps, located);
  return plans;
}

function toPlan(
  app: AppDocument,
  common: SharedDocument,
  root: string,
  path: string,
  located: Located<RunFileDocument>,
  at: string,
): AppPlan {
  // Paths in an app start from the app's folder, paths in common from this file.
  const cwd = resolve(root, app.appDirPath);
  if (!existsSync(cwd)) located.refuse(`${at}.appDirPath`, `${cwd} does not exist`, "it is relative to this file");
  const appId = app.appID || basename(cwd);
  const flags = toFlags({ ...common, ...app });
  const config = configPath(app, common, cwd, root);
  if (config !== undefined) flags.set("config", [config]);
  checkValues(appId, flags, located, at);
  refuseMissing(app, cwd, located, at);
  const { command = [] } = app;
  return {
    appId,
    cwd,
    command: typeof command === "string" ? shellCommand(command) : command,
    flags,
    env: { ...common.env, ...app.env },
    dataDir: join(root, ".mecha"),
    resources: resourcesOf(app, common, cwd, root),
    appLog: app.appLogDestination ?? common.appLogDestination ?? "fileAndConsole",
    sidecarLog: app.daprdLogDestination ?? common.daprdLogDestination ?? "file",
    logFolder: join(cwd, ".dapr/logs"),
    runFile: path,
  };
}

function shellCommand(text: string): [string, ...string[]] {
  return process.platform === "win32" ? ["cmd", "/c", text] : ["sh", "-c", text];
}

function toFlags(keys: SharedDocument & Partial<AppDocument>): Map<string, readonly string[]> {
  const flags = new Map<string, readonly string[]>();
  for (const [key, flag] of Object.entries({ ...flagKeys, ...portKeys })) {
    const value = keys[key as keyof typeof keys];
    if (value !== undefined) flags.set(flag, [String(value)]);
  }
  return flags;
}

/**
 * The folders an app's resources are in; undefined: the embedded default, which also stands in for the folder of an
 * installation in the user's home, so that a run depends on nothing but the project.
 */
function resourcesOf(app: AppDocument, common: SharedDocument, cwd: string, root: string): string[] | undefined {
  const given = (keys: SharedDocument) =>
    keys.resourcesPaths ?? (keys.resourcesPath ? [keys.resourcesPath] : undefined);
  const own = given(app)?.map((folder) => resolve(cwd, folder));
  if (own) return own;
  const beside = join(cwd, ".dapr/resources");
  if (holdsYaml(beside)) return [beside];
  const shared = given(common)?.map((folder) => resolve(root, folder));
  if (shared) return shared;
  const found = findResourceFolder(cwd) ?? findResourceFolder(root);
  return found === undefined ? undefined : [found];
}

/** Folders and files that a mapping names must be there. */
function refuseMissing(keys: SharedDocument, base: string, located: Located<unknown>, at: string): void {
  const named: [keyPath: string, path: string | undefined][] = [
    ...(keys.resourcesPaths ?? []).map((path, index): [string, string] => [`${at}.resourcesPaths[${index}]`, path]),
    [`${at}.resourcesPath`, keys.resourcesPath],
    [`${at}.configFilePath`, keys.configFilePath],
  ];
  for (const [keyPath, path] of named) {
    if (!path || existsSync(resolve(base, path))) continue;
    located.refuse(keyPath, `${resolve(base, path)} does not exist`, `the path is relative to ${base}`);
  }
}

function configPath(app: AppDocument, common: SharedDocument, cwd: string, root: string): string | undefined {
  if (app.configFilePath) return resolve(cwd, app.configFilePath);
  const beside = join(cwd, ".dapr/config.yaml");
  if (existsSync(beside)) return beside;
  return common.configFilePath ? resolve(root, common.configFilePath) : undefined;
}

/** Flag → the key that sets it. */
const keyOf = new Map<string, string>([
  ["app-id", "appID"],
  ...Object.entries({ ...flagKeys, ...portKeys }).map(([key, flag]): [string, string] => [flag, key]),
]);

/** Finds wrong values by reading them as the sidecar will. */
function checkValues(
  appId: string,
  flags: ReadonlyMap<string, readonly string[]>,
  located: Located<unknown>,
  at: string,
): void {
  const args = [...flags].flatMap(([name, values]) => values.map((value) => `--${name}=${value}`));
  const { values, problems } = parseFlags([`--app-id=${appId}`, ...args], {});
  for (const { severity, flag = "", message, hint = "" } of [...problems, ...checkFlags(values)]) {
    const key = keyOf.get(flag);
    if (severity !== "error" || key === undefined) continue;
    // The flag's words, with the names that this file has.
    const words = hint.replace(/--([\w-]+)/g, (name, known: string) => keyOf.get(known) ?? name);
    located.refuse(`${at}.${key}`, message, words);
  }
}

function refuseSameIds(plans: readonly AppPlan[], located: Located<unknown>): void {
  const ids = plans.map(({ appId }) => appId);
  for (const [at, id] of ids.entries()) {
    if (ids.indexOf(id) === at) continue;
    located.refuse(
      `apps[${at}].appID`,
      `another app is called ${JSON.stringify(id)}`,
      "give one of the two another appID",
    );
  }
}

function refuseSamePorts(apps: readonly AppDocument[], located: Located<unknown>): void {
  const taken = new Map<number, string>();
  for (const [at, app] of apps.entries()) {
    for (const key of Object.keys(portKeys) as (keyof typeof portKeys)[]) {
      const port = app[key];
      if (!port) continue;
      const here = `apps[${at}].${key}`;
      const other = taken.get(port);
      if (other === undefined) taken.set(port, here);
      else located.refuse(here, `${port} is also ${other}`, "choose another port, or leave it out for a free one");
    }
  }
}
