import { fail } from "../../specs/errors.ts";

/**
 * Numbers that a double may not hold exactly: many digits, or an exponent. Looked for only where a number may stand, as
 * the ids inside texts are full of digits.
 */
const risky = /(?:^|[:,[])\s*-?(?:[\d.]{16}|\d[\d.]*[eE])/;

type Raw = { readonly rawJSON: string };
// ES2025 JSON.parse source text access and JSON.rawJSON; TypeScript's library does not name them yet.
const json = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): Raw;
};

/** Deeper values cannot be written again without running out of stack. */
const deepest = 1000;
const [quote, backslash, openArray, openObject, closeArray, closeObject] = Array.from('"\\[{]}', (c) =>
  c.charCodeAt(0),
);

/** Whether arrays and objects of a JSON text stand inside each other more than a thousand times. */
export function isTooDeep(text: string): boolean {
  if (text.length <= deepest) return false;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) i = endOfText(text, i);
    else if (code === openArray || code === openObject) {
      if (++depth > deepest) return true;
    } else if (code === closeArray || code === closeObject) depth--;
  }
  return false;
}

/** The place of the quote that ends the text which begins at `start`. */
function endOfText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) return i;
    if (code === backslash) i++;
  }
  return text.length;
}

/**
 * Parses JSON so that every number survives being written again: what a double cannot hold is kept as its text.
 * Throws `malformedRequest` naming `what`.
 */
export function parseJson(text: string, what: string): unknown {
  if (isTooDeep(text)) throw fail("malformedRequest", { why: `${what} is nested deeper than ${deepest} levels` });
  try {
    if (!risky.test(text)) return JSON.parse(text);
    return json.parse(text, (_, value, { source }) =>
      typeof value === "number" && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
    );
  } catch (error) {
    throw fail("malformedRequest", { why: `${what} is not JSON: ${(error as Error).message}` }, { cause: error });
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes as text; throws `malformedRequest` when they are not UTF-8. */
export function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw fail("malformedRequest", { why: `${what} is not UTF-8 text` }, { cause: error });
  }
}

/** True for `{}`-like objects, false for arrays, null and scalars. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
