import { isUtf8 } from "node:buffer";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { StateEntry } from "../contract/state.ts";

export type Item = Record<string, AttributeValue>;

/** The attributes of a value: `value` and `etag`, with names of the settings for the key and for the end. */
export interface Layout {
  readonly partitionKey: string;
  readonly ttlAttribute: string;
}

/** `#`-names for expressions, since any name may be a reserved word. */
export const namesOf = ({ partitionKey, ttlAttribute }: Layout) => ({
  "#key": partitionKey,
  "#etag": "etag",
  "#ends": ttlAttribute,
});

/** Seconds since 1970, the form in which DynamoDB looks for ends. */
export const toSeconds = (ms: number) => Math.ceil(ms / 1000);

/** Text where it is text, as other sidecars write it; else bytes. */
export function toValue(data: Uint8Array): AttributeValue {
  return isUtf8(data) ? { S: Buffer.from(data).toString() } : { B: Uint8Array.from(data) };
}

/** The entry of an item that has not ended; DynamoDB itself removes ended ones hours later. */
export function toEntry(item: Item | undefined, { ttlAttribute }: Layout, nowMs: number): StateEntry | undefined {
  if (item === undefined) return undefined;
  const ends = item[ttlAttribute]?.N;
  const expiresAt = ends === undefined ? undefined : Number(ends) * 1000;
  if (expiresAt !== undefined && expiresAt <= nowMs) return undefined;
  const etag = item["etag"]?.S;
  return {
    data: fromValue(item["value"]),
    ...(etag === undefined ? {} : { etag }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** Other programs may have written numbers and words where we write text. */
function fromValue(value: AttributeValue | undefined): Uint8Array {
  if (value?.B) return value.B;
  const text = value?.S ?? value?.N ?? (value?.BOOL === undefined ? undefined : String(value.BOOL));
  if (text !== undefined) return Buffer.from(text);
  if (value === undefined || value.NULL) return Buffer.alloc(0);
  throw new Error(
    `the attribute "value" is of type ${Object.keys(value)[0]}; this store reads text, bytes, numbers and booleans`,
  );
}
