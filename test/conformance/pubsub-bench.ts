import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import type {
  IncomingMessage,
  MessageHandler,
  OutgoingMessage,
  Settle,
  SubscribeOptions,
} from "../../components/contract/pubsub.ts";
import { type Bench, bytes, toText } from "./target.ts";

export type OpenPubsub = () => Promise<Bench<OpenedByKind["pubsub"]>>;

export const toTopic = (topic: string, text: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  topic,
  data: bytes(text),
  metadata: {},
  ...more,
});

export const options = (topic: string, more: Partial<SubscribeOptions> = {}): SubscribeOptions => ({
  topic,
  group: "group",
  metadata: {},
  concurrency: 10,
  ...more,
});

/** A handler that keeps what it was given. */
export function keeper(settle: (message: IncomingMessage) => Settle | Promise<Settle> = () => "ack") {
  const messages: IncomingMessage[] = [];
  const handler: MessageHandler = async (message) => {
    messages.push(message);
    return settle(message);
  };
  return { messages, handler, texts: () => messages.map(({ data }) => toText(data)) };
}
