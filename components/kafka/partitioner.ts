import { randomInt } from "node:crypto";

const seed = 0x9747b28c;
const mix = 0x5bd1e995;

/** The hash (murmur2) by which Kafka's own clients find the partition of a key, so that those of others find the same. */
export function hashKey(key: Buffer): number {
  let hash = seed ^ key.length;
  const whole = key.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    let part = Math.imul(key.readInt32LE(at), mix);
    part = Math.imul(part ^ (part >>> 24), mix);
    hash = Math.imul(hash, mix) ^ part;
  }
  if (key.length > whole) {
    for (let at = key.length - 1; at >= whole; at -= 1) hash ^= (key[at] ?? 0) << ((at - whole) * 8);
    hash = Math.imul(hash, mix);
  }
  hash = Math.imul(hash ^ (hash >>> 13), mix);
  return (hash ^ (hash >>> 15)) & 0x7fffffff;
}

/** After so many bytes messages without a key go to another partition. */
const stayBytes = 16 * 1024;

/**
 * Chooses partitions of one topic: by the key, and without one the same for some messages, which then travel together and
 * in their order, and after them another.
 */
export class Partitioner {
  #current = randomInt(2 ** 30);
  #bytes = 0;

  choose(key: Buffer | undefined, bytes: number, count: number): number {
    if (key !== undefined) return hashKey(key) % count;
    if (this.#bytes + bytes > stayBytes && this.#bytes > 0) {
      this.#current += 1;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#current % count;
  }
}
