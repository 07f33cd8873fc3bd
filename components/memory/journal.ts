import { fail } from "../../specs/errors.ts";
import type { Journal, JournalCommit, JournalRange, JournalRecord } from "../contract/journal.ts";
import { SortedKeys } from "./sorted-keys.ts";

/** One space: its records, and the version of its last commit. */
class Space {
  readonly records = new Map<string, JournalRecord>();
  readonly keys = new SortedKeys((key) => this.records.has(key));
  version = 0n;
}

/** A journal in the memory of the process. */
export class MemoryJournal implements Journal {
  readonly #spaces = new Map<string, Space>();

  async read(space: string, keys: readonly string[]): Promise<readonly (JournalRecord | undefined)[]> {
    const records = this.#spaces.get(space)?.records;
    return keys.map((key) => records?.get(key));
  }

  async scan(space: string, { from, to, limit }: JournalRange): Promise<readonly JournalRecord[]> {
    const found: JournalRecord[] = [];
    const { keys, records } = this.#spaces.get(space) ?? new Space();
    for (const key of keys.range(from, to)) {
      if (found.length === limit) break;
      found.push(records.get(key) as JournalRecord);
    }
    return found;
  }

  async commit(name: string, { conditions = [], writes }: JournalCommit): Promise<bigint> {
    let space = this.#spaces.get(name);
    for (const { key, version } of conditions) {
      if (space?.records.get(key)?.version !== version) throw fail("journalConflict", { space: name, key });
    }
    if (!space) {
      space = new Space();
      this.#spaces.set(name, space);
    }
    const { records, keys } = space;
    space.version += 1n;
    for (const { key, data } of writes) {
      const isKnown = records.has(key);
      // Copied: the caller's bytes may be part of a larger buffer, which would stay in memory with them.
      if (data) records.set(key, { key, data: new Uint8Array(data), version: space.version });
      else records.delete(key);
      if (data && !isKnown) keys.add(key);
      if (!data && isKnown) keys.remove(key);
    }
    return space.version;
  }
}
