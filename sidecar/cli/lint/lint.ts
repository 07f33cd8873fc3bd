import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { Problem } from "../../kernel/config-types.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../failure.ts";
import { holdsYaml, resourceFolders } from "../run/resource-folder.ts";
import { readRunFile, runFileNames } from "../run/run-file.ts";
import { checkComponent } from "./check-component.ts";
import { checkExpressions } from "./check-expressions.ts";
import { checkReferences } from "./check-references.ts";
import { ResourceSet } from "./resource-set.ts";

export interface LintResult {
  /** By file and line; paths are relative to the working folder where they lie below it. */
  readonly problems: readonly Problem[];
  readonly files: number;
  readonly resources: number;
}

/**
 * Checks resource files, Configurations and run files, strictly. Folders are read as the sidecar reads them, without
 * those inside; beside a single file, its neighbours are read for what it refers to. Without paths, what `mecha run`
 * would use in this folder is checked. Throws a CliError when a path is not there.
 */
export async function lint(
  paths: readonly string[],
  { cwd, env }: Pick<CliContext, "cwd" | "env">,
): Promise<LintResult> {
  const given = paths.length > 0 ? paths.map((path) => resolve(cwd, path)) : await defaultPaths(cwd);
  if (given.length === 0) {
    const hint = `looked for ${[...resourceFolders, runFileNames[0], "dapr.yaml"].join(", ")}; name a path, or make one with \`mecha init\``;
    throw new CliError("there is nothing to check here", { hint });
  }
  const { asked, beside } = await filesOf(given, cwd);
  const set = new ResourceSet(env);
  for (const file of [...asked, ...beside]) await set.add(file);
  for (const entry of set.ofKind("Component")) await checkComponent(entry, env);
  checkExpressions(set);
  checkReferences(set);
  const shown = set.allProblems().filter(({ file }) => file === undefined || asked.has(file));
  const resources = set.entries.filter(({ resource }) => asked.has(resource.source.file)).length;
  return {
    problems: shown.map((problem) => withShortPaths(problem, cwd)),
    files: asked.size,
    resources: resources + set.configurations.filter(({ located }) => asked.has(located.source.file)).length,
  };
}

async function defaultPaths(cwd: string): Promise<string[]> {
  const folders = resourceFolders.map((name) => join(cwd, name)).filter(holdsYaml);
  const runFile = runFileNames.map((name) => join(cwd, name)).find((path) => existsSync(path));
  if (runFile === undefined) return folders;
  const { plans } = await readRunFile(runFile);
  const named = plans.flatMap(({ resources = [], flags }) => [...resources, ...(flags.get("config") ?? [])]);
  return [...new Set([...folders, ...named.filter((path) => existsSync(path)), runFile])];
}

async function filesOf(paths: readonly string[], cwd: string): Promise<{ asked: Set<string>; beside: Set<string> }> {
  const asked = new Set<string>();
  const beside = new Set<string>();
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) {
      const siblings = await readdir(dirname(path)).catch(() => []);
      const shown = relative(cwd, path) || path;
      throw new CliError(`${shown} does not exist`, { hint: didYouMean(shown, siblings) ?? "check the path" });
    }
    if (found.isDirectory()) for (const file of await yamlFiles(path)) asked.add(file);
    else {
      asked.add(path);
      for (const file of await yamlFiles(dirname(path))) beside.add(file);
    }
  }
  for (const file of asked) beside.delete(file);
  return { asked, beside };
}

async function yamlFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { withFileTypes: true });
  return names
    .filter((entry) => !entry.isDirectory() && /\.ya?ml$/i.test(entry.name))
    .map(({ name }) => join(folder, name))
    .sort();
}

function withShortPaths(problem: Problem, cwd: string): Problem {
  const short = (text: string) => text.replaceAll(`${cwd}/`, "");
  return { ...problem, message: short(problem.message), ...(problem.file && { file: short(problem.file) }) };
}
