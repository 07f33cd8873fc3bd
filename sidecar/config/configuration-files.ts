import type { ConfigurationDocument } from "../../specs/schemas/configuration.ts";
import { configurationSchema } from "../../specs/schemas/configuration.ts";
import type { Configuration, Problem } from "../kernel/config-types.ts";
import type { Checks } from "./checks.ts";
import { expandEnv } from "./expand-env.ts";
import { classify } from "./kinds.ts";
import { type Located, locate } from "./located.ts";
import { Report } from "./report.ts";
import { readDocuments } from "./resource-files.ts";
import { fillDefaults, type Schema } from "./schema.ts";
import { toConfiguration } from "./to-configuration.ts";

export interface ConfigurationOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly strict: boolean;
}

/**
 * Loads Configuration files and merges them in order: mappings key by key, anything else as a whole. Unlike other
 * resources a Configuration that cannot be used is an error, because the sidecar would run with other rules than
 * those it was given. Never throws.
 */
export async function loadConfiguration(
  paths: readonly string[],
  options: ConfigurationOptions,
): Promise<{ readonly configuration: Configuration; readonly problems: readonly Problem[] }> {
  const report = new Report(options.strict);
  const documents: Located<Written>[] = [];
  for (const path of paths) documents.push(...(await readFile(path, options, report)));
  for (const { odd, wrong } of documents) {
    for (const finding of odd) report.overlooked(finding);
    for (const finding of wrong) report.fatal(finding);
  }
  const usable = documents.filter(({ wrong }) => wrong.length === 0);
  const merged = usable.reduce<unknown>((sum, { data }) => merge(sum, metricAsMetrics(data)), {});
  const filled = fillDefaults(configurationSchema as unknown as Schema, merged) as ConfigurationDocument;
  return { configuration: toConfiguration(filled, options.env, checks(usable, report)), problems: report.problems };
}

/** A document before defaults are filled in. */
type Written = Readonly<Record<string, unknown>>;

async function readFile(path: string, { env }: ConfigurationOptions, report: Report): Promise<Located<Written>[]> {
  const before = report.problems.length;
  const say = { broken: report.fatal.bind(report), odd: report.overlooked.bind(report) };
  const expand = (text: string) => expandEnv(text, env, path, report.noted.bind(report));
  const found: Located<Written>[] = [];
  for (const document of await readDocuments(path, say, expand)) {
    const classified = classify(document);
    if (classified.is === "resource" && classified.kind === "Configuration") {
      found.push(locate<Written>(document, configurationSchema, false));
    } else if (classified.is === "misspelt" || classified.is === "unclear") report.fatal(classified.finding);
  }
  const silent = report.problems.slice(before).every(({ severity }) => severity !== "error");
  if (found.length === 0 && silent) {
    const hint = 'it begins with "apiVersion: dapr.io/v1alpha1" and "kind: Configuration"';
    report.fatal({ file: path, line: 1, message: "holds no Configuration", hint });
  }
  return found;
}

/** `spec.metric` is an old name of `spec.metrics`; where both are written, the new one wins. */
function metricAsMetrics(document: Written): Written {
  const { metric, metrics, ...spec } = (document["spec"] ?? {}) as Record<string, unknown>;
  if (metric === undefined) return document;
  return { ...document, spec: { ...spec, metrics: merge(metric, metrics) } };
}

function merge(below: unknown, above: unknown): unknown {
  if (above === undefined) return below;
  if (!isRecord(below) || !isRecord(above)) return above;
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) merged[key] = merge(merged[key], value);
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reports against the last document that wrote the key. */
function checks(documents: readonly Located<Written>[], report: Report): Checks {
  const writer = (keyPath: string) => documents.findLast((located) => located.holds(keyPath)) ?? documents.at(-1);
  const finding = (keyPath: string, message: string, hint: string) => {
    const located = writer(keyPath);
    if (located === undefined) return { keyPath, message, hint };
    return { file: located.source.file, line: located.lineOf(keyPath), keyPath, message, hint };
  };
  return {
    lineOf: (keyPath) => writer(keyPath)?.lineOf(keyPath) ?? 1,
    refuse: (...about) => report.fatal(finding(...about)),
    passOver: (...about) => report.overlooked(finding(...about)),
  };
}
