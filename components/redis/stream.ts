import type { Call } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import { replyCode } from "./failures.ts";
import type { Connection } from "./link.ts";
import { runScript, type Script } from "./script.ts";
import {
  forgetScript,
  giveBackScript,
  reclaimScript,
  recoverScript,
  redeliverScript,
  renewScript,
} from "./stream-scripts.ts";

/** A delivered entry of a stream. */
export interface Entry {
  /** `<milliseconds since 1970>-<number>`, by the clock of the server. */
  readonly id: string;
  /** How often it has been delivered, this time included. */
  readonly deliveries: number;
  readonly data: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
}

type Fields = readonly Buffer[];
export type Raw = readonly [id: Buffer, deliveries: number, fields: Fields];

const noCall: Call = {};

/** One stream as one consumer of one group sees it. */
export class Stream {
  readonly #client: Client;
  readonly #topic: string;
  readonly #group: string;
  readonly #consumer: string;

  constructor(client: Client, topic: string, group: string, consumer: string) {
    this.#client = client;
    this.#topic = topic;
    this.#group = group;
    this.#consumer = consumer;
  }

  /** Makes stream and group where they are absent; a new group starts with the oldest message. */
  async ensureGroup(call: Call): Promise<void> {
    const create = (connection: Connection) =>
      connection.call("XGROUP", "CREATE", this.#topic, this.#group, "0", "MKSTREAM").catch((error: unknown) => {
        if (replyCode(error) !== "BUSYGROUP") throw error;
      });
    await this.#client.send(create, call);
  }

  /** New entries, at once or within `blockMs`. Rejects with the library's error. */
  async read(connection: Connection, count: number, blockMs: number): Promise<Entry[]> {
    const [topic, group, consumer] = [this.#topic, this.#group, this.#consumer];
    const args = ["GROUP", group, consumer, "COUNT", count, "BLOCK", blockMs, "STREAMS", topic, ">"] as const;
    const answer = (await connection.callBuffer("XREADGROUP", ...args)) as
      | readonly [readonly [Buffer, readonly (readonly [Buffer, Fields])[]]]
      | null;
    return (answer?.[0][1] ?? []).map(([id, fields]) => toEntry([id, 1, fields]));
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    await this.#client.command("XACK", [this.#topic, this.#group, ...ids], noCall);
  }

  /** Ids of those that another consumer has taken over. */
  async renew(ids: readonly string[]): Promise<readonly string[]> {
    return ((await this.#run(renewScript, ids)) as readonly Buffer[]).map(String);
  }

  /** Takes over what has been idle for so long. */
  reclaim(idleMs: number, limit: number): Promise<Entry[]> {
    return this.#entries(reclaimScript, [idleMs, limit]);
  }

  /** Undefined: the entry is gone, or another consumer has it. */
  async redeliver(id: string): Promise<Entry | undefined> {
    const raw = (await this.#run(redeliverScript, [id])) as Raw | null;
    return raw ? toEntry(raw) : undefined;
  }

  /** Entries of this consumer that it has never seen. */
  recover(known: readonly string[]): Promise<Entry[]> {
    return this.#entries(recoverScript, known);
  }

  /** @param entries with the deliveries that count */
  async giveBack(
    idleMs: number,
    entries: readonly { readonly id: string; readonly deliveries: number }[],
  ): Promise<void> {
    const pairs = entries.flatMap(({ id, deliveries }) => [id, deliveries]);
    if (pairs.length > 0) await this.#run(giveBackScript, [idleMs, ...pairs]);
  }

  /** Forgets this consumer, and others that have been silent for so long, unless something is pending with them. */
  async forget(silentMs: number, namePrefix: string): Promise<void> {
    await this.#run(forgetScript, [silentMs, namePrefix]);
  }

  async #entries(script: Script, args: readonly (string | number)[]): Promise<Entry[]> {
    return ((await this.#run(script, args)) as readonly Raw[]).map(toEntry);
  }

  #run(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const all = [this.#group, this.#consumer, ...args];
    return this.#client.send((connection) => runScript(connection, script, [this.#topic], all), noCall);
  }
}

export function toEntry([id, deliveries, fields]: Raw): Entry {
  const byName = new Map<string, Buffer>();
  for (let at = 0; at + 1 < fields.length; at += 2) byName.set(String(fields[at]), fields[at + 1] as Buffer);
  return {
    id: id.toString(),
    deliveries,
    data: byName.get("data") ?? Buffer.alloc(0),
    metadata: parseMetadata(byName.get("metadata")),
  };
}

/** Others may have written anything. */
function parseMetadata(json: Buffer | undefined): Readonly<Record<string, string>> {
  if (json === undefined) return {};
  try {
    const parsed: unknown = JSON.parse(json.toString());
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return {};
    return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, String(value)]));
  } catch {
    return {};
  }
}
