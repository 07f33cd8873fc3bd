import type { SecretValues } from "../contract/secrets.ts";

/** In Node, not yet in the types of the language. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Number as it is written, which may have more digits than a JavaScript number. */
const rawNumbers = (_: string, value: unknown, { source }: { readonly source?: string } = {}) =>
  typeof value === "number" && source !== undefined ? rawJSON(source) : value;

/**
 * The values in the server's answer about a secret. `map`: one for each key, those that are no text as JSON; `text`: all
 * of it as JSON, under `name`. Undefined: the answer holds none, as that of a deleted version.
 */
export function valuesIn(
  answer: string,
  name: string,
  { version, type }: { readonly version: "1" | "2"; readonly type: "map" | "text" },
): SecretValues | undefined {
  const { data } = JSON.parse(answer, rawNumbers) as { readonly data?: Record<string, unknown> | null };
  const values = (version === "2" ? data?.["data"] : data) as Record<string, unknown> | null | undefined;
  if (!values) return undefined;
  if (type === "text") return { [name]: JSON.stringify(values) };
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}
