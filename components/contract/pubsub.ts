import { type TObject, Type } from "typebox";
import type { All, Call, Definition, Open, Opened, Subscription } from "./driver.ts";
import { text } from "./settings.ts";

export interface OutgoingMessage {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType?: string | undefined;
  /** Request metadata as the caller gave it (`partitionKey`, `ttlInSeconds`, ...). */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface IncomingMessage {
  /** Unique per subscription; the same on every redelivery. */
  readonly id: string;
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The publisher's `partitionKey`, where the driver does not give it in the metadata. */
  readonly key?: string | undefined;
  /** 1 on first delivery, one more on each redelivery, as far as the backend counts. */
  readonly attempt: number;
}

/** `ack`: done, never again. `retry`: deliver again, after the driver's own delay. */
export type Settle = "ack" | "retry";

/** Never rejects for an app's failure; a rejection counts as `retry`. */
export type MessageHandler = (message: IncomingMessage) => Promise<Settle>;

/** `none`: messages may overtake each other; `key`: those of one partition key may not; `topic`: none may. */
export type Order = "none" | "key" | "topic";

export interface SubscribeOptions {
  readonly topic: string;
  /** Members of one group share the messages of a topic; each group gets all of them. */
  readonly group: string;
  /** Subscription metadata as declared. */
  readonly metadata: Readonly<Record<string, string>>;
  /** At most so many messages in the handler at once; they enter it in the broker's order. */
  readonly concurrency: number;
  /** Absent: `none`. Others need the capability `ordering`. */
  readonly order?: Order | undefined;
}

/** A broker. `publish` resolves when the broker has taken the message. */
export interface Pubsub extends Opened {
  publish(message: OutgoingMessage, call: Call): Promise<void>;
  /** Resolves when the subscription stands: messages published afterwards arrive. Closing it holds unsettled messages, it never refuses them. */
  subscribe(options: SubscribeOptions, handler: MessageHandler, call: Call): Promise<Subscription>;
}

export interface FailedMessage {
  readonly index: number;
  readonly cause: unknown;
}

export interface PubsubCapabilities {
  /** Several messages in one round trip; answers those that were not taken. */
  bulkPublish: { publishMany(messages: readonly OutgoingMessage[], call: Call): Promise<readonly FailedMessage[]> };
  /** Messages whose ttlInSeconds has passed are not delivered. */
  ttl: object;
  /** Topics of a subscription may hold wildcards. */
  wildcards: object;
  /**
   * `order` is kept across all members of a group: as long as a message is unsettled with one member, no other member
   * gets a later one of the same key (of the topic). One that is not acknowledged comes again before later ones. Within
   * one member the sidecar keeps the order: the driver hands over up to `concurrency` messages in their order.
   */
  ordering: object;
  /** Messages survive a restart of broker and sidecar; unsettled ones are delivered again. */
  durable: object;
}
export type PubsubCapability = keyof PubsubCapabilities;

/** Metadata keys of every pubsub component that the sidecar itself reads. */
export const pubsubRuntimeSettings = Type.Object({
  consumerID: Type.Optional(text({ description: "Consumer group; default: the app id." })),
  deliveryStore: Type.Optional(
    text({
      description:
        "State store that keeps delayed and parked messages and remembers handled ones; default: a SQLite file of the sidecar.",
    }),
  ),
  publishingScopes: text({ default: "", description: "Topics an app may publish to: `app1=t1,t2;app2=`." }),
  subscriptionScopes: text({ default: "", description: "Topics an app may subscribe to, in the same form." }),
  protectedTopics: text({ default: "", description: "Topics that need an explicit scope." }),
  allowedTopics: text({ default: "", description: "The only topics that may be used; empty: all." }),
});

export interface PubsubDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "pubsub";
  readonly capabilities: readonly PubsubCapability[];
  readonly open: Open<M, Pubsub & Partial<All<PubsubCapabilities, PubsubCapability>>>;
}

/** Defines a pubsub driver. */
export function definePubsub<M extends TObject, const C extends PubsubCapability>(
  driver: Definition<M> & {
    readonly capabilities: readonly C[];
    readonly open: Open<M, Pubsub & All<PubsubCapabilities, C>>;
  },
): PubsubDriver<M> {
  return { kind: "pubsub", ...driver } as unknown as PubsubDriver<M>;
}
