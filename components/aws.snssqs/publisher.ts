import { randomUUID } from "node:crypto";
import type { PublishBatchRequestEntry } from "@aws-sdk/client-sns";
import { fail } from "../../specs/errors.ts";
import { errorName, translate } from "../aws/failures.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { FailedMessage, OutgoingMessage } from "../contract/pubsub.ts";
import { sizeOf, toNotification } from "./message.ts";
import { groupName } from "./names.ts";
import type { BrokerSettings } from "./settings.ts";
import type { Topics } from "./topics.ts";

/** What SNS takes in one request, of a message or of a batch. */
const maxBytes = 256 * 1024;
const maxEntries = 10;

/** A message ready for SNS. */
interface Prepared {
  readonly index: number;
  readonly bytes: number;
  readonly input: Omit<PublishBatchRequestEntry, "Id">;
}

/** Publishes to the topics of one component. */
export class Publisher {
  readonly #topics: Topics;
  readonly #settings: BrokerSettings;
  /** Messages without a key come in the order in which this sidecar sends them. */
  readonly #producer: string;

  constructor(topics: Topics, settings: BrokerSettings, { appId }: OpenContext) {
    this.#topics = topics;
    this.#settings = settings;
    this.#producer = `${appId}-${randomUUID()}`;
  }

  async publish(message: OutgoingMessage, call: Call): Promise<void> {
    const { input } = this.#prepare(message, 0);
    const { client, library } = this.#topics;
    await this.#toTopic(message.topic, call, async (arn) => {
      const command = new library.PublishCommand({ TopicArn: arn, ...input });
      await client.ask((sns, options) => sns.send(command, options), call);
    });
  }

  /** Batches of one topic go one after another, which keeps their order. */
  async publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> {
    const failed: FailedMessage[] = [];
    const byTopic = new Map<string, Prepared[]>();
    for (const [index, message] of messages.entries()) {
      try {
        const prepared = this.#prepare(message, index);
        byTopic.set(message.topic, [...(byTopic.get(message.topic) ?? []), prepared]);
      } catch (cause) {
        failed.push({ index, cause });
      }
    }
    const topics = [...byTopic].map(async ([topic, all]) => {
      for (const batch of batchesOf(all)) failed.push(...(await this.#publishBatch(topic, batch, call)));
    });
    await Promise.all(topics);
    return failed.sort((left, right) => left.index - right.index);
  }

  async #publishBatch(topic: string, batch: readonly Prepared[], call: Call): Promise<readonly FailedMessage[]> {
    const { client, library } = this.#topics;
    try {
      const entries = batch.map(({ index, input }) => ({ Id: String(index), ...input }));
      return await this.#toTopic(topic, call, async (arn) => {
        const command = new library.PublishBatchCommand({ TopicArn: arn, PublishBatchRequestEntries: entries });
        const { Failed = [] } = await client.ask((sns, options) => sns.send(command, options), call);
        return Failed.map(({ Id, Code = "", Message = "" }) => ({
          index: Number(Id),
          cause: new Error(`${Code}: ${Message}`),
        }));
      });
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      return batch.map(({ index }) => ({ index, cause }));
    }
  }

  /** A topic that has gone is made again, where it may be. */
  async #toTopic<T>(topic: string, call: Call, send: (arn: string) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const arn = await this.#topics.require(topic, call);
      try {
        return await send(arn);
      } catch (error) {
        if (call.signal?.aborted) throw call.signal.reason;
        const isGone = errorName(error).startsWith("NotFound");
        if (isGone) this.#topics.forget(topic);
        if (isGone && attempt === 1 && !this.#settings.disableEntityManagement) continue;
        const missing = `topic ${arn} does not exist; create it, or take disableEntityManagement out`;
        throw translate(error, this.#topics.client.asked, { NotFoundException: missing, NotFound: missing });
      }
    }
  }

  #prepare(message: OutgoingMessage, index: number): Prepared {
    const notification = toNotification(message);
    const bytes = sizeOf(notification);
    if (bytes > maxBytes) {
      throw fail("badRequest", {
        why: `the message has ${bytes} bytes with its metadata; SNS takes at most ${maxBytes}, of which bytes that are no text count a third more`,
      });
    }
    const attributes = Object.entries(notification.attributes).map(
      ([key, value]) => [key, { DataType: "String", StringValue: value }] as const,
    );
    return {
      index,
      bytes,
      input: {
        Message: notification.text,
        ...(attributes.length > 0 ? { MessageAttributes: Object.fromEntries(attributes) } : {}),
        ...(this.#settings.fifo
          ? { MessageGroupId: this.#groupOf(message), MessageDeduplicationId: randomUUID() }
          : {}),
      },
    };
  }

  #groupOf({ topic, metadata }: OutgoingMessage): string {
    const key = metadata["partitionKey"];
    return this.#settings.fifoMessageGroupID || (key ? groupName(topic, key) : groupName(topic, this.#producer));
  }
}

/** As many messages in one request as SNS takes. */
function batchesOf(all: readonly Prepared[]): readonly (readonly Prepared[])[] {
  const batches: Prepared[][] = [];
  let room = 0;
  for (const one of all) {
    const last = batches.at(-1);
    if (!last || last.length === maxEntries || one.bytes > room) {
      batches.push([one]);
      room = maxBytes - one.bytes;
    } else {
      last.push(one);
      room -= one.bytes;
    }
  }
  return batches;
}
