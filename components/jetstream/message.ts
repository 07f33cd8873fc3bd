import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import type { IncomingMessage, OutgoingMessage } from "../contract/pubsub.ts";
import type { StoredMessage } from "./api.ts";

/** A message as a consumer was given it. */
export interface Delivered {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  /** Where its settlement goes. */
  readonly reply: string;
  /** Number in the stream. */
  readonly seq: number;
  /** 1 for the first time. */
  readonly deliveries: number;
  /** Number among all that the consumer was given. */
  readonly turn: number;
  /** Milliseconds since 1970 at which the stream took it. */
  readonly at: number;
}

const typeHeader = "Content-Type";
/** JSON of metadata that headers cannot hold as it is. */
const restHeader = "Mecha-Metadata";
export const idHeader = "Nats-Msg-Id";

/** Names with a meaning of their own, which metadata must not take on. */
const isReserved = (name: string) => /^(nats-|mecha-|content-type$)/i.test(name);
const fitsName = (name: string) => /^[!-9;-~]+$/.test(name) && !isReserved(name);
/** Ends of white space are cut off on the way, and half a character becomes another one. */
const fitsValue = (value: string) => !/[\r\n]/.test(value) && value.trim() === value && value.isWellFormed();

/** Writes what the publisher said about a message into headers, by which other clients find it too. */
export function writeHeaders(headers: MsgHdrs, { contentType, metadata }: OutgoingMessage, id: string): MsgHdrs {
  headers.set(idHeader, id);
  if (contentType !== undefined && fitsValue(contentType)) headers.set(typeHeader, contentType);
  const rest: Record<string, string> = {};
  let hasRest = false;
  for (const [name, value] of Object.entries(metadata)) {
    if (fitsName(name) && fitsValue(value)) headers.set(name, value);
    else {
      Object.defineProperty(rest, name, { value, enumerable: true });
      hasRest = true;
    }
  }
  if (hasRest) headers.set(restHeader, JSON.stringify(rest));
  return headers;
}

type Read = Pick<Delivered, "metadata" | "contentType">;

/** The other way. What is the server's own is left out. */
function readHeaders(headers: Iterable<readonly [name: string, value: string]>): Read {
  const entries: (readonly [string, string])[] = [];
  let contentType: string | undefined;
  let rest = {};
  for (const [name, value] of headers) {
    if (!isReserved(name)) entries.push([name, value]);
    else if (/^content-type$/i.test(name)) contentType = value;
    else if (name === restHeader) rest = readRest(value);
  }
  return { metadata: { ...Object.fromEntries(entries), ...rest }, contentType };
}

/** Several values of one name are joined by commas. */
const entriesOf = (headers: MsgHdrs | undefined) =>
  (headers?.keys() ?? []).map((name) => [name, headers?.values(name).join(",") ?? ""] as const);

function readRest(text: string): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(text);
    const entries = Object.entries(parsed ?? {}).filter(([, value]) => typeof value === "string");
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}

/** Reads a message that a consumer delivered; undefined: it is not one. */
export function readDelivered(message: Msg): Delivered | undefined {
  const { reply, subject, data } = message;
  const tokens = reply?.split(".") ?? [];
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || tokens.length < 9) return undefined;
  // Later servers put domain and account before the stream, and a random word at the end.
  const [deliveries, seq, turn, nanos] = tokens.slice(tokens.length === 9 ? 4 : 6).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return {
    subject,
    data,
    ...readHeaders(entriesOf(message.headers)),
    reply: reply ?? "",
    seq,
    deliveries,
    turn,
    at: nanos / 1e6,
  };
}

/** Reads a message that the API gave by its number. */
export function fromStored({ subject, seq, hdrs = "", data = "", time }: StoredMessage) {
  const [, ...lines] = Buffer.from(hdrs, "base64").toString().split("\r\n");
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1).trim()] as const] : [];
  });
  return { subject, seq, data: Buffer.from(data, "base64"), ...readHeaders(headers), at: Date.parse(time) };
}

/** Its time to live has passed. */
export function hasEnded({ metadata, at }: Pick<Delivered, "metadata" | "at">, now: number): boolean {
  const seconds = Number(metadata["ttlInSeconds"]);
  return seconds > 0 && at + seconds * 1000 <= now;
}

export function toIncoming(
  { seq, subject, data, contentType, metadata }: Omit<Delivered, "reply" | "deliveries" | "turn" | "at">,
  attempt: number,
): IncomingMessage {
  return { id: String(seq), topic: subject, data, contentType, metadata, attempt };
}
