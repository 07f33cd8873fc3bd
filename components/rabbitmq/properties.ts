import type { ConsumeMessage, Options } from "amqplib";
import { fail } from "../../specs/errors.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";

type Texts = Readonly<Record<string, string>>;

/** Header with the end of a message that is to live longer than the server can count, in milliseconds since 1970. */
const endHeader = "mecha-expires-at";
/** The server's own. */
const deliveryCountHeader = "x-delivery-count";
const mostMs = 2 ** 32 - 1;

/** Metadata of a request that has a place of its own in AMQP. */
export const amqpKeys: ReadonlySet<string> = new Set([
  "contentType",
  "correlationID",
  "messageID",
  "priority",
  "replyTo",
  "ttlInSeconds",
  "type",
]);

export interface Sending {
  readonly metadata: Texts;
  readonly headers: Texts;
  readonly contentType: string | undefined;
  readonly messageId: string;
  readonly appId: string;
  readonly deliveryMode: number;
  readonly ttlMs: number | undefined;
  readonly now: number;
}

/** AMQP properties of a message. Throws `requestMetadataInvalid`. */
export function toProperties({
  metadata,
  headers,
  contentType,
  messageId,
  appId,
  deliveryMode,
  ttlMs,
  now,
}: Sending): Options.Publish {
  const livesMs = messageTtlMs(metadata) ?? ttlMs;
  const isEndless = livesMs !== undefined && livesMs > mostMs;
  const priority = priorityOf(metadata["priority"]);
  const optional = {
    contentType: metadata["contentType"] ?? contentType,
    correlationId: metadata["correlationID"],
    replyTo: metadata["replyTo"],
    type: metadata["type"],
    priority,
    expiration: livesMs === undefined || isEndless ? undefined : String(Math.round(livesMs)),
  };
  return {
    headers: { ...headers, ...(isEndless ? { [endHeader]: now + livesMs } : {}) },
    messageId: metadata["messageID"] || messageId,
    appId,
    deliveryMode,
    timestamp: Math.floor(now / 1000),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

function priorityOf(written: string | undefined): number | undefined {
  if (written === undefined || written === "") return undefined;
  const priority = /^\d{1,3}$/.test(written) ? Number(written) : Number.NaN;
  if (priority <= 255) return priority;
  throw fail("requestMetadataInvalid", {
    key: "priority",
    why: `must be a whole number from 0 to 255, got ${JSON.stringify(written)}`,
  });
}

/** Headers that are texts, numbers or flags, as texts. */
export function headerTexts({ properties }: ConsumeMessage): Record<string, string> {
  const pairs = Object.entries((properties.headers ?? {}) as Readonly<Record<string, unknown>>);
  const plain = pairs.filter(
    ([key, value]) => key !== endHeader && ["string", "number", "boolean", "bigint"].includes(typeof value),
  );
  return Object.fromEntries(plain.map(([key, value]) => [key, String(value)]));
}

const propertyNames = {
  messageID: "messageId",
  correlationID: "correlationId",
  contentType: "contentType",
  contentEncoding: "contentEncoding",
  type: "type",
  replyTo: "replyTo",
  priority: "priority",
  deliveryMode: "deliveryMode",
  expiration: "expiration",
  timestamp: "timestamp",
  userID: "userId",
  appID: "appId",
} as const;

/** What else the message says of itself, under the names that publishers use. */
export function propertyTexts({ properties, fields }: ConsumeMessage): Record<string, string> {
  const pairs = Object.entries(propertyNames).map(([name, key]) => [name, properties[key] as unknown] as const);
  const known = pairs.filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(known.map(([name, value]) => [name, String(value)])),
    exchange: fields.exchange,
    routingKey: fields.routingKey,
  };
}

/** Attempts before this one, as far as the server tells. */
export function attemptsBefore({ properties, fields }: ConsumeMessage): number {
  const counted = Number((properties.headers as Readonly<Record<string, unknown>> | undefined)?.[deliveryCountHeader]);
  return Number.isSafeInteger(counted) ? counted : Number(fields.redelivered);
}

/** Whether its time to live has passed, of a message that has been here since then. */
export function hasEnded({ properties }: ConsumeMessage, hereSince: number, now: number): boolean {
  const end = Number((properties.headers as Readonly<Record<string, unknown>> | undefined)?.[endHeader]);
  if (end <= now) return true;
  const livesMs = /^\d+$/.test(String(properties.expiration))
    ? Number(properties.expiration)
    : Number.POSITIVE_INFINITY;
  return hereSince + livesMs <= now;
}
