import type { Claim } from "./message-log.ts";

/** Claimed messages that wait for the handler, in their order; of each key one at a time is let out. */
export class ClaimBuffer {
  #waiting: Claim[] = [];
  readonly #busy = new Set<string>();

  get waiting(): readonly Claim[] {
    return this.#waiting;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** How many could be taken one after the other without any key becoming free. */
  get startable(): number {
    const seen = new Set(this.#busy);
    let count = 0;
    for (const { key } of this.#waiting) {
      if (key !== null && seen.has(key)) continue;
      if (key !== null) seen.add(key);
      count += 1;
    }
    return count;
  }

  add(claims: readonly Claim[]): void {
    this.#waiting.push(...claims);
  }

  /** The first whose key is free, which is busy from now on; undefined: there is none. */
  take(): Claim | undefined {
    const at = this.#busy.size === 0 ? 0 : this.#waiting.findIndex(({ key }) => key === null || !this.#busy.has(key));
    if (at < 0) return undefined;
    const claim = at === 0 ? this.#waiting.shift() : this.#waiting.splice(at, 1)[0];
    if (claim && claim.key !== null) this.#busy.add(claim.key);
    return claim;
  }

  /** The message of the key that was taken is settled. */
  free(key: string): void {
    this.#busy.delete(key);
  }

  /** Takes out what waits under the keys. */
  withdraw(keys: ReadonlySet<string>): readonly Claim[] {
    if (keys.size === 0) return [];
    const taken = this.#waiting.filter(({ key }) => key !== null && keys.has(key));
    if (taken.length > 0) this.#waiting = this.#waiting.filter(({ key }) => key === null || !keys.has(key));
    return taken;
  }

  /** Takes out all; keys that are busy stay so. */
  clear(): readonly Claim[] {
    return this.#waiting.splice(0);
  }
}
