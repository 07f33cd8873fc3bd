import { fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";
import { messageTtlMs } from "../contract/message-ttl.ts";
import type { OutgoingMessage } from "../contract/pubsub.ts";
import type { Published, StoredMessage } from "./api.ts";
import { isApiError, NoResponderError } from "./failures.ts";
import { type Link, parseAnswer } from "./link.ts";
import { writeHeaders } from "./message.ts";
import type { Streams } from "./streams.ts";
import { subjectProblem } from "./subjects.ts";

/** Publishes, so that each message is once in the stream however often it had to be sent. */
export class Publisher {
  readonly #link: Link;
  readonly #streams: Streams;
  readonly #newId: () => string;

  /** @param newId for messages that have none */
  constructor(link: Link, streams: Streams, newId: () => string) {
    this.#link = link;
    this.#streams = streams;
    this.#newId = newId;
  }

  /** Resolves when a stream has the message. Messages that are published without a pause stay in their order. */
  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    this.#check(message);
    const { topic } = message;
    const id = eventId(message) ?? this.#newId();
    await this.#streams.ensure(topic, call);
    const published = await this.#send(message, id, call).catch((error: unknown) => {
      if (!(error instanceof NoResponderError)) throw error;
      // The stream is gone, or the server has just started.
      this.#streams.forget(topic);
      return this.#streams.ensure(topic, call).then(() => this.#send(message, id, call));
    });
    // One id may stand for messages to several topics that one stream keeps, such as a topic of dead letters.
    if (published.duplicate && !(await this.#isThere(published, topic, call))) {
      await this.#send(message, `${id} ${topic}`, call);
    }
  }

  #check({ topic, metadata, data }: OutgoingMessage): void {
    messageTtlMs(metadata);
    const problem = subjectProblem(topic, { wildcards: false });
    if (problem !== undefined) throw fail("malformedRequest", { why: `topic ${JSON.stringify(topic)} ${problem}` });
    const { maxBytes } = this.#link;
    if (data.length > maxBytes) throw tooLarge(data.length, maxBytes);
  }

  async #send(message: OutgoingMessage, id: string, call: Call): Promise<Published> {
    const headers = writeHeaders(this.#link.headers(), message, id);
    try {
      return parseAnswer<Published>(await this.#link.request(message.topic, message.data, { ...call, headers }));
    } catch (error) {
      const isTooLarge = error instanceof Error && /max_payload/.test(error.message);
      throw isTooLarge ? tooLarge(message.data.length, this.#link.maxBytes) : error;
    }
  }

  /** Whether what the server took this message for has the same topic. */
  async #isThere({ stream, seq }: Published, topic: string, call: Call): Promise<boolean> {
    try {
      const answer = await this.#link.api<{ readonly message: StoredMessage }>(
        `STREAM.MSG.GET.${stream}`,
        { seq },
        call,
      );
      return answer.message.subject === topic;
    } catch (error) {
      if (isApiError(error, "noMessage")) return false;
      throw error;
    }
  }
}

const tooLarge = (bytes: number, most: number) =>
  fail("malformedRequest", {
    why: `the message has ${bytes} bytes, and with its headers more than the ${most} that the server takes: raise its max_payload, or send less`,
  });

/** The id of a CloudEvent; undefined: the message is none. */
function eventId({ contentType, data }: OutgoingMessage): string | undefined {
  if (!contentType?.startsWith("application/cloudevents+json")) return undefined;
  try {
    const { id } = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as {
      id?: unknown;
    };
    return typeof id === "string" && /^[\x21-\x7e]+$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
