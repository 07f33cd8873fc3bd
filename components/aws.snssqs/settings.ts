import type { Static, TObject } from "typebox";
import { awsSettings } from "../aws/settings.ts";
import { choice, durationMs, flag, integer, text } from "../contract/settings.ts";

export const brokerSettings = {
  ...awsSettings,
  fifo: flag({
    default: false,
    description:
      "Topics and queues keep the order of messages and take each once; `.fifo` ends their names. The order is that of the partition keys, and of each sidecar's messages without one. A message that waits for a retry holds up those behind it.",
  }),
  fifoMessageGroupID: text({
    default: "",
    description:
      "With fifo: all messages are one message group of this name, so that one order holds for a whole topic. Partition keys then order nothing.",
  }),
  messageVisibilityTimeout: integer({
    default: 10,
    minimum: 1,
    maximum: 43_200,
    description:
      "Seconds after which a message that its subscriber failed to handle comes again, and one of a subscriber that has vanished. While a message is being handled it stays hidden, however long that takes.",
  }),
  messageWaitTimeSeconds: integer({
    default: 1,
    minimum: 0,
    maximum: 20,
    description:
      "Seconds for which a request for messages waits for some; 0: it does not, and is made four times a second.",
  }),
  messageMaxNumber: integer({
    default: 10,
    minimum: 1,
    maximum: 10,
    description: "Messages for which one request asks.",
  }),
  messageReceiveLimit: integer({
    default: 10,
    minimum: 1,
    maximum: 1000,
    description:
      "A message that has failed so many times is moved to the queue of sqsDeadLettersQueueName; without one it is deleted.",
  }),
  messageRetryLimit: integer({
    default: 10,
    minimum: 0,
    description:
      "A message that has failed after so many retries is deleted; without effect with sqsDeadLettersQueueName.",
  }),
  disableDeleteOnRetryLimit: flag({
    default: false,
    description: "No message is deleted because it failed too often.",
  }),
  sqsDeadLettersQueueName: text({
    default: "",
    description: "Queue for messages that failed messageReceiveLimit times; made when it is absent.",
  }),
  disableEntityManagement: flag({
    default: false,
    description:
      "Makes no topics, queues and subscriptions: they are there. Their names say the same as those made here.",
  }),
  assetsManagementTimeoutSeconds: durationMs({
    default: 5000,
    unit: "s",
    description: "Longest time for making or finding a topic, a queue or a subscription.",
  }),
  concurrencyMode: choice(["parallel", "single"], {
    default: "parallel",
    description: "`single` hands over one message at a time, whatever a subscription says.",
  }),
};

export type BrokerSettings = Static<TObject<typeof brokerSettings>>;
