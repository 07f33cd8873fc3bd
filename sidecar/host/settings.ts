import type { TObject, TSchema } from "typebox";
import { didYouMean } from "../kernel/did-you-mean.ts";
import { durationHint, findDurationMs } from "../kernel/duration.ts";
import { bytesHint, findBytes } from "../kernel/quantities.ts";

/** A metadata entry whose references are resolved. */
export interface SettingText {
  readonly name: string;
  readonly value: string;
}

export interface Settings {
  /** What the driver's schema describes, coerced, with defaults. */
  readonly settings: Record<string, unknown>;
  /** What the kind's runtime schema describes. */
  readonly runtime: Record<string, unknown>;
  /** Wrong or missing values, each naming the key and the fix. Never quotes a secret. */
  readonly problems: readonly string[];
  /** Keys that nobody reads, each with a suggestion. */
  readonly unknown: readonly string[];
}

/** The keyword `coerce` and what settings.ts puts beside it. */
interface Property {
  readonly coerce?: string;
  readonly unit?: "ms" | "s";
  readonly default?: unknown;
  readonly sensitive?: boolean;
  readonly aliases?: readonly string[];
  readonly enum?: readonly string[];
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

const truthy = new Set(["1", "t", "true", "y", "yes", "on"]);
const falsy = new Set(["0", "f", "false", "n", "no", "off", ""]);

/**
 * Reads component metadata by the driver's schema and the kind's runtime schema. Names match in any case. A schema with
 * `additionalProperties` gets every pair as it is written, those of the runtime too.
 */
export function readSettings(driver: TObject, kind: TObject | undefined, pairs: readonly SettingText[]): Settings {
  const problems: string[] = [];
  const unknown: string[] = [];
  const fields = [...fieldsOf(driver, "settings"), ...(kind ? fieldsOf(kind, "runtime") : [])];
  const byName = new Map(fields.flatMap((field) => field.names.map((name) => [name.toLowerCase(), field] as const)));
  const given = new Map<Field, string>();
  const isOpen = "additionalProperties" in driver;
  for (const { name, value } of pairs) {
    const field = byName.get(name.toLowerCase());
    if (field) given.set(field, value);
    else if (!isOpen) {
      const hint = didYouMean(
        name,
        fields.map((one) => one.key),
      );
      unknown.push(`metadata ${name}: unknown key${hint ? `; ${hint}` : ""}`);
    }
  }
  const result = { settings: {} as Record<string, unknown>, runtime: {} as Record<string, unknown> };
  if (isOpen) for (const { name, value } of pairs) result.settings[name] = value;
  for (const field of fields) {
    const text = given.get(field);
    if (text === undefined) {
      if (field.property.default !== undefined) result[field.part][field.key] = structuredClone(field.property.default);
      else if (field.required) problems.push(`metadata ${field.key}: is required`);
      continue;
    }
    const read = coerce(field.property, text);
    if ("why" in read)
      problems.push(
        `metadata ${field.key}: ${field.property.sensitive ? "the value" : JSON.stringify(text)} ${read.why}`,
      );
    else result[field.part][field.key] = read.value;
  }
  return { ...result, problems, unknown };
}

interface Field {
  readonly key: string;
  readonly names: readonly string[];
  readonly property: Property;
  readonly required: boolean;
  readonly part: "settings" | "runtime";
}

function fieldsOf(schema: TObject, part: Field["part"]): Field[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties as Record<string, TSchema>).map(([key, value]) => {
    const property = value as Property;
    return { key, names: [key, ...(property.aliases ?? [])], property, required: required.has(key), part };
  });
}

type Read = { readonly value: unknown } | { readonly why: string };

function coerce(property: Property, text: string): Read {
  switch (property.coerce) {
    case "flag": {
      const word = text.trim().toLowerCase();
      if (truthy.has(word)) return { value: true };
      return falsy.has(word) ? { value: false } : { why: "is not a yes or no; write true or false" };
    }
    case "number":
      return inRange(property, text.trim() === "" ? Number.NaN : Number(text), true, "is not a whole number");
    case "duration":
      return inRange(
        property,
        findDurationMs(text, property.unit ?? "s") ?? Number.NaN,
        false,
        `is not a duration; ${durationHint(text)}`,
      );
    case "bytes":
      return inRange(property, findBytes(text) ?? Number.NaN, false, `is not a size; ${bytesHint(text)}`);
    case "choice": {
      const words = property.enum ?? [];
      const word = words.find((one) => one.toLowerCase() === text.trim().toLowerCase());
      return word === undefined ? { why: `is not one of ${words.join(", ")}` } : { value: word };
    }
    case "list":
      return {
        value: text
          .split(",")
          .map((one) => one.trim())
          .filter((one) => one !== ""),
      };
    default:
      return text.length < (property.minLength ?? 0) ? { why: "must not be empty" } : { value: text };
  }
}

function inRange({ minimum, maximum }: Property, value: number, whole: boolean, why: string): Read {
  if (Number.isNaN(value) || (whole && !Number.isInteger(value))) return { why };
  if (minimum !== undefined && value < minimum) return { why: `must be at least ${minimum}` };
  if (maximum !== undefined && value > maximum) return { why: `must be at most ${maximum}` };
  return { value };
}
