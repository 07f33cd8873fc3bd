import { isUtf8 } from "node:buffer";

/** A value as the published layout keeps it: JSON as it is, other bytes as a JSON text in base64. */
export interface StoredJson {
  readonly json: string;
  readonly isBinary: boolean;
}

/** MariaDB takes no JSON that is nested deeper than 32, MySQL than 100. */
const maxDepth = 30;

/**
 * JSON is kept as JSON, for others to look into. Bytes that are not, and JSON that a server refuses or would change, are
 * kept as bytes.
 * @param keepsText MariaDB's JSON is the text itself; MySQL writes it anew, with the same meaning
 */
export function toStoredJson(data: Uint8Array, keepsText: boolean): StoredJson {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (isUtf8(buffer)) {
    const text = buffer.toString("utf8");
    if (isStorable(text, keepsText)) return { json: text, isBinary: false };
  }
  return { json: `"${buffer.toString("base64")}"`, isBinary: true };
}

function isStorable(text: string, keepsText: boolean): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  // Halves of surrogate pairs and NUL, which JSON can only escape, are no texts of a server.
  if (text.includes("\\u") && /\\u(?:0000|d[89a-f])/.test(JSON.stringify(value))) return false;
  // MySQL's numbers are of 64 bits or floating.
  if (!keepsText && /\d{16}|[eE][+-]?\d{3}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ""))) return false;
  return isFlat(value, maxDepth);
}

function isFlat(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((one) => isFlat(one, levels - 1));
}

/** @param json as the column gives it */
export function fromStoredJson(json: string, isBinary: boolean): Uint8Array {
  if (!isBinary) return Buffer.from(json);
  const text: unknown = JSON.parse(json);
  return typeof text === "string" ? Buffer.from(text, "base64") : Buffer.from(json);
}
