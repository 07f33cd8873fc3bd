import { fail } from "../../specs/errors.ts";
import type { Clock } from "../contract/driver.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";
import type { HeaderRules } from "./headers.ts";
import type { Outgoing } from "./outbox.ts";

/** What is published, by pubsub or by a binding. */
export interface Published {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a record takes beside its key, its value and its headers; and each header. */
const recordBytes = 40;
const headerBytes = 4;

/**
 * Makes the record of a message. Throws `requestMetadataInvalid` for metadata that cannot be.
 * @param value what is written instead of the data
 */
export function toOutgoing(
  { topic, data, metadata }: Published,
  rules: HeaderRules,
  clock: Clock,
  value?: Buffer,
): Outgoing {
  const now = clock.now();
  const ttlMs = messageTtlMs(metadata);
  const headers = rules.toHeaders(metadata, ttlMs === undefined ? undefined : now + ttlMs);
  const text = metadata["partitionKey"] || metadata["__key"];
  const key = text ? Buffer.from(text) : undefined;
  const written = value ?? Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let bytes = recordBytes + written.length + (key?.length ?? 0);
  for (const [name, one] of headers) bytes += headerBytes + name.length + one.length;
  return { topic, partition: partitionOf(metadata), key, value: written, headers, bytes, timestamp: now };
}

function partitionOf(metadata: Published["metadata"]): number | undefined {
  const written = metadata["partitionNumber"];
  if (written === undefined || written === "") return undefined;
  if (/^\d{1,9}$/.test(written)) return Number(written);
  throw fail("requestMetadataInvalid", {
    key: "partitionNumber",
    why: `must be the number of a partition, got ${JSON.stringify(written)}`,
  });
}
