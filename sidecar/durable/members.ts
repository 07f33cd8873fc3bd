import type { Call } from "../../components/contract/driver.ts";
import type { Journal } from "../../components/contract/journal.ts";

/** A sidecar of the app, as the others see it. */
export interface Member {
  readonly id: string;
  /** Where it takes calls of others. */
  readonly address: string;
}

interface Seen extends Member {
  readonly version: bigint;
  /** When its record was last seen to change, by this process's own clock. */
  readonly changedAt: number;
}

/**
 * The living sidecars of an app. Each writes its record again and again; one whose record has not changed for a lease,
 * measured by who looks and not by any timestamp of it, is dead. So no two clocks need to agree.
 */
export class Members {
  readonly #journal: Journal;
  readonly #space: string;
  readonly #self: Member;
  readonly #leaseMs: number;
  /** Milliseconds by a clock that never goes back. */
  readonly #now: () => number;
  #seen = new Map<string, Seen>();
  #beats = 0;
  /** When the last beat that the others could see began. */
  #beatAt = Number.NEGATIVE_INFINITY;

  constructor(parts: {
    readonly journal: Journal;
    readonly space: string;
    readonly self: Member;
    readonly leaseMs: number;
    readonly now: () => number;
  }) {
    this.#journal = parts.journal;
    this.#space = parts.space;
    this.#self = parts.self;
    this.#leaseMs = parts.leaseMs;
    this.#now = parts.now;
  }

  /** Says that this sidecar lives, and looks at the others. */
  async beat(call: Call): Promise<void> {
    const began = this.#now();
    const data = Buffer.from(JSON.stringify({ address: this.#self.address, beat: ++this.#beats }));
    await this.#journal.commit(this.#space, { writes: [{ key: this.#self.id, data }] }, call);
    this.#beatAt = began;
    await this.#look(call);
  }

  async #look(call: Call): Promise<void> {
    const records = await this.#journal.scan(this.#space, { from: "", limit: 10_000 }, call);
    const now = this.#now();
    const before = this.#seen;
    this.#seen = new Map(
      records.map(({ key, data, version }) => {
        const known = before.get(key);
        const { address } = JSON.parse(Buffer.from(data).toString()) as { address: string };
        const changedAt = known?.version === version ? known.changedAt : now;
        return [key, { id: key, address, version, changedAt }];
      }),
    );
    await this.#bury(now, call);
  }

  /** Removes records of the dead, long after everybody has seen that they are dead. */
  async #bury(now: number, call: Call): Promise<void> {
    for (const { id, version, changedAt } of this.#seen.values()) {
      if (now - changedAt < this.#leaseMs * 10) continue;
      const commit = { conditions: [{ key: id, version }], writes: [{ key: id, data: undefined }] };
      // It may have come back, or somebody else was faster.
      await this.#journal.commit(this.#space, commit, call).catch(() => undefined);
    }
  }

  /** Members that live, this one among them, by id. */
  get living(): ReadonlyMap<string, Member> {
    const now = this.#now();
    const living = new Map<string, Member>([[this.#self.id, this.#self]]);
    for (const member of this.#seen.values()) {
      if (now - member.changedAt < this.#leaseMs) living.set(member.id, member);
    }
    return living;
  }

  /**
   * Milliseconds for which the others surely take this sidecar for living; 0: they may not. A little less than they wait,
   * so that this one stops before another one begins.
   */
  get grantedMs(): number {
    return Math.max(0, this.#beatAt + this.#leaseMs * 0.8 - this.#now());
  }

  /** Tells the others at once that this sidecar is gone. */
  async leave(call: Call): Promise<void> {
    await this.#journal.commit(this.#space, { writes: [{ key: this.#self.id, data: undefined }] }, call);
  }
}
