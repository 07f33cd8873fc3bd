import { type AnyDriver, runtimeSettings } from "../../components/contract/any-driver.ts";
import { registry } from "../../components/registry.gen.ts";
import { formatDuration } from "../kernel/duration.ts";

/** A setting of a driver, as people read it. */
export interface Setting {
  readonly name: string;
  /** `text`, `number`, `duration`, `flag`, `bytes`, `list`, or the words it takes: `a | b`. */
  readonly type: string;
  readonly required: boolean;
  /** As it would be written; absent: there is none. */
  readonly default?: string | undefined;
  readonly description: string;
  readonly secret: boolean;
  readonly aliases: readonly string[];
  /** Read by the sidecar for every component of the kind. */
  readonly shared: boolean;
}

export interface CatalogueEntry {
  readonly type: string;
  readonly version: string;
  readonly kind: AnyDriver["kind"];
  readonly aliases: readonly string[];
  readonly status: AnyDriver["status"];
  readonly summary: string;
  readonly capabilities: readonly string[];
  readonly settings: readonly Setting[];
}

/** Every driver once, by type. */
export async function loadCatalogue(): Promise<readonly CatalogueEntry[]> {
  const drivers = new Set(
    await Promise.all(Object.values(registry).map(async (load) => (await load()).default as AnyDriver)),
  );
  return [...drivers].map(toEntry).sort((a, b) => (`${a.type}/${a.version}` < `${b.type}/${b.version}` ? -1 : 1));
}

function toEntry({
  type,
  version = "v1",
  kind,
  aliases = [],
  status,
  summary,
  capabilities,
  metadata,
}: AnyDriver): CatalogueEntry {
  const shared = runtimeSettings[kind];
  const settings = [...settingsOf(metadata, false), ...(shared ? settingsOf(shared, true) : [])];
  return { type, version, kind, aliases, status, summary, capabilities, settings };
}

/** The part of a settings schema that people are told. */
interface Property {
  readonly coerce?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly sensitive?: boolean;
  readonly aliases?: readonly string[];
}

function settingsOf(schema: AnyDriver["metadata"], shared: boolean): Setting[] {
  const required = new Set<string>(schema.required ?? []);
  return Object.entries(schema.properties as Record<string, Property>).map(([name, property]) => ({
    name,
    type: property.enum?.join(" | ") ?? property.coerce ?? "text",
    required: required.has(name) && property.default === undefined,
    default: defaultOf(property),
    description: property.description ?? "",
    secret: property.sensitive ?? false,
    aliases: property.aliases ?? [],
    shared,
  }));
}

function defaultOf({ default: value, coerce }: Property): string | undefined {
  if (value === undefined || value === "") return undefined;
  if (coerce === "duration" && typeof value === "number") return formatDuration(value);
  return Array.isArray(value) ? value.join(",") : String(value);
}
