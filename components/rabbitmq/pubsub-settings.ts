import { type Static, type TObject, Type } from "typebox";
import { choice, durationMs, flag, integer, text } from "../contract/settings.ts";
import { addressSettings, externalSetting, redeliverInterval, tlsSettings } from "./settings.ts";

const queueSettings = {
  durable: flag({
    default: false,
    description:
      "Exchanges and queues outlive a restart of the server. With deletedWhenUnused false nothing that was published is lost.",
  }),
  deletedWhenUnused: flag({
    default: true,
    description: "A queue goes with its last subscriber, and the messages in it too.",
  }),
  exchangeKind: choice(["fanout", "topic", "direct", "headers"], {
    default: "fanout",
    description:
      "Kind of the exchanges, one for each topic. `topic` and `direct` choose by routingKey, which publications and subscriptions give as metadata.",
  }),
  enableDeadLetter: flag({
    default: false,
    description: "What the app failed to handle goes to the queue `dlq-<queue>` by the exchange `dlx-<queue>`.",
  }),
  maxLen: Type.Optional(integer({ minimum: 1, description: "Most messages in a queue; then the oldest are dropped." })),
  maxLenBytes: Type.Optional(
    integer({ minimum: 1, description: "Most bytes in a queue; then the oldest are dropped." }),
  ),
};

const deliverySettings = {
  autoAck: flag({
    default: false,
    description: "The server forgets messages as it sends them: faster, and lost when they are not handled.",
  }),
  requeueInFailure: Type.Optional(
    flag({
      description:
        "Whether what the app failed to handle is delivered again. false: it becomes a dead letter, or is dropped. Default: true, false with enableDeadLetter.",
    }),
  ),
  redeliverInterval,
  prefetchCount: integer({
    default: 0,
    minimum: 0,
    maximum: 65_535,
    description: "Most messages with a subscription at once; 0: as many as it handles at once.",
  }),
  concurrency: choice(["parallel", "single"], {
    default: "parallel",
    description: "`single`: one message at a time.",
    aliases: ["concurrencyMode"],
  }),
  publishMessagePropertiesToMetadata: flag({
    default: false,
    description:
      "Adds messageID, correlationID, priority and the like to the metadata of events; headers are there always.",
  }),
};

const publishSettings = {
  deliveryMode: Type.Optional(
    integer({
      minimum: 0,
      maximum: 2,
      description: "2: messages in durable queues outlive a restart of the server. 0, 1: they do not. Default: 2.",
    }),
  ),
  ttlInSeconds: Type.Optional(
    durationMs({ unit: "s", description: "Time to live of messages that are published without one of their own." }),
  ),
  publisherConfirm: Type.Optional(
    flag({ description: "No effect: publishing waits for the server's confirmation always." }),
  ),
};

const serverSettings = {
  ...addressSettings,
  ...tlsSettings,
  saslExternal: externalSetting,
  clientName: text({
    default: "",
    description: "Name of the connections on the server; default: `mecha-` and the app id.",
  }),
  heartBeat: durationMs({
    default: 10_000,
    unit: "s",
    description: "How often a silent connection is tried, in whole seconds; 0: never.",
  }),
  reconnectWaitSeconds: durationMs({
    default: 3000,
    unit: "s",
    description: "Pause between attempts to connect again; the first follows at once.",
    aliases: ["reconnectWait"],
  }),
};

export const pubsubSettings = { ...serverSettings, ...queueSettings, ...deliverySettings, ...publishSettings };

export type PubsubSettings = Static<TObject<typeof pubsubSettings>>;
