import { isUtf8 } from "node:buffer";
import type { StateEntry } from "../contract/state.ts";

/** A stored value in the published layout: JSON or other text as it is, bytes in base64. */
export interface StoredValue {
  readonly text: string;
  readonly isBinary: 0 | 1;
}

/** Text stays readable for other programs; NUL, at which SQLite's text functions stop, makes it bytes. */
export function toStored(data: Uint8Array): StoredValue {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return isUtf8(buffer) && !buffer.includes(0)
    ? { text: buffer.toString("utf8"), isBinary: 0 }
    : { text: buffer.toString("base64"), isBinary: 1 };
}

/** A row of `value, is_binary, etag, expiration_time`, read as an array, which costs less than an object. */
export type Row = readonly [text: string, isBinary: number, etag: string, expiration: string | null];

/** The entry of a row; undefined when it has ended. */
export function fromRow([text, isBinary, etag, expiration]: Row, now: number): StateEntry | undefined {
  const data = Buffer.from(text, isBinary ? "base64" : "utf8");
  if (expiration === null) return { data, etag };
  const expiresAt = fromTimestamp(expiration);
  return expiresAt > now ? { data, etag, expiresAt } : undefined;
}

/** Milliseconds since 1970 as SQLite writes a time, in UTC: `2030-01-31 12:00:00.000`. */
export function toTimestamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 23).replace("T", " ");
}

/** Reads SQLite's own form, which has no fraction, too. */
export function fromTimestamp(text: string): number {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}
