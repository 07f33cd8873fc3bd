import { Type } from "typebox";
import type { Clock } from "../contract/driver.ts";
import { defineLockStore, type LockRequest, type Unlocked } from "../contract/lock.ts";
import { sweepEvery } from "./sweep.ts";

const sweepMs = 1000;

export default defineLockStore({
  type: "lock.in-memory",
  aliases: ["lock.memory"],
  status: "stable",
  summary: "Locks among the callers of one sidecar; they are gone when it stops.",
  metadata: Type.Object({}),
  capabilities: ["fencing"],
  async open(_settings, { clock }) {
    const locks = new Locks(clock);
    const stopSweeping = sweepEvery(clock, sweepMs, () => locks.sweep());
    return {
      tryLock: async (request) => locks.take(request),
      unlock: async (resource, owner) => locks.release(resource, owner),
      renew: async (request) => locks.renew(request),
      fencingToken: async (resource, owner) => locks.token(resource, owner),
      async close() {
        stopSweeping();
      },
    };
  },
});

interface Held {
  readonly owner: string;
  readonly token: bigint;
  readonly endsAt: number;
}

class Locks {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  /** One count for all resources: it grows for each of them, and released ones need not be remembered. */
  #lastToken = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  #find(resource: string): Held | undefined {
    const held = this.#held.get(resource);
    return held && held.endsAt > this.#clock.now() ? held : undefined;
  }

  take({ resource, owner, expirySeconds }: LockRequest): boolean {
    if (this.#find(resource)) return false;
    this.#lastToken += 1n;
    this.#held.set(resource, { owner, token: this.#lastToken, endsAt: this.#end(expirySeconds) });
    return true;
  }

  release(resource: string, owner: string): Unlocked {
    const held = this.#find(resource);
    if (!held) return "missing";
    if (held.owner !== owner) return "foreign";
    this.#held.delete(resource);
    return "released";
  }

  renew({ resource, owner, expirySeconds }: LockRequest): boolean {
    const held = this.#find(resource);
    if (held?.owner !== owner) return false;
    this.#held.set(resource, { ...held, endsAt: this.#end(expirySeconds) });
    return true;
  }

  token(resource: string, owner: string): bigint | undefined {
    const held = this.#find(resource);
    return held?.owner === owner ? held.token : undefined;
  }

  sweep(): void {
    for (const resource of this.#held.keys()) if (!this.#find(resource)) this.#held.delete(resource);
  }

  #end(expirySeconds: number): number {
    return this.#clock.now() + expirySeconds * 1000;
  }
}
