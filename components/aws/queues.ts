import type { BatchResultErrorEntry, Message, QueueAttributeName, SQSClient } from "@aws-sdk/client-sqs";
import type { Call, OpenContext } from "../contract/driver.ts";
import { Batches, type Failures } from "./batches.ts";
import { type Client, openClient } from "./client.ts";
import { errorName, type Fixes } from "./failures.ts";
import type { AwsSettings } from "./settings.ts";

type Library = typeof import("@aws-sdk/client-sqs");
type Texts = Readonly<Record<string, string>>;

/** Entries that one request takes. */
const batchLimit = 10;

/** A message as it comes from a queue. */
export interface QueuedMessage {
  /** The same on every delivery. */
  readonly id: string;
  /** Names this delivery. */
  readonly receipt: string;
  readonly body: string;
  readonly attributes: Texts;
  /** 1 on first delivery. */
  readonly attempt: number;
  /** Of a FIFO queue: messages of one group come one after another. */
  readonly group?: string;
}

export interface OutgoingQueued {
  readonly body: string;
  readonly attributes?: Texts;
  readonly delaySeconds?: number;
  readonly groupId?: string;
  readonly deduplicationId?: string;
}

export interface ReceiveOptions {
  readonly most: number;
  readonly waitSeconds: number;
  readonly visibilitySeconds: number;
}

/** The service has no such queue. */
export const isNoQueue = (error: unknown): boolean =>
  errorName(error) === "QueueDoesNotExist" || errorName(error) === "AWS.SimpleQueueService.NonExistentQueue";

/** One component's way to SQS. */
export class Queues {
  readonly client: Client<SQSClient>;
  readonly #library: Library;

  constructor(client: Client<SQSClient>, library: Library) {
    this.client = client;
    this.#library = library;
  }

  /** Rejects with `openFailed`. */
  static async open(settings: AwsSettings, context: OpenContext): Promise<Queues> {
    const library = await import("@aws-sdk/client-sqs");
    const opening = { service: "SQS" };
    const client = await openClient((options) => new library.SQSClient(options), opening, settings, context);
    return new Queues(client, library);
  }

  /** URL of a queue. Rejects with what the library says, `isNoQueue` among it. */
  async url(name: string, call: Call): Promise<string> {
    const command = new this.#library.GetQueueUrlCommand({ QueueName: name });
    return (await this.client.ask((sqs, options) => sqs.send(command, options), call)).QueueUrl ?? "";
  }

  /** Makes a queue, or finds the one that is there; rejects with what the library says. */
  async create(name: string, attributes: Texts, call: Call): Promise<string> {
    const command = new this.#library.CreateQueueCommand({ QueueName: name, Attributes: { ...attributes } });
    return (await this.client.ask((sqs, options) => sqs.send(command, options), call)).QueueUrl ?? "";
  }

  /** Rejects with what the library says. */
  async attributes(url: string, names: readonly QueueAttributeName[], call: Call): Promise<Texts> {
    const command = new this.#library.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] });
    return (await this.client.ask((sqs, options) => sqs.send(command, options), call)).Attributes ?? {};
  }

  /** Rejects with what the library says. */
  async setAttributes(url: string, attributes: Texts, call: Call): Promise<void> {
    const command = new this.#library.SetQueueAttributesCommand({ QueueUrl: url, Attributes: { ...attributes } });
    await this.client.ask((sqs, options) => sqs.send(command, options), call);
  }

  /** Rejects with reasons. */
  async send(url: string, message: OutgoingQueued, call: Call, fixes?: Fixes): Promise<string> {
    const { body, attributes = {}, delaySeconds, groupId, deduplicationId } = message;
    const command = new this.#library.SendMessageCommand({
      QueueUrl: url,
      MessageBody: body,
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, { DataType: "String", StringValue: value }]),
      ),
      ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
      ...(groupId === undefined ? {} : { MessageGroupId: groupId }),
      ...(deduplicationId === undefined ? {} : { MessageDeduplicationId: deduplicationId }),
    });
    return (await this.client.run((sqs, options) => sqs.send(command, options), call, fixes)).MessageId ?? "";
  }

  /** Rejects with what the library says. */
  async receive(url: string, { most, waitSeconds, visibilitySeconds }: ReceiveOptions, call: Call) {
    const command = new this.#library.ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: most,
      WaitTimeSeconds: waitSeconds,
      VisibilityTimeout: visibilitySeconds,
      MessageAttributeNames: ["All"],
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
    });
    const { Messages = [] } = await this.client.ask((sqs, options) => sqs.send(command, options), call);
    return Messages.map(toQueued);
  }

  /** Deletes deliveries of one queue, by their receipts. */
  deletions(url: string, call: Call): Batches<string> {
    return new Batches<string>(batchLimit, async (receipts) => {
      const command = new this.#library.DeleteMessageBatchCommand({
        QueueUrl: url,
        Entries: receipts.map((receipt, at) => ({ Id: String(at), ReceiptHandle: receipt })),
      });
      return toFailures((await this.client.ask((sqs, options) => sqs.send(command, options), call)).Failed);
    });
  }

  /** Hides deliveries of one queue for so many seconds from now. */
  hidings(url: string, call: Call): Batches<{ readonly receipt: string; readonly seconds: number }> {
    return new Batches(batchLimit, async (entries) => {
      const command = new this.#library.ChangeMessageVisibilityBatchCommand({
        QueueUrl: url,
        Entries: entries.map(({ receipt, seconds }, at) => ({
          Id: String(at),
          ReceiptHandle: receipt,
          VisibilityTimeout: seconds,
        })),
      });
      return toFailures((await this.client.ask((sqs, options) => sqs.send(command, options), call)).Failed);
    });
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

function toQueued({
  MessageId = "",
  ReceiptHandle = "",
  Body = "",
  Attributes,
  MessageAttributes,
}: Message): QueuedMessage {
  const attributes = Object.entries(MessageAttributes ?? {}).map(([key, { StringValue, BinaryValue }]) => [
    key,
    StringValue ?? Buffer.from(BinaryValue ?? []).toString("base64"),
  ]);
  return {
    id: MessageId,
    receipt: ReceiptHandle,
    body: Body,
    attributes: Object.fromEntries(attributes),
    attempt: Number(Attributes?.ApproximateReceiveCount ?? 1),
    ...(Attributes?.MessageGroupId === undefined ? {} : { group: Attributes.MessageGroupId }),
  };
}

function toFailures(failed: readonly BatchResultErrorEntry[] = []): Failures {
  return new Map(
    failed.map(({ Id, Code = "", Message: text = "" }) => {
      const error = new Error(text);
      error.name = Code;
      return [Number(Id), error];
    }),
  );
}
