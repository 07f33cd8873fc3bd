import { fail } from "../../specs/errors.ts";
import { errorName, translate } from "../aws/failures.ts";
import { isNoQueue, type Queues } from "../aws/queues.ts";
import type { Call } from "../contract/driver.ts";
import { managed } from "./management.ts";
import { queueName } from "./names.ts";
import type { BrokerSettings } from "./settings.ts";

/** A queue that is there. */
export interface Queue {
  readonly name: string;
  readonly url: string;
  readonly arn: string;
}

type Texts = Readonly<Record<string, string>>;

/** Finds or makes the queue of a consumer group, and the one for its dead letters. Rejects with reasons. */
export async function openQueue(group: string, queues: Queues, settings: BrokerSettings, call: Call): Promise<Queue> {
  const { fifo, sqsDeadLettersQueueName, messageReceiveLimit, assetsManagementTimeoutSeconds } = settings;
  return managed(assetsManagementTimeoutSeconds, call, async (within) => {
    try {
      const queue = await ensure(queueName(group, fifo), queues, settings, within);
      if (settings.disableEntityManagement) return queue;
      const dead =
        sqsDeadLettersQueueName === ""
          ? undefined
          : await ensure(queueName(sqsDeadLettersQueueName, fifo), queues, settings, within);
      await admitTopics(queue, dead, messageReceiveLimit, queues, within);
      return queue;
    } catch (error) {
      throw translate(error, queues.client.asked);
    }
  });
}

async function ensure(name: string, queues: Queues, settings: BrokerSettings, call: Call): Promise<Queue> {
  const url = await queues.url(name, call).catch((error: unknown) => {
    if (!isNoQueue(error)) throw error;
    if (!settings.disableEntityManagement) return make(name, queues, settings, call);
    const why = `queue ${name} does not exist in ${queues.client.region}; create it, or take disableEntityManagement out`;
    throw fail("badRequest", { why }, { cause: error });
  });
  const { QueueArn = "" } = await queues.attributes(url, ["QueueArn"], call);
  return { name, url, arn: QueueArn };
}

function make(name: string, queues: Queues, { fifo, messageVisibilityTimeout }: BrokerSettings, call: Call) {
  const attributes = {
    VisibilityTimeout: String(messageVisibilityTimeout),
    ...(fifo ? { FifoQueue: "true" } : {}),
  };
  return queues.create(name, attributes, call).catch((error: unknown) => {
    // Another sidecar was faster, and sees to the same.
    if (errorName(error) === "QueueNameExists") return queues.url(name, call);
    throw error;
  });
}

const statementId = "mecha-sns";

/** Lets the topics of the queue's account deliver to it, and says where its dead letters go. */
async function admitTopics(
  queue: Queue,
  dead: Queue | undefined,
  limit: number,
  queues: Queues,
  call: Call,
): Promise<void> {
  const { Policy, RedrivePolicy } = await queues.attributes(queue.url, ["Policy", "RedrivePolicy"], call);
  const account = queue.arn.split(":")[4] ?? "";
  const changes: Texts = {
    ...policyChange(Policy, queue.arn, account),
    ...(dead === undefined ? {} : redriveChange(RedrivePolicy, dead.arn, limit)),
  };
  if (Object.keys(changes).length > 0) await queues.setAttributes(queue.url, changes, call);
}

function policyChange(policy: string | undefined, arn: string, account: string): Texts {
  const before = policy ? (JSON.parse(policy) as { readonly Statement?: readonly { readonly Sid?: string }[] }) : {};
  const statements = before.Statement ?? [];
  if (statements.some(({ Sid }) => Sid === statementId)) return {};
  const ours = {
    Sid: statementId,
    Effect: "Allow",
    Principal: { Service: "sns.amazonaws.com" },
    Action: "sqs:SendMessage",
    Resource: arn,
    Condition: { StringEquals: { "aws:SourceAccount": account } },
  };
  return { Policy: JSON.stringify({ Version: "2012-10-17", ...before, Statement: [...statements, ours] }) };
}

function redriveChange(redrive: string | undefined, deadArn: string, limit: number): Texts {
  const wanted = { deadLetterTargetArn: deadArn, maxReceiveCount: limit };
  const before = redrive ? (JSON.parse(redrive) as typeof wanted) : undefined;
  if (before?.deadLetterTargetArn === deadArn && Number(before.maxReceiveCount) === limit) return {};
  return { RedrivePolicy: JSON.stringify(wanted) };
}
