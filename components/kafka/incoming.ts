import type { IncomingMessage } from "../contract/pubsub.ts";
import type { Entry } from "./backlog.ts";
import type { HeaderRules } from "./headers.ts";

/** Turns the value of a record into the data of a message. */
export type Decode = (value: Buffer) => Buffer | Promise<Buffer>;

/** Makes messages of records. */
export class Incoming {
  readonly #topic: string;
  readonly #rules: HeaderRules;
  readonly #decode: Decode | undefined;

  /** @param decode absent: the data is the value as it is */
  constructor(topic: string, rules: HeaderRules, decode?: Decode) {
    this.#topic = topic;
    this.#rules = rules;
    this.#decode = decode;
  }

  /** The time to live that the publisher gave has passed. */
  hasEnded({ headers }: Entry, now: number): boolean {
    const end = this.#rules.expiry(headers);
    return end !== undefined && end <= now;
  }

  toMessage(partition: number, entry: Entry): IncomingMessage | Promise<IncomingMessage> {
    const value = entry.value ?? Buffer.alloc(0);
    const data = this.#decode === undefined ? value : this.#decode(value);
    return data instanceof Promise
      ? data.then((decoded) => this.#message(partition, entry, decoded))
      : this.#message(partition, entry, data);
  }

  #message(partition: number, { offset, key, headers, timestamp, attempt }: Entry, data: Buffer): IncomingMessage {
    const metadata: Record<string, string> = {
      ...this.#rules.toMetadata(headers),
      __topic: this.#topic,
      __partition: String(partition),
      __offset: String(offset),
      __timestamp: String(timestamp),
    };
    const text = key?.toString();
    if (text !== undefined) metadata["__key"] = text;
    return { id: `${this.#topic}/${partition}/${offset}`, topic: this.#topic, data, metadata, key: text, attempt };
  }
}
