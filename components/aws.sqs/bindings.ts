import { type Static, Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { errorName, isDenied, openFailure } from "../aws/failures.ts";
import { findMessageText } from "../aws/message-text.ts";
import { type HeldMessage, QueueReader } from "../aws/queue-reader.ts";
import { isNoQueue, Queues } from "../aws/queues.ts";
import { awsSettings } from "../aws/settings.ts";
import { type BindingAnswer, type BindingHandler, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import { requiredText } from "../contract/settings.ts";

const metadata = Type.Object({
  ...awsSettings,
  queueName: requiredText({ description: "Name of the queue. It must exist.", example: "orders" }),
});
type Settings = Static<typeof metadata>;

/** What SQS takes in one message. */
const maxBytes = 1024 * 1024;
/** Messages with the app at once. */
const concurrency = 10;
const waitSeconds = 1;
/** What a queue has unless it says otherwise. */
const usualVisibilitySeconds = 30;

export default defineBinding({
  type: "bindings.aws.sqs",
  status: "beta",
  summary:
    "Sends messages to a queue of SQS, and takes them from it; one that the app fails to handle comes again after the queue's visibility timeout. Tested against a double of AWS only.",
  metadata,
  capabilities: ["input", "output"],
  async open(settings, context) {
    const queues = await Queues.open(settings, context);
    try {
      const queue = await openQueue(queues, settings, context);
      const readers = new Set<Subscription>();
      return {
        operations: ["create"],
        invoke: (request, call) => send(queues, queue.url, request, call),
        async read(handler) {
          const reader = readQueue(queues, { ...queue, name: settings.queueName }, handler, context);
          readers.add(reader);
          return reader;
        },
        async close() {
          await Promise.all([...readers].map((reader) => reader.close()));
          await queues.close();
        },
      };
    } catch (error) {
      await queues.close();
      throw error;
    }
  },
});

interface Queue {
  readonly url: string;
  readonly visibilitySeconds: number;
}

async function openQueue(queues: Queues, { queueName }: Settings, { log, signal }: OpenContext): Promise<Queue> {
  try {
    const url = await queues.url(queueName, { signal });
    const { VisibilityTimeout } = await queues
      .attributes(url, ["VisibilityTimeout"], { signal })
      .catch((error: unknown) => {
        if (!isDenied(error)) throw error;
        log.warn("the queue's visibility timeout is taken for 30 s: the policy lacks sqs:GetQueueAttributes", {
          queue: queueName,
        });
        return { VisibilityTimeout: undefined };
      });
    // At 0 the queue hides nothing, and every message would come twice.
    return { url, visibilitySeconds: Number(VisibilityTimeout) || usualVisibilitySeconds };
  } catch (error) {
    const missing = `queueName: there is no queue ${queueName} in ${queues.client.region}; create it, or correct queueName or region`;
    throw openFailure(error, queues.client.asked, isNoQueue(error) ? { [errorName(error)]: missing } : {});
  }
}

async function send(
  queues: Queues,
  url: string,
  request: BindingRequest,
  call: Call,
): Promise<BindingAnswer | undefined> {
  const { operation, data, metadata: given } = request;
  if (operation !== "create") throw fail("unimplemented", { what: `operation ${operation} (only create)` });
  const body = findMessageText(data);
  if (body === undefined) {
    throw fail("badRequest", { why: "SQS takes text that is not empty; send bytes as base64" });
  }
  if (data.length > maxBytes) {
    throw fail("badRequest", { why: `the message has ${data.length} bytes; SQS takes at most ${maxBytes}` });
  }
  const { messageGroupId, messageDeduplicationId, delaySeconds } = given;
  const messageId = await queues.send(
    url,
    {
      body,
      ...(messageGroupId ? { groupId: messageGroupId } : {}),
      ...(messageDeduplicationId ? { deduplicationId: messageDeduplicationId } : {}),
      ...(delaySeconds ? { delaySeconds: readDelay(delaySeconds) } : {}),
    },
    call,
    {
      MissingParameter: "messageGroupId: a FIFO queue needs it in the metadata of every request",
      InvalidParameterValue: "messageDeduplicationId: the queue does not make ids itself, so requests must give them",
    },
  );
  return { metadata: { messageId } };
}

function readDelay(written: string): number {
  const seconds = Number(written);
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= 900) return seconds;
  throw fail("requestMetadataInvalid", {
    key: "delaySeconds",
    why: `must be a whole number from 0 to 900, got ${JSON.stringify(written)}`,
  });
}

function readQueue(
  queues: Queues,
  { url, name, visibilitySeconds }: Queue & { readonly name: string },
  handler: BindingHandler,
  context: OpenContext,
): Subscription {
  const active = new Set<Promise<void>>();
  const handle = async (message: HeldMessage) => {
    try {
      await handler({
        data: Buffer.from(message.body),
        metadata: { ...message.attributes, messageId: message.id },
      });
    } catch {
      return message.again(visibilitySeconds);
    }
    return message.done();
  };
  const reader = new QueueReader(
    queues,
    {
      url,
      name,
      most: concurrency,
      waitSeconds,
      visibilitySeconds,
      room: () => concurrency - active.size,
      take(messages) {
        for (const message of messages) {
          const work = handle(message).finally(() => {
            active.delete(work);
            reader.wake();
          });
          active.add(work);
        }
      },
    },
    context,
  );
  let closed: Promise<void> | undefined;
  const close = async () => {
    await reader.close();
    await Promise.allSettled([...active]);
    reader.end();
  };
  return {
    close() {
      closed ??= close();
      return closed;
    },
  };
}
