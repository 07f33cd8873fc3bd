import { isUtf8 } from "node:buffer";

/** A value as the first version of the published layout keeps it: JSON as jsonb, other bytes as a JSON text in base64. */
export interface StoredJson {
  readonly json: string;
  readonly isBinary: boolean;
}

/**
 * What is JSON can be queried; jsonb keeps its meaning, not the spaces and the order of keys. Bytes that are not, and
 * JSON that jsonb refuses or would change, are kept as bytes.
 */
export function toStoredJson(data: Uint8Array): StoredJson {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (isUtf8(buffer)) {
    const text = buffer.toString("utf8");
    if (isJsonb(text)) return { json: text, isBinary: false };
  }
  return { json: `"${buffer.toString("base64")}"`, isBinary: true };
}

function isJsonb(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  // Numbers of jsonb are decimal fractions: such powers of ten would be written out, or are too large.
  if (/\d[eE][+-]?\d{3}/.test(text)) return false;
  // Its texts hold no NUL and no half of a surrogate pair, both of which JSON can only escape.
  return !text.includes("\\u") || !/\\u(?:0000|d[89a-f])/.test(JSON.stringify(value));
}

export function fromStoredJson(json: string, isBinary: boolean): Uint8Array {
  if (!isBinary) return Buffer.from(json);
  const text: unknown = JSON.parse(json);
  return typeof text === "string" ? Buffer.from(text, "base64") : Buffer.from(json);
}

/** Parameter of a bytea; the library sends a Buffer as it is. */
export const toBytea = (data: Uint8Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** Bytes of a bytea's text, `\x0a0b`. */
export const fromBytea = (text: string): Uint8Array => Buffer.from(text.slice(2), "hex");
