import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../components/contract/driver.ts";
import type { Resolver, ResolverDriver } from "../../components/contract/name-resolution.ts";
import { causeText, fail } from "../../specs/errors.ts";
import type { Config } from "../kernel/config-types.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { ScopedLog } from "../kernel/log.ts";
import type { Registry } from "./opening.ts";
import { readSettings } from "./settings.ts";

export interface ResolverParts {
  readonly config: Config;
  readonly registry: Registry;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: ScopedLog;
}

/** Finds nobody: what a sidecar without a working name resolution has. */
const nobody: Resolver = {
  register: async () => {},
  resolve: async () => [],
  known: async () => [],
  close: async () => {},
};

/**
 * Opens the name resolution of the Configuration resource; without one, the registry of this machine, a SQLite file in
 * MECHA_HOME (default `~/.mecha`). A failure is logged, not thrown: everything but invocation of other apps works without.
 */
export async function openResolver(parts: ResolverParts): Promise<Resolver> {
  const { config, registry, clock, log } = parts;
  const declared = config.configuration.nameResolution;
  const name =
    declared?.component ??
    (config.mode === "kubernetes" && registry["nameresolution.kubernetes"] ? "kubernetes" : "sqlite");
  try {
    const load = registry[`nameresolution.${name.toLowerCase()}`];
    if (!load) {
      const names = Object.keys(registry)
        .filter((one) => one.startsWith("nameresolution."))
        .map((one) => one.slice("nameresolution.".length));
      const hint = didYouMean(name, names);
      throw fail("openFailed", {
        why: `spec.nameResolution.component ${name}: there is no such driver; ${hint ?? `use ${names.join(", ")}`}`,
      });
    }
    const driver = (await load()).default as ResolverDriver;
    const pairs = declared ? pairsOf(declared.configuration) : defaultPairs(parts);
    const { settings, problems, unknown } = readSettings(driver.metadata, undefined, pairs);
    if (problems.length > 0) throw fail("openFailed", { why: problems.join("; ") });
    for (const one of unknown) log.warn(`name resolution ${name}: ${one}`);
    const { appId, namespace, dataDir } = config;
    return await driver.open(settings as never, {
      name: `nameresolution.${name}`,
      appId,
      namespace,
      dataDir,
      clock,
      signal: new AbortController().signal,
      log: log.scope(`nameresolution.${name}`),
    });
  } catch (error) {
    log.error("name resolution could not be opened; other apps cannot be invoked", {
      component: name,
      error: causeText(error),
    });
    return nobody;
  }
}

/** A Configuration resource writes settings as a map, or as `{name, value}` pairs. */
function pairsOf(configuration: unknown): { name: string; value: string }[] {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  if (Array.isArray(configuration))
    return configuration.map(({ name, value }: { name: string; value: unknown }) => ({ name, value: text(value) }));
  if (typeof configuration !== "object" || configuration === null) return [];
  return Object.entries(configuration).map(([name, value]) => ({ name, value: text(value) }));
}

function defaultPairs({ env }: ResolverParts): { name: string; value: string }[] {
  const home = env["MECHA_HOME"] ?? join(homedir(), ".mecha");
  mkdirSync(home, { recursive: true });
  return [{ name: "connectionString", value: join(home, "apps.db") }];
}
