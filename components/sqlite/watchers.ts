import type { StatementSync } from "node:sqlite";
import type { Clock } from "../contract/driver.ts";

interface Watcher {
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
  readonly #watchers = new Map<string, Set<Watcher>>();
  #seen: unknown;
  #cancel: (() => void) | undefined;

  /** @param foreignCommits `PRAGMA data_version`; absent: no other process can see this database */
  constructor(clock: Clock, foreignCommits: StatementSync | undefined) {
    this.#clock = clock;
    this.#foreignCommits = foreignCommits;
  }

  /** Calls `run` after each commit that may have changed what the channel is about, until the returned function is called. */
  add(channel: string, pollMs: number, run: () => void): () => void {
    const watcher: Watcher = { pollMs, run };
    const watchers = this.#watchers.get(channel) ?? new Set();
    this.#watchers.set(channel, watchers.add(watcher));
    this.#poll();
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(channel) === watchers) this.#watchers.delete(channel);
      if (this.#watchers.size === 0) this.stop();
    };
  }

  wake(channel: string): void {
    for (const watcher of this.#watchers.get(channel) ?? []) watcher.run();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #poll(): void {
    if (!this.#foreignCommits) return;
    this.#seen ??= this.#count();
    this.#cancel?.();
    const pollMs = Math.min(...this.#all().map((watcher) => watcher.pollMs));
    const again = () => {
      this.#cancel = this.#clock.after(pollMs, again);
      const count = this.#count();
      if (count === this.#seen) return;
      this.#seen = count;
      for (const watcher of this.#all()) watcher.run();
    };
    this.#cancel = this.#clock.after(pollMs, again);
  }

  #all(): Watcher[] {
    return [...this.#watchers.values()].flatMap((watchers) => [...watchers]);
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
