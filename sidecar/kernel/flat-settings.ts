import { isRecord } from "./json.ts";

/**
 * Nested settings as pairs of texts, the path of each in one word: `{retry: {maxAttempts: 5}}` gives
 * `{retryMaxAttempts: "5"}`. Lists are written as JSON.
 */
export function flatSettings(settings: Readonly<Record<string, unknown>>, path = ""): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [key, value] of Object.entries(settings)) {
    const name = joined(path, key);
    if (isRecord(value)) Object.assign(flat, flatSettings(value, name));
    else if (value !== undefined && value !== null) {
      flat[name] = typeof value === "object" ? JSON.stringify(value) : String(value);
    }
  }
  return flat;
}

/** `retry` and `maxAttempts` are `retryMaxAttempts`. */
export const joined = (path: string, key: string): string =>
  path === "" ? key : path + key.slice(0, 1).toUpperCase() + key.slice(1);
