import { findMessageText, isMessageText, toPlainJson } from "../aws/message-text.ts";
import type { QueuedMessage } from "../aws/queues.ts";
import type { OutgoingMessage } from "../contract/pubsub.ts";

type Texts = Readonly<Record<string, string>>;

/** A message as SNS takes it: a text and named texts. */
export interface Notification {
  readonly text: string;
  readonly attributes: Texts;
}

/** A message as it was published. */
export interface Delivered {
  /** Undefined: SNS delivered the bare message, without its envelope. */
  readonly topicArn: string | undefined;
  readonly data: Uint8Array;
  readonly contentType: string | undefined;
  readonly metadata: Texts;
}

/** Attributes of our own. */
const own = { encoding: "mecha.encoding", contentType: "mecha.contentType", rest: "mecha.metadata" } as const;
/** A delivery without SNS's envelope keeps ten attributes, and three may be ours. */
const mostPlain = 7;
/** In place of no bytes, which SNS does not take. */
const nothing = "-";

/** Metadata becomes attributes, for filter policies to see; what AWS does not take as such goes together into one. */
export function toNotification({ data, contentType, metadata }: OutgoingMessage): Notification {
  const { text, encoding } = encoded(data);
  const entries = Object.entries(metadata);
  const plain = entries.filter(([key, value]) => isPlainName(key) && isMessageText(value)).slice(0, mostPlain);
  const rest = entries.filter((entry) => !plain.some(([key]) => key === entry[0]));
  const attributes = [
    ...plain,
    ...(encoding === undefined ? [] : [[own.encoding, encoding]]),
    ...(contentType && isMessageText(contentType) ? [[own.contentType, contentType]] : []),
    ...(rest.length === 0 ? [] : [[own.rest, toPlainJson(Object.fromEntries(rest))]]),
  ];
  return { text, attributes: Object.fromEntries(attributes) };
}

/** Bytes that the message has for SNS's limit. */
export function sizeOf({ text, attributes }: Notification): number {
  const ofAttributes = Object.entries(attributes).map(
    ([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value) + "String".length,
  );
  return ofAttributes.reduce((sum, bytes) => sum + bytes, Buffer.byteLength(text));
}

/** What was published, from what SQS holds: SNS's envelope around it, or the bare message. */
export function fromQueued({ body, attributes }: QueuedMessage): Delivered {
  const envelope = findEnvelope(body);
  const given = envelope?.attributes ?? attributes;
  const entries = Object.entries(given).filter(([key]) => !Object.values<string>(own).includes(key));
  return {
    topicArn: envelope?.topicArn,
    data: decoded(envelope?.text ?? body, given[own.encoding]),
    contentType: given[own.contentType],
    metadata: Object.fromEntries([...Object.entries(readRest(given[own.rest])), ...entries]),
  };
}

function encoded(data: Uint8Array): { readonly text: string; readonly encoding?: string } {
  if (data.length === 0) return { text: nothing, encoding: "empty" };
  const text = findMessageText(data);
  return text === undefined ? { text: Buffer.from(data).toString("base64"), encoding: "base64" } : { text };
}

function decoded(text: string, encoding: string | undefined): Uint8Array {
  if (encoding === "empty") return Buffer.alloc(0);
  return Buffer.from(text, encoding === "base64" ? "base64" : "utf8");
}

const isPlainName = (name: string) => /^(?!aws\.|amazon\.|mecha\.)[\w-]+(\.[\w-]+)*$/i.test(name) && name.length <= 256;

function findEnvelope(body: string): (Notification & { readonly topicArn: string }) | undefined {
  const value = findJson(body);
  if (value?.["Type"] !== "Notification") return undefined;
  const { TopicArn: topicArn, Message: text, MessageAttributes: given } = value;
  if (typeof topicArn !== "string" || typeof text !== "string") return undefined;
  const attributes = Object.entries((given ?? {}) as Record<string, { readonly Value?: unknown }>);
  return {
    topicArn,
    text,
    attributes: Object.fromEntries(attributes.map(([key, { Value }]) => [key, String(Value ?? "")])),
  };
}

function readRest(text: string | undefined): Texts {
  const value = text === undefined ? undefined : findJson(text);
  return Object.fromEntries(Object.entries(value ?? {}).map(([key, one]) => [key, String(one)]));
}

function findJson(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
