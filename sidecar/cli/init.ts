import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { stringify } from "yaml";
import type { AnyDriver } from "../../components/contract/any-driver.ts";
import { registry } from "../../components/registry.gen.ts";
import { withEmbedded } from "../host/embedded.ts";
import type { ComponentResource } from "../kernel/config-types.ts";
import { runFileNames } from "./run/run-file.ts";

export interface InitResult {
  /** Paths from the folder, in the order they were made. */
  readonly created: readonly string[];
  /** Paths that were there and were left alone. */
  readonly kept: readonly string[];
}

const dataDir = ".mecha";
const componentsFolder = ".mecha/components";

/** What stands beside the components and belongs to one machine. */
const ignored =
  "# Data of embedded stores; the components are worth keeping.\n*\n!.gitignore\n!components/\n!components/**\n";

/** Makes `.mecha/` with the components of the embedded default and a mecha.yaml. What is there already stays as it is. */
export async function initProject(folder: string): Promise<InitResult> {
  const created: string[] = [];
  const kept: string[] = [];
  for (const [path, text] of await filesFor(folder)) {
    const full = join(folder, path);
    if (existsSync(full)) {
      kept.push(path);
      continue;
    }
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, text);
    created.push(path);
  }
  return { created, kept };
}

async function filesFor(folder: string): Promise<[path: string, text: string][]> {
  const files: [string, string][] = [[`${dataDir}/.gitignore`, ignored]];
  for (const component of withEmbedded([], dataDir)) {
    files.push([`${componentsFolder}/${component.name}.yaml`, await componentFile(component)]);
  }
  const other = runFileNames.find((name) => existsSync(join(folder, name)));
  files.push([other ?? "mecha.yaml", await runFile(folder)]);
  return files;
}

async function componentFile({ name, type, metadata }: ComponentResource): Promise<string> {
  const load = (registry as Record<string, (() => Promise<{ default: unknown }>) | undefined>)[type];
  const { summary } = load ? ((await load()).default as AnyDriver) : { summary: "" };
  const document = {
    apiVersion: "dapr.io/v1alpha1",
    kind: "Component",
    metadata: { name },
    spec: { type, version: "v1", metadata: metadata.map((pair) => ({ name: pair.name, value: pair.value })) },
  };
  return `# ${summary}\n# Settings: mecha components ${type}\n${stringify(document)}`;
}

async function runFile(folder: string): Promise<string> {
  const command = await guessCommand(folder);
  const app = {
    appID: basename(folder).replace(/[^A-Za-z0-9_-]+/g, "-") || "app",
    appDirPath: ".",
    ...(command && { command }),
  };
  const document = { version: 1, common: { resourcesPaths: [componentsFolder] }, apps: [app] };
  const about = command
    ? "# Started by: mecha run -f .\n"
    : '# Started by: mecha run -f .\n# An app is started by its command, such as: command: ["node", "app.js"]\n';
  return about + stringify(document);
}

async function guessCommand(folder: string): Promise<string[] | undefined> {
  try {
    const { scripts } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
      scripts?: Record<string, string>;
    };
    return scripts?.["start"] ? ["npm", "start"] : undefined;
  } catch {
    return undefined;
  }
}
