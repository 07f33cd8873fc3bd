import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { openClient } from "../aws/client.ts";
import { findMessageText, isMessageText } from "../aws/message-text.ts";
import { awsSettings } from "../aws/settings.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import { requiredText } from "../contract/settings.ts";

/** What SNS takes in one message. */
const maxBytes = 256 * 1024;

const gone = "topicArn: there is no such topic; create it, or correct topicArn or region";
const fixes = {
  NotFound: gone,
  NotFoundException: gone,
  InvalidParameter: "topicArn: SNS does not take it, or the metadata lacks messageGroupId for a FIFO topic",
  InvalidParameterException: "topicArn: SNS does not take it, or the metadata lacks messageGroupId for a FIFO topic",
};

export default defineBinding({
  type: "bindings.aws.sns",
  status: "beta",
  summary: "Publishes to a topic of SNS. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    topicArn: requiredText({
      description: "ARN of the topic. It must exist.",
      example: "arn:aws:sns:eu-west-1:123456789012:orders",
    }),
  }),
  capabilities: ["output"],
  async open({ topicArn, ...settings }, context) {
    if (!/^arn:[^:]+:sns:[^:]*:\d*:[^:]+$/.test(topicArn)) {
      const why = "topicArn: must be the ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:orders";
      throw fail("openFailed", { why });
    }
    const { PublishCommand, SNSClient } = await import("@aws-sdk/client-sns");
    const client = await openClient((options) => new SNSClient(options), { service: "SNS" }, settings, context);
    return {
      operations: ["create"],
      async invoke(request, call) {
        const command = new PublishCommand({ TopicArn: topicArn, ...toPublish(request) });
        const answer = await client.run((sns, options) => sns.send(command, options), call, fixes);
        return { metadata: { messageId: answer.MessageId ?? "" } } satisfies BindingAnswer;
      },
      close: () => client.close(),
    };
  },
});

/** `{"message": ..., "subject": ...}`, or any other text as the message itself. */
function toPublish({ operation, data, metadata }: BindingRequest) {
  if (operation !== "create") throw fail("unimplemented", { what: `operation ${operation} (only create)` });
  const text = findMessageText(data);
  if (text === undefined) throw fail("badRequest", { why: "SNS takes text that is not empty; send bytes as base64" });
  const { message, subject } = findPayload(text) ?? { message: text, subject: undefined };
  if (!isMessageText(message))
    throw fail("badRequest", { why: "the message is empty, or has characters that SNS does not take" });
  if (Buffer.byteLength(message) > maxBytes) {
    throw fail("badRequest", {
      why: `the message has ${Buffer.byteLength(message)} bytes; SNS takes at most ${maxBytes}`,
    });
  }
  const { messageGroupId, messageDeduplicationId } = metadata;
  return {
    Message: message,
    ...(subject ? { Subject: subject } : {}),
    ...(messageGroupId ? { MessageGroupId: messageGroupId } : {}),
    ...(messageDeduplicationId ? { MessageDeduplicationId: messageDeduplicationId } : {}),
  };
}

function findPayload(text: string): { readonly message: string; readonly subject: string | undefined } | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { message, subject } = JSON.parse(text) as { readonly message?: unknown; readonly subject?: unknown };
    if (message === undefined) return undefined;
    return { message: toText(message), subject: subject === undefined ? undefined : toText(subject) };
  } catch {
    return undefined;
  }
}

const toText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
