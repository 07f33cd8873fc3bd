import { createHash } from "node:crypto";
import type { Call, Clock } from "../../../components/contract/driver.ts";
import type { IncomingMessage, Settle } from "../../../components/contract/pubsub.ts";
import type { Broker } from "./brokers.ts";
import type { Delivery } from "./delivery.ts";
import type { Fate } from "./settling.ts";

/** What became of messages that were redriven. */
export interface Redriven {
  /** The app has taken so many. */
  delivered: number;
  /** So many have failed again, and are parked or dead letters again. */
  failed: number;
  /** So many could not be tried now, and stay where they were. */
  held: number;
}

export function count(redriven: Redriven, fate: Fate): void {
  if (fate === "ack") redriven.delivered += 1;
  else if (fate === "retry") redriven.held += 1;
  else redriven.failed += 1;
}

/** A topic from which nothing has come for so long has nothing more. */
const idleMs = 3000;
const concurrency = 16;

/**
 * Takes the messages of another topic, such as the dead letter topic, and delivers each once to a subscription. Ends when
 * nothing more comes, or when what has failed again comes back.
 */
export async function redriveTopic(
  { broker, from, topic, delivery, clock }: DeadLetters,
  call: Call,
): Promise<Redriven> {
  const redriven: Redriven = { delivered: 0, failed: 0, held: 0 };
  const seen = new Set<string>();
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  let cancel = clock.after(idleMs, end);
  let isOver = false;
  const handler = async (message: IncomingMessage): Promise<Settle> => {
    const digest = createHash("sha1").update(message.data).digest("base64");
    if (isOver || seen.has(digest)) {
      end();
      return "retry";
    }
    seen.add(digest);
    cancel();
    const fate = await delivery.redrive({ ...message, topic: broker.topicPrefix + topic, attempt: 1 });
    count(redriven, fate);
    cancel();
    cancel = clock.after(idleMs, end);
    return fate === "retry" ? "retry" : "ack";
  };
  const options = { topic: broker.topicPrefix + from, group: broker.group, metadata: {}, concurrency };
  const subscription = await broker.opened.subscribe(options, handler, call);
  call.signal?.addEventListener("abort", end, { once: true });
  if (call.signal?.aborted) end();
  await ended;
  isOver = true;
  cancel();
  await subscription.close();
  return redriven;
}

export interface DeadLetters {
  readonly broker: Broker;
  /** Topic that holds them, as the app knows it. */
  readonly from: string;
  /** Topic of the subscription that they are delivered to. */
  readonly topic: string;
  readonly delivery: Delivery;
  readonly clock: Clock;
}
