import { fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import type { Connection } from "./link.ts";
import type { Script } from "./script.ts";
import { type Entry, type Raw, toEntry } from "./stream.ts";
import { beginScript, endScript, prolongScript, readScript, takeOverScript } from "./turn-scripts.ts";

/** What a read gave: entries, or after which one to wait for more. */
export interface Fresh {
  readonly entries: readonly Entry[];
  readonly lastId: string;
}

/** The turns of one consumer at a stream. What it does outside of its turn does nothing. */
export class Turn {
  readonly #client: Client;
  readonly #keys: readonly [topic: string, turn: string];
  readonly #group: string;
  readonly #consumer: string;
  readonly #leaseMs: number;
  #number = 0;

  /** @param keys of the stream, and of what `turnKey` gives */
  constructor(
    client: Client,
    keys: readonly [topic: string, turn: string],
    group: string,
    consumer: string,
    leaseMs: number,
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#group = group;
    this.#consumer = consumer;
    this.#leaseMs = leaseMs;
  }

  /**
   * `others`: not yet. `begun`: it is the consumer's turn from now on. `kept`: it has been all the time; what was sent
   * before and is done later does nothing.
   */
  async begin(): Promise<"others" | "begun" | "kept"> {
    this.#number += 1;
    const answer = Number(await this.#run(beginScript, [this.#leaseMs]));
    return answer === 0 ? "others" : answer === 1 ? "kept" : "begun";
  }

  /** False: it is over. */
  async prolong(): Promise<boolean> {
    return Number(await this.#run(prolongScript, [this.#leaseMs])) === 1;
  }

  /** Lets the next one begin. */
  async end(): Promise<void> {
    await this.#run(endScript, []);
  }

  /** New entries, those there are; undefined: the turn is over. After a failure some may have been delivered. */
  async read(count: number): Promise<Fresh | undefined> {
    const answer = (await this.#run(readScript, [count])) as readonly [Buffer | null, readonly Raw[]] | null;
    return answer ? { lastId: String(answer[0] ?? ""), entries: answer[1].map(toEntry) } : undefined;
  }

  /**
   * What former turns left, and what has been idle with others for the time of a lease; undefined: the turn is over.
   * @param prefix how the names of consumers begin that work in turns
   */
  async takeOver(prefix: string, limit: number, held: readonly string[]): Promise<readonly Entry[] | undefined> {
    const answer = await this.#run(takeOverScript, [prefix, this.#leaseMs, limit, ...held]);
    return (answer as readonly Raw[] | null)?.map(toEntry);
  }

  /** Settles when the stream has an entry behind the one with the id, or after `blockMs`. Rejects with the library's error. */
  async waitBehind(connection: Connection, id: string, blockMs: number): Promise<void> {
    await connection.callBuffer("XREAD", "COUNT", 1, "BLOCK", blockMs, "STREAMS", this.#keys[0], id);
  }

  /** Not sent twice: what the first one delivered would be lost on the way, and come after what the second one did. */
  #run(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const call: Call = {};
    const word = `${this.#consumer}:${this.#number}`;
    return this.#client.run(script, this.#keys, [this.#group, this.#consumer, word, ...args], call, { once: true });
  }
}

/**
 * The key that holds whose turn it is. It lives where the stream does: a cluster looks at what stands in the first braces
 * of a name.
 * @throws MechaError `malformedRequest` for a topic where that cannot be
 */
export function turnKey(topic: string, group: string, isCluster: boolean): string {
  const rest = `||turn||${group}`;
  if (/^[^{]*\{[^}]+\}/.test(topic)) return topic + rest;
  if (isCluster && topic.includes("}")) {
    const why = `topic ${JSON.stringify(topic)} cannot be ordered in a cluster, as it holds a brace; name it otherwise, or leave order out`;
    throw fail("malformedRequest", { why });
  }
  return `{${topic}}${rest}`;
}
