import { mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Clock } from "../contract/driver.ts";
import { CommitQueue } from "./commit-queue.ts";
import { Disk } from "./disk.ts";
import { isBusy } from "./failures.ts";
import { pause } from "./pause.ts";
import { Watchers } from "./watchers.ts";

export interface FileOptions {
  /** Absolute; undefined: in memory. */
  readonly path: string | undefined;
  readonly makeFolder: boolean;
  readonly writeAheadLog: boolean;
  readonly clock: Clock;
  /** Milliseconds to wait for other processes while it is opened. */
  readonly busyTimeoutMs: number;
  readonly signal: AbortSignal;
}

const open = new Map<string, SharedFile>();
const opening = new Map<string, Promise<SharedFile>>();

/** The one connection of this process to a database file, shared by its components and closed with the last of them. */
export class SharedFile {
  readonly #database: DatabaseSync;
  readonly #key: string;
  readonly #disk: Disk | undefined;
  readonly #statements = new Map<string, StatementSync>();
  #users = 0;
  readonly queue: CommitQueue;
  readonly watchers: Watchers;
  /** Readers do not wait for writers, and commits reach the disk off the event loop. */
  readonly writeAheadLog: boolean;

  private constructor(database: DatabaseSync, key: string, options: FileOptions) {
    this.#database = database;
    this.#key = key;
    const shared = options.path !== undefined;
    this.writeAheadLog = shared && database.prepare("PRAGMA journal_mode").get()?.["journal_mode"] === "wal";
    // The log is written in order by every commit; only waiting for the disk is left to `Disk`.
    database.exec(`PRAGMA synchronous=${this.writeAheadLog ? "NORMAL" : "FULL"}; PRAGMA temp_store=MEMORY`);
    database.exec("PRAGMA cache_size=-8000; PRAGMA journal_size_limit=67108864");
    this.#disk = this.writeAheadLog && options.path ? new Disk(options.path) : undefined;
    this.watchers = new Watchers(options.clock, shared ? database.prepare("PRAGMA data_version") : undefined);
    this.queue = new CommitQueue(database, options.clock, this.#disk, (channel) => this.watchers.wake(channel));
  }

  /** Opens the file or joins those who have it open; give each use back with `release`. */
  static async acquire(options: FileOptions): Promise<SharedFile> {
    if (options.path === undefined)
      return SharedFile.#used(SharedFile.#over(new DatabaseSync(":memory:"), "", options));
    const folder = dirname(options.path);
    if (options.makeFolder) mkdirSync(folder, { recursive: true });
    const path = join(realpathSync(folder), basename(options.path));
    const known = open.get(path);
    if (known) return SharedFile.#used(known);
    let file = opening.get(path);
    if (!file) {
      file = connect(path, options).then((database) => SharedFile.#over(database, path, { ...options, path }));
      opening.set(path, file);
      file
        .then((opened) => open.set(path, opened))
        .catch(() => {})
        .finally(() => opening.delete(path));
    }
    return SharedFile.#used(await file);
  }

  static #over(database: DatabaseSync, key: string, options: FileOptions): SharedFile {
    try {
      return new SharedFile(database, key, options);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  static #used(file: SharedFile): SharedFile {
    file.#users += 1;
    return file;
  }

  /** The compiled statement; compiled once per text. */
  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    if (open.get(this.#key) === this) open.delete(this.#key);
    this.watchers.stop();
    await this.queue.drained();
    await this.#disk?.close();
    this.#statements.clear();
    this.#database.close();
  }
}

/** Opens the file and sets its journal mode, which needs the file for itself for a moment. */
async function connect(path: string, options: FileOptions): Promise<DatabaseSync> {
  // Waiting inside SQLite would hold up the event loop; whoever finds the file locked tries again by its clock.
  const database = new DatabaseSync(path, { timeout: 0 });
  const deadline = options.clock.now() + options.busyTimeoutMs;
  for (;;) {
    try {
      database.exec(`PRAGMA journal_mode=${options.writeAheadLog ? "WAL" : "DELETE"}`);
      return database;
    } catch (error) {
      if (!isBusy(error) || options.signal.aborted || options.clock.now() > deadline) {
        database.close();
        throw error;
      }
      await pause(options.clock, 5 + Math.random() * 10);
    }
  }
}
