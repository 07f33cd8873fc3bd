import type { Call } from "../../components/contract/driver.ts";
import type { Journal, JournalRange, JournalRecord, JournalWrite } from "../../components/contract/journal.ts";
import { fail, MechaError } from "../../specs/errors.ts";
import type { Partition } from "../kernel/durable.ts";

/** Key of the record that says whose a partition is. Its version is the owner's fence. */
export const ownerKey = "!owner";

interface Waiting {
  readonly writes: readonly JournalWrite[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Commits that go to the store together hold at most so many records; a larger one goes alone. */
const batchRecords = 500;

/** A partition that this sidecar owns. Each commit carries the fence, in the same transaction as its writes. */
export class OwnedPartition implements Partition {
  readonly index: number;
  readonly #journal: Journal;
  readonly #space: string;
  readonly #fence: bigint;
  readonly #losing = new AbortController();
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  /** @param fence version of the record that says that the partition is this sidecar's */
  constructor(index: number, journal: Journal, space: string, fence: bigint) {
    this.index = index;
    this.#journal = journal;
    this.#space = space;
    this.#fence = fence;
  }

  get lost(): AbortSignal {
    return this.#losing.signal;
  }

  get fence(): bigint {
    return this.#fence;
  }

  /** From now on nothing is begun; what the store still takes, it takes. */
  lose(): void {
    if (!this.#losing.signal.aborted) this.#losing.abort(fail("ownershipLost", { partition: this.index }));
  }

  read(keys: readonly string[], call: Call): Promise<readonly (JournalRecord | undefined)[]> {
    return this.#journal.read(this.#space, keys, call);
  }

  scan(range: JournalRange, call: Call): Promise<readonly JournalRecord[]> {
    return this.#journal.scan(this.#space, range, call);
  }

  commit(writes: readonly JournalWrite[]): Promise<void> {
    if (this.#losing.signal.aborted) return Promise.reject(this.#losing.signal.reason);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ writes, resolve, reject });
      this.#running ??= this.#drain().finally(() => {
        this.#running = undefined;
      });
    });
  }

  /** Settles when all commits are settled. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #drain(): Promise<void> {
    // What is committed in this turn of the event loop goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commitTogether(this.#takeBatch());
  }

  #takeBatch(): readonly Waiting[] {
    let records = 0;
    const end = this.#waiting.findIndex(({ writes }, at) => {
      records += writes.length;
      return at > 0 && records > batchRecords;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #commitTogether(batch: readonly Waiting[]): Promise<void> {
    // The last word on a key counts, as it would one after the other.
    const writes = new Map(batch.flatMap(({ writes: each }) => each.map((write) => [write.key, write] as const)));
    const conditions = [{ key: ownerKey, version: this.#fence }];
    try {
      await this.#journal.commit(this.#space, { conditions, writes: [...writes.values()] }, {});
      for (const { resolve } of batch) resolve();
    } catch (error) {
      // The one condition is the fence.
      const isLost = error instanceof MechaError && error.reason === "journalConflict";
      if (isLost) this.lose();
      for (const { reject } of batch) reject(isLost ? this.#losing.signal.reason : error);
    }
  }
}
