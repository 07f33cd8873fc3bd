import { createHash } from "node:crypto";
import { fail } from "../../specs/errors.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";
import type { Arrival, PublishOptions } from "./connection.ts";

type Texts = Readonly<Record<string, string>>;

/** User property with the id of a message, as callers name it in metadata. */
const idProperty = "messageID";
const longestText = 65_535;
const longestSeconds = 2 ** 32 - 1;

export interface Sending {
  readonly qos: 0 | 1 | 2;
  /** Unless the metadata says otherwise. */
  readonly retain: boolean;
  readonly metadata: Texts;
  readonly contentType: string | undefined;
  readonly messageId: string;
  /** MQTT 3.1.1 has no place for more than bytes. */
  readonly isFive: boolean;
}

/** What is said to the broker about a message. Throws `requestMetadataInvalid`. */
export function toOptions({ qos, retain, metadata, contentType, messageId, isFive }: Sending): PublishOptions {
  const ttlMs = messageTtlMs(metadata);
  const basic = { qos, retain: readFlag("retain", metadata["retain"]) ?? retain };
  if (!isFive) return basic;
  for (const [key, value] of Object.entries({ ...metadata, contentType: contentType ?? "" })) {
    if (Buffer.byteLength(key) > longestText || Buffer.byteLength(value) > longestText) {
      throw fail("requestMetadataInvalid", { key, why: `must have at most ${longestText} bytes` });
    }
  }
  return {
    ...basic,
    properties: {
      ...(contentType === undefined ? {} : { contentType }),
      ...(ttlMs === undefined ? {} : { messageExpiryInterval: Math.min(ttlMs / 1000, longestSeconds) }),
      userProperties: { [idProperty]: messageId, ...metadata },
    },
  };
}

function readFlag(key: string, text: string | undefined): boolean | undefined {
  if (text === undefined || text === "") return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw fail("requestMetadataInvalid", { key, why: `must be true or false, got ${JSON.stringify(text)}` });
}

export const dataOf = ({ payload }: Arrival): Buffer => (typeof payload === "string" ? Buffer.from(payload) : payload);

/** What the publisher said of the message; of several values of one name the last. */
export function metadataOf({ properties }: Arrival): Texts {
  const pairs = Object.entries(properties?.userProperties ?? {});
  return Object.fromEntries(pairs.map(([key, value]) => [key, Array.isArray(value) ? (value.at(-1) ?? "") : value]));
}

/**
 * What a message has in common with its redeliveries. Without an id of the publisher's it is the content: messages of the
 * same content are the same to everybody.
 */
export function markOf(message: Arrival): string {
  const id = metadataOf(message)[idProperty];
  if (id) return id;
  return createHash("sha256")
    .update(message.topic)
    .update("\0")
    .update(dataOf(message))
    .digest("base64url")
    .slice(0, 22);
}

/** An id for the app. Most brokers redeliver under the number of the first delivery, which tells equal messages apart. */
export function idOf(message: Arrival, mark: string): string {
  return metadataOf(message)[idProperty] ? mark : `${mark}-${message.messageId ?? 0}`;
}

/** Whether its time to live has passed, of a message that has been here since then. */
export function hasEnded({ properties }: Arrival, hereSince: number, now: number): boolean {
  const seconds = properties?.messageExpiryInterval;
  return seconds !== undefined && hereSince + seconds * 1000 <= now;
}
