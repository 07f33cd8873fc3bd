import { fail } from "../../specs/errors.ts";

/** A setting that is an object. */
export interface Options {
  text(key: string): string | undefined;
  flag(key: string): boolean | undefined;
  object(key: string, known: readonly string[]): Options;
}

/**
 * Reads a setting that was written as an object, whose keys match in any case. Throws `openFailed` for a text that is no
 * object, and for a key that is not among `known`.
 */
export function optionsOf(setting: string, written: string | undefined, known?: readonly string[]): Options {
  const value = written ? parsed(setting, written) : {};
  return options(setting, value, known);
}

/** A list of texts, written as one or with commas. Throws `openFailed`. */
export function stringsOf(setting: string, written: string | undefined): readonly string[] {
  if (!written) return [];
  if (!written.trimStart().startsWith("[")) {
    return written
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean);
  }
  const value = parsed(setting, written);
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw fail("openFailed", { why: `${setting}: must be a list of texts` });
}

/** The value of a setting that is written as JSON, as nested configuration is. Throws `openFailed`. */
export function parsed(setting: string, written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    // What is written may hold a token.
    throw fail("openFailed", { why: `${setting}: must be nested configuration, or its JSON text` });
  }
}

function options(setting: string, value: unknown, known?: readonly string[]): Options {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail("openFailed", { why: `${setting}: must be an object, such as {address: "127.0.0.1:8500"}` });
  }
  const byName = new Map(Object.entries(value).map(([key, one]) => [key.toLowerCase(), { key, one }]));
  const names = known?.map((name) => name.toLowerCase());
  for (const [name, { key }] of byName) {
    if (names && !names.includes(name)) {
      throw fail("openFailed", { why: `${setting}.${key}: unknown key; there are ${known?.join(", ")}` });
    }
  }
  const at = (key: string) => byName.get(key.toLowerCase())?.one;
  return {
    text(key) {
      const one = at(key);
      if (one === undefined || one === null || one === "") return undefined;
      if (typeof one === "object") throw fail("openFailed", { why: `${setting}.${key}: must be a text` });
      return String(one);
    },
    flag(key) {
      const one = at(key);
      if (one === undefined || one === null || one === "") return undefined;
      const word = String(one).toLowerCase();
      if (/^(1|t|true|y|yes|on)$/.test(word)) return true;
      if (/^(0|f|false|n|no|off)$/.test(word)) return false;
      throw fail("openFailed", { why: `${setting}.${key}: must be true or false` });
    },
    object: (key, inner) => options(`${setting}.${key}`, at(key) ?? {}, inner),
  };
}
