import type { SecretValues } from "../contract/secrets.ts";

/** A parsed JSON value. Numbers are kept as they were written. */
export type Json = string | boolean | null | Written | readonly Json[] | { readonly [key: string]: Json };

/** A number as the text it was written as. */
export class Written {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

// ES2025 JSON.parse source text access; TypeScript's library does not name the reviver's third parameter yet.
const parse = JSON.parse as unknown as (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => Json;

/** Parses JSON without rounding numbers: an account number of twenty digits is a secret like any other. */
export function parseWritten(text: string): Json {
  return parse(text, (_, value, { source }) =>
    typeof value === "number" ? new Written(source ?? String(value)) : value,
  );
}

/** Every leaf with the names on the way to it, joined; items of arrays are named by their index. */
export function flatten(value: Json, separator: string): [path: string, leaf: string][] {
  return entries(value).flatMap(([name, inner]): [string, string][] =>
    isLeaf(inner)
      ? [[name, leafText(inner)]]
      : flatten(inner, separator).map(([path, leaf]) => [name + separator + path, leaf]),
  );
}

/** One secret for each name at the top, its values flattened below it; a value alone is named like its secret. */
export function flattenBelow(value: Json, separator: string): [name: string, values: SecretValues][] {
  return entries(value).map(([name, inner]) => [
    name,
    isLeaf(inner) ? { [name]: leafText(inner) } : Object.fromEntries(flatten(inner, separator)),
  ]);
}

type Leaf = string | boolean | null | Written;

function isLeaf(value: Json): value is Leaf {
  return typeof value !== "object" || value === null || value instanceof Written;
}

function leafText(leaf: Leaf): string {
  if (leaf instanceof Written) return leaf.text;
  return leaf === null ? "" : String(leaf);
}

function entries(value: Json): [string, Json][] {
  return isLeaf(value) ? [] : Object.entries(value);
}
