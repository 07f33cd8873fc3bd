import type { ChannelModel } from "amqplib";
import { fail } from "../../specs/errors.ts";
import type { SubscribeOptions } from "../contract/pubsub.ts";
import { bindQueue, ensureExchange, ensureQueue, ensureSomeQueue, type KeyOf, type Queue } from "./topology.ts";

/** Settings of the component that a subscription follows. */
export interface QueueSettings {
  readonly durable: boolean;
  readonly deletedWhenUnused: boolean;
  readonly enableDeadLetter: boolean;
  readonly exchangeKind: string;
  readonly maxLen?: number;
  readonly maxLenBytes?: number;
}

export interface SubscriptionPlan {
  readonly exchange: string;
  readonly queue: Queue;
  readonly routingKeys: readonly string[];
  /** Name of the exchange and queue for dead letters, less `dlx-` and `dlq-`; undefined: none. */
  readonly deadLetters: string | undefined;
  /** The server lets one consumer at a time have messages. */
  readonly isAlone: boolean;
}

/** Settings behind what a queue is declared with. */
const keys: Readonly<Record<string, string>> = {
  durable: "durable",
  auto_delete: "deletedWhenUnused",
  "x-queue-type": "queueType",
  "x-max-priority": "maxPriority",
  "x-max-length": "maxLen",
  "x-max-length-bytes": "maxLenBytes",
  "x-dead-letter-exchange": "enableDeadLetter",
  "x-single-active-consumer": "order, singleActiveConsumer",
};
const keyOf: KeyOf = (argument) => keys[argument];

const longest = 255;

/** Reads what a subscription asks for. Throws `requestMetadataInvalid`. */
export function planSubscription(
  { topic, group, metadata, order = "none" }: SubscribeOptions,
  settings: QueueSettings,
): SubscriptionPlan {
  const given = new Map(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value]));
  const find = (key: string) => given.get(key.toLowerCase()) || undefined;
  const name = find("queueName") ?? `${group}-${topic}`;
  if (Buffer.byteLength(name) > longest) {
    throw wrong("queueName", `the queue would be ${name}, longer than ${longest} bytes; give it a shorter name`);
  }
  const type = (find("queueType") ?? "classic").toLowerCase();
  if (type !== "classic" && type !== "quorum")
    throw wrong("queueType", `must be classic or quorum, got ${JSON.stringify(type)}`);
  const maxPriority = readCount("maxPriority", find("maxPriority"), 255);
  const isAlone = order !== "none" || readFlag("singleActiveConsumer", find("singleActiveConsumer"));
  if (type === "quorum") checkQuorum(settings, maxPriority);
  if (order !== "none" && maxPriority !== undefined) {
    throw wrong(
      "maxPriority",
      `messages of a higher priority overtake others, which order ${order} forbids; take one of them out`,
    );
  }
  return {
    exchange: topic,
    routingKeys: (find("routingKey") ?? "").split(",").map((key) => key.trim()),
    deadLetters: settings.enableDeadLetter ? name : undefined,
    isAlone,
    queue: {
      name,
      durable: settings.durable,
      autoDelete: settings.deletedWhenUnused,
      arguments: {
        ...limits(
          readCount("maxLen", find("maxLen")) ?? settings.maxLen,
          readCount("maxLenBytes", find("maxLenBytes")) ?? settings.maxLenBytes,
        ),
        ...(type === "quorum" ? { "x-queue-type": type } : {}),
        ...(maxPriority === undefined ? {} : { "x-max-priority": maxPriority }),
        ...(isAlone ? { "x-single-active-consumer": true } : {}),
        ...(settings.enableDeadLetter ? { "x-dead-letter-exchange": `dlx-${name}` } : {}),
      },
    },
  };
}

const limits = (maxLen: number | undefined, maxLenBytes: number | undefined) => ({
  ...(maxLen === undefined ? {} : { "x-max-length": maxLen }),
  ...(maxLenBytes === undefined ? {} : { "x-max-length-bytes": maxLenBytes }),
});

function checkQuorum({ durable, deletedWhenUnused }: QueueSettings, maxPriority: number | undefined): void {
  if (!durable) throw wrong("queueType", "a quorum queue is always durable; set durable of the component to true");
  if (deletedWhenUnused) {
    throw wrong("queueType", "a quorum queue outlives its consumers; set deletedWhenUnused of the component to false");
  }
  if (maxPriority !== undefined)
    throw wrong("maxPriority", "a quorum queue has no priorities; take it out, or queueType");
}

function readCount(key: string, text: string | undefined, most = Number.MAX_SAFE_INTEGER): number | undefined {
  if (text === undefined) return undefined;
  const count = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= most) return count;
  throw wrong(key, `must be a whole number from 1 to ${most}, got ${JSON.stringify(text)}`);
}

function readFlag(key: string, text: string | undefined): boolean {
  if (text === undefined || /^(0|f|false)$/i.test(text)) return false;
  if (/^(1|t|true)$/i.test(text)) return true;
  throw wrong(key, `must be true or false, got ${JSON.stringify(text)}`);
}

const wrong = (key: string, why: string) => fail("requestMetadataInvalid", { key, why });

/** Makes exchange, queue and bindings where they are absent. Rejects with `openFailed`, or with the library's error. */
export async function ensureSubscription(
  connection: ChannelModel,
  { exchange, queue, routingKeys, deadLetters }: SubscriptionPlan,
  { exchangeKind, durable, ...settings }: QueueSettings,
): Promise<void> {
  await ensureExchange(connection, { name: exchange, kind: exchangeKind, durable });
  if (deadLetters !== undefined) {
    const dead = { name: `dlq-${deadLetters}`, durable, autoDelete: false };
    await ensureExchange(connection, { name: `dlx-${deadLetters}`, kind: "fanout", durable });
    const { maxLen, maxLenBytes } = settings;
    // Letters wait on disk for somebody to look at them.
    await ensureSomeQueue(connection, {
      ...dead,
      arguments: { "x-queue-mode": "lazy", ...limits(maxLen, maxLenBytes) },
    });
    await bindQueue(connection, dead.name, `dlx-${deadLetters}`, [""]);
  }
  await ensureQueue(connection, queue, keyOf);
  await bindQueue(connection, queue.name, exchange, routingKeys);
}
