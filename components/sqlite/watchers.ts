import type { StatementSync } from "node:sqlite";
import type { Clock } from "../contract/driver.ts";

interface Watcher {
  readonly channel: string;
  readonly pollMs: number;
  readonly run: () => void;
}

/**
 * Wakes those who wait for changes: at once for commits of this process, and for those of other processes by asking
 * SQLite for its count of foreign commits, which reads shared memory only.
 */
export class Watchers {
  readonly #clock: Clock;
  readonly #foreignCommits: StatementSync | undefined;
  readonly #watchers = new Set<Watcher>();
  #seen: unknown;
  #cancel: (() => void) | undefined;

  /** @param foreignCommits `PRAGMA data_version`; absent: no other process can see this database */
  constructor(clock: Clock, foreignCommits: StatementSync | undefined) {
    this.#clock = clock;
    this.#foreignCommits = foreignCommits;
  }

  /** Calls `run` after each commit that may have changed what the channel is about, until the returned function is called. */
  add(channel: string, pollMs: number, run: () => void): () => void {
    const watcher: Watcher = { channel, pollMs, run };
    this.#watchers.add(watcher);
    this.#poll();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.stop();
    };
  }

  wake(channel: string): void {
    for (const watcher of this.#watchers) if (watcher.channel === channel) watcher.run();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #poll(): void {
    if (!this.#foreignCommits) return;
    this.#seen ??= this.#count();
    this.#cancel?.();
    const pollMs = Math.min(...[...this.#watchers].map((watcher) => watcher.pollMs));
    const again = () => {
      this.#cancel = this.#clock.after(pollMs, again);
      const count = this.#count();
      if (count === this.#seen) return;
      this.#seen = count;
      for (const watcher of this.#watchers) watcher.run();
    };
    this.#cancel = this.#clock.after(pollMs, again);
  }

  #count(): unknown {
    try {
      return this.#foreignCommits?.get()?.["data_version"];
    } catch {
      // Locked for the moment: the next round sees the change.
      return this.#seen;
    }
  }
}
