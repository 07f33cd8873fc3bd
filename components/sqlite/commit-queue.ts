import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../contract/driver.ts";
import type { Disk } from "./disk.ts";
import { isBusy } from "./failures.ts";
import { pause } from "./pause.ts";

/** One write that waits for its transaction. */
export interface Job {
  readonly run: () => unknown;
  /** Undone alone, by a savepoint, when `run` throws. */
  readonly atomic: boolean;
  /** Settles when it is on the disk, not when it is committed. */
  readonly durable: boolean;
  /** Channels whose watchers are woken after the commit. */
  readonly wakes: readonly string[];
  readonly signal: AbortSignal | undefined;
  /** Milliseconds since 1970 until which another process's lock is waited for. */
  readonly deadline: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly job: Job; readonly value: unknown } | { readonly job: Job; readonly error: unknown };

/** One transaction holds up the event loop for at most about so long. */
const budgetMs = 20;
const longestPauseMs = 16;

/**
 * Group commit: the writes that were issued in one turn of the event loop go into one transaction. A lock that another
 * process holds is waited for off the event loop.
 */
export class CommitQueue {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #disk: Disk | undefined;
  readonly #wake: (channel: string) => void;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #undo: StatementSync;
  #jobs: Job[] = [];
  #scheduled = false;
  #refusals = 0;
  #idle: (() => void)[] = [];

  /** @param disk absent: a commit is durable by itself, or nothing is */
  constructor(database: DatabaseSync, clock: Clock, disk: Disk | undefined, wake: (channel: string) => void) {
    this.#database = database;
    this.#clock = clock;
    this.#disk = disk;
    this.#wake = wake;
    // With a write-ahead log EXCLUSIVE is the same as IMMEDIATE; without one it keeps COMMIT from finding readers.
    this.#begin = database.prepare("BEGIN EXCLUSIVE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
    this.#savepoint = database.prepare("SAVEPOINT job");
    this.#release = database.prepare("RELEASE job");
    this.#undo = database.prepare("ROLLBACK TO job");
  }

  add(job: Job): void {
    this.#jobs.push(job);
    if (!this.#scheduled) this.#schedule();
  }

  /** Settles when all that was added has been committed or refused. */
  async drained(): Promise<void> {
    if (this.#scheduled) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#jobs = this.#jobs.filter(isWanted);
    if (this.#jobs.length > 0 && !this.#open()) return;
    if (this.#jobs.length > 0) this.#transaction();
    if (this.#jobs.length > 0) {
      this.#schedule();
      return;
    }
    this.#scheduled = false;
    for (const idle of this.#idle.splice(0)) idle();
  }

  /** True when a transaction is open; false when it is tried again later. */
  #open(): boolean {
    try {
      this.#begin.run();
      this.#refusals = 0;
      return true;
    } catch (error) {
      if (!isBusy(error)) {
        for (const job of this.#jobs.splice(0)) job.reject(error);
        this.#schedule();
        return false;
      }
      this.#waitForLock(error);
      return false;
    }
  }

  #waitForLock(error: unknown): void {
    const now = this.#clock.now();
    this.#jobs = this.#jobs.filter((job) => {
      if (job.deadline > now) return true;
      job.reject(error);
      return false;
    });
    if (this.#jobs.length === 0) {
      this.#schedule();
      return;
    }
    const pauseMs = Math.min(2 ** this.#refusals, longestPauseMs) * (0.5 + Math.random() / 2);
    this.#refusals += 1;
    void pause(this.#clock, pauseMs).then(() => this.#flush());
  }

  #transaction(): void {
    const started = performance.now();
    const outcomes: Outcome[] = [];
    let taken = 0;
    for (const job of this.#jobs) {
      outcomes.push(this.#outcome(job));
      taken += 1;
      if (!this.#database.isTransaction) break;
      if (taken % 64 === 0 && performance.now() - started > budgetMs) break;
    }
    this.#jobs = taken === this.#jobs.length ? [] : this.#jobs.slice(taken);
    const failure = this.#end(outcomes);
    if (failure) for (const { job } of outcomes) job.reject(failure.error);
    else this.#settle(outcomes);
  }

  #outcome(job: Job): Outcome {
    if (!job.atomic) {
      try {
        return { job, value: job.run() };
      } catch (error) {
        return { job, error };
      }
    }
    this.#savepoint.run();
    try {
      const value = job.run();
      this.#release.run();
      return { job, value };
    } catch (error) {
      if (this.#database.isTransaction) {
        this.#undo.run();
        this.#release.run();
      }
      return { job, error };
    }
  }

  /** Commits; answers why it could not. */
  #end(outcomes: readonly Outcome[]): { readonly error: unknown } | undefined {
    if (!this.#database.isTransaction) {
      // A full disk or a failing one made SQLite roll everything back at the last statement.
      const last = outcomes.at(-1);
      return { error: last && "error" in last ? last.error : new Error("the transaction was rolled back") };
    }
    try {
      this.#commit.run();
      return undefined;
    } catch (error) {
      if (this.#database.isTransaction) this.#rollback.run();
      return { error };
    }
  }

  #settle(outcomes: readonly Outcome[]): void {
    const later: Outcome[] = [];
    const channels = new Set<string>();
    for (const outcome of outcomes) {
      if ("error" in outcome) outcome.job.reject(outcome.error);
      else {
        for (const channel of outcome.job.wakes) channels.add(channel);
        if (this.#disk && outcome.job.durable) later.push(outcome);
        else outcome.job.resolve(outcome.value as never);
      }
    }
    if (later.length > 0) {
      this.#disk?.afterSync((error) => {
        for (const { job, ...outcome } of later) {
          if (error) job.reject(error);
          else job.resolve(("value" in outcome ? outcome.value : undefined) as never);
        }
      });
    }
    for (const channel of channels) this.#wake(channel);
  }
}

function isWanted(job: Job): boolean {
  if (!job.signal?.aborted) return true;
  job.reject(job.signal.reason);
  return false;
}
