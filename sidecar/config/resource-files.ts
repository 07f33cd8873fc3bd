import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { Finding, Report } from "./report.ts";
import { parseYaml, type YamlDocument } from "./yaml-documents.ts";

/** The YAML files of the folders, by name within a folder, not of folders inside them. A missing folder is fatal. */
export async function resourceFiles(folders: readonly string[], report: Report): Promise<string[]> {
  const files: string[] = [];
  for (const folder of folders) {
    const names = await namesIn(folder, report);
    for (const name of names.sort()) {
      const path = join(folder, name);
      if (/\.ya?ml$/i.test(name)) files.push(path);
      else if (await isFile(path))
        report.noted({ file: path, message: "is not YAML and is skipped", hint: yamlHint(name) });
    }
  }
  return [...new Set(files)];
}

/**
 * Reads the documents of a file. Unreadable documents are reported and left out.
 * @param change applied to the text before it is parsed.
 */
export async function readDocuments(
  file: string,
  say: { broken(finding: Finding): void; odd(finding: Finding): void },
  change: (text: string) => string = (text) => text,
): Promise<readonly YamlDocument[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (errorCode(error) !== "EISDIR") say.broken({ file, message: failure(error), hint: await missingHint(file) });
    return [];
  }
  const { documents, broken, repeated } = parseYaml(file, change(text));
  for (const finding of broken) say.broken(finding);
  for (const finding of repeated) say.odd(finding);
  return documents;
}

async function namesIn(folder: string, report: Report): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = errorCode(error);
    const isFolderOf = code === "ENOTDIR" ? `name its folder: ${dirname(folder)}` : await missingHint(folder);
    const message = code === "ENOTDIR" ? "is a file, not a folder" : failure(error);
    report.fatal({ flag: "resources-path", file: folder, message, hint: isFolderOf });
    return [];
  }
}

async function missingHint(path: string): Promise<string> {
  const siblings = await readdir(dirname(path)).catch(() => []);
  const meant = didYouMean(basename(path), siblings);
  return meant ?? "check the path; it is relative to the folder the sidecar runs in";
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

function yamlHint(name: string): string {
  return /\.json$/i.test(name) ? "JSON is YAML: rename it to .yaml" : "name resource files *.yaml";
}

function failure(error: unknown): string {
  const code = errorCode(error);
  if (code === "ENOENT") return "does not exist";
  return code === "EACCES" ? "may not be read by this user" : `cannot be read: ${code}`;
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
