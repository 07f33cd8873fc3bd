import type { Channel, ChannelModel } from "amqplib";
import { fail } from "../../specs/errors.ts";
import { findMismatch, type Mismatch } from "./failures.ts";
import { closeChannel, openChannel } from "./link.ts";

export interface Exchange {
  readonly name: string;
  readonly kind: string;
  readonly durable: boolean;
}

export interface Queue {
  readonly name: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly exclusive?: boolean;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

/** Which setting is behind what differs; settings of a subscription are among them. */
export type KeyOf = (argument: string) => string | undefined;

/** A mistake of the server's about a declaration closes its channel, so that each has one of its own. */
async function onOwnChannel(connection: ChannelModel, use: (channel: Channel) => Promise<unknown>): Promise<void> {
  const channel = await openChannel(connection);
  try {
    await use(channel);
  } finally {
    await closeChannel(channel);
  }
}

/**
 * Makes an exchange where it is absent. One that differs in nothing but its durability is used as it is; rejects with
 * `openFailed` where it is of another kind.
 */
export async function ensureExchange(connection: ChannelModel, { name, kind, durable }: Exchange): Promise<void> {
  try {
    await onOwnChannel(connection, (channel) => channel.assertExchange(name, kind, { durable, autoDelete: false }));
  } catch (error) {
    const mismatch = findMismatch(error);
    if (!mismatch) throw error;
    if (mismatch.argument !== "type") return;
    const { current, received } = mismatch;
    const fix = `set exchangeKind to ${current}, or use another topic`;
    throw fail(
      "openFailed",
      { why: `exchangeKind: exchange ${name} is there already, of kind ${current}, not ${received}; ${fix}` },
      { cause: error },
    );
  }
}

/** Makes a queue where it is absent. Rejects with `openFailed` that names the setting where it is there otherwise. */
export async function ensureQueue(connection: ChannelModel, queue: Queue, keyOf: KeyOf): Promise<void> {
  const { name, arguments: all, ...options } = queue;
  try {
    await onOwnChannel(connection, (channel) => channel.assertQueue(name, { ...options, arguments: all }));
  } catch (error) {
    const mismatch = findMismatch(error);
    if (!mismatch) throw error;
    throw fail("openFailed", { why: mismatchText(mismatch, keyOf) }, { cause: error });
  }
}

function mismatchText({ argument, name, received, current }: Mismatch, keyOf: KeyOf): string {
  const key = keyOf(argument);
  const what = `queue ${name} is there already with ${argument} ${current}, not ${received}`;
  return `${key ?? argument}: ${what}; set ${key ?? "it"} as the queue has it, delete the queue, or choose another queueName`;
}

export async function bindQueue(
  connection: ChannelModel,
  queue: string,
  exchange: string,
  routingKeys: readonly string[],
): Promise<void> {
  await onOwnChannel(connection, async (channel) => {
    for (const key of routingKeys) await channel.bindQueue(queue, exchange, key);
  });
}

/** Makes a queue unless there is one of that name, however it is. */
export async function ensureSomeQueue(connection: ChannelModel, queue: Queue): Promise<void> {
  const { name, arguments: all, ...options } = queue;
  try {
    await onOwnChannel(connection, (channel) => channel.assertQueue(name, { ...options, arguments: all }));
  } catch (error) {
    if (!findMismatch(error)) throw error;
  }
}
