import type { Redis } from "ioredis";
import { compareBytes } from "../contract/byte-order.ts";
import type { Call } from "../contract/driver.ts";
import type { Client } from "./client.ts";

/** So many keys a server looks at before it answers others again. */
const scanCount = 1000;

/** Keys with a prefix, a batch at a time, in no order; a key may come twice when the server makes room meanwhile. */
export async function* scanKeys(client: Client, prefix: string, call: Call): AsyncGenerator<readonly string[]> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
  // A cluster has as many key spaces as primaries.
  for (const node of client.isCluster ? client.primaries() : [undefined]) {
    let cursor = "0";
    do {
      const from = cursor;
      const [next, keys] = await client.send(
        (connection) => (node ?? (connection as Redis)).scan(from, "MATCH", pattern, "COUNT", scanCount),
        call,
      );
      cursor = next;
      if (keys.length > 0) yield keys;
    } while (cursor !== "0");
  }
}

/** The first keys in byte order of those that are offered, each once. */
export class FirstKeys {
  readonly #limit: number;
  readonly #after: string | undefined;
  #keys: string[] = [];

  /** @param after only keys behind this one count */
  constructor(limit: number, after: string | undefined) {
    this.#limit = limit;
    this.#after = after;
  }

  offer(keys: readonly string[]): void {
    const after = this.#after;
    for (const key of keys) if (after === undefined || compareBytes(key, after) > 0) this.#keys.push(key);
    // Sorting for every batch would cost more than the few keys too many.
    if (this.#keys.length > 4 * this.#limit + scanCount) this.#cut();
  }

  /** At most `limit` keys. */
  take(): readonly string[] {
    this.#cut();
    return this.#keys;
  }

  #cut(): void {
    this.#keys.sort(compareBytes);
    this.#keys = this.#keys.filter((key, at) => key !== this.#keys[at - 1]).slice(0, this.#limit);
  }
}
