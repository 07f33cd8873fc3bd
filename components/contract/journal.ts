import type { Call } from "./driver.ts";

/**
 * Durable execution's own part of a state store: records in spaces, ordered by key, changed by commits that hold
 * conditions. It lies beside the values of apps, which cannot reach it. A space is the unit of a transaction; a driver
 * may keep different spaces in different places.
 */
export interface Journal {
  /** The records, in the order of the keys; undefined where there is none. */
  read(space: string, keys: readonly string[], call: Call): Promise<readonly (JournalRecord | undefined)[]>;
  /** Records with `from` <= key < `to`, in ascending order of bytes. */
  scan(space: string, range: JournalRange, call: Call): Promise<readonly JournalRecord[]>;
  /**
   * Makes all writes, or none: rejects with `journalConflict` unless every condition holds. Durable when it resolves.
   * @returns the version of every record it has written; greater than that of any commit to the space before it
   */
  commit(space: string, commit: JournalCommit, call: Call): Promise<bigint>;
}

export interface JournalRecord {
  readonly key: string;
  readonly data: Uint8Array;
  /** That of the commit that wrote it. */
  readonly version: bigint;
}

export interface JournalRange {
  readonly from: string;
  /** Absent: to the end of the space. */
  readonly to?: string | undefined;
  /** 1 to 10,000. */
  readonly limit: number;
}

export interface JournalCommit {
  /** What must be so when the writes are made; a key may stand here once. */
  readonly conditions?: readonly JournalCondition[];
  /** A key may stand here once; without data it is deleted, which is no failure when it is not there. */
  readonly writes: readonly JournalWrite[];
}

export interface JournalCondition {
  readonly key: string;
  /** Undefined: there is no such record. */
  readonly version: bigint | undefined;
}

export interface JournalWrite {
  readonly key: string;
  readonly data: Uint8Array | undefined;
}

/** A journal that is opened when it is first used, so that a store without actors, workflows and jobs has no tables for them. */
export function lazyJournal(open: () => Promise<Journal>): Journal {
  let opened: Promise<Journal> | undefined;
  const journal = () => {
    opened ??= open().catch((error: unknown) => {
      // Tried again by the next call.
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return {
    read: async (space, keys, call) => (await journal()).read(space, keys, call),
    scan: async (space, range, call) => (await journal()).scan(space, range, call),
    commit: async (space, commit, call) => (await journal()).commit(space, commit, call),
  };
}
