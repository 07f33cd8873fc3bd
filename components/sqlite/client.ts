import { dirname, join } from "node:path";
import type { StatementSync } from "node:sqlite";
import { causeText, fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { choice, durationMs, flag, text } from "../contract/settings.ts";
import { isBusy, translate } from "./failures.ts";
import { parseLocation } from "./location.ts";
import { pause } from "./pause.ts";
import { SharedFile } from "./shared-file.ts";

/** Settings of every component that lives in a SQLite file. */
export const clientSettings = {
  connectionString: text({
    default: "",
    description: "Path of the database, `file:<path>` or `:memory:`; default: mecha.db in the sidecar's data folder.",
    aliases: ["url"],
    example: "data/app.db",
  }),
  timeout: durationMs({ default: 20_000, unit: "s", description: "Longest time of one call." }),
  busyTimeout: durationMs({
    default: 2000,
    unit: "s",
    description: "How long a call waits while another process writes to the file.",
  }),
  disableWAL: flag({
    default: false,
    description: "Keeps a rollback journal instead of a write-ahead log, as network file systems need.",
  }),
  synchronous: choice(["full", "normal"], {
    default: "full",
    description:
      "`full`: a write is answered when it is on the disk; `normal`: when it is committed, which outlives a crash of the process but not of the machine.",
  }),
};

interface ClientSettings {
  readonly connectionString: string;
  readonly timeout: number;
  readonly busyTimeout: number;
  readonly disableWAL: boolean;
  readonly synchronous: "full" | "normal";
}

export interface WriteOptions {
  /** For several statements: they are undone together when `run` throws. A single statement undoes itself. */
  readonly atomic?: boolean;
  /** False: settles at the commit without waiting for the disk, for what may be done again after a power cut. */
  readonly durable?: boolean;
  /** Wakes the watchers of these channels after the commit. */
  readonly wakes?: readonly string[];
}

/**
 * Opens a component's view of a database file. Components of one process that name the same file share one connection.
 * Rejects with `openFailed`, or as `setUp` does, which may make tables; nothing is left open then.
 */
export async function openClient(
  settings: ClientSettings,
  context: OpenContext,
  setUp: (client: Client) => Promise<void> = async () => {},
): Promise<Client> {
  const client = await connectClient(settings, context);
  try {
    await setUp(client);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function connectClient(settings: ClientSettings, context: OpenContext): Promise<Client> {
  const location = parseLocation(settings.connectionString, join(context.dataDir, "mecha.db"));
  if (location.ignored.length > 0) {
    const parameters = location.ignored.join(", ");
    context.log.warn(`connectionString: ${parameters} is ignored; use the settings of the component instead`);
  }
  try {
    const file = await SharedFile.acquire({
      path: location.path,
      makeFolder: settings.connectionString.trim() === "",
      writeAheadLog: !settings.disableWAL,
      clock: context.clock,
      busyTimeoutMs: settings.busyTimeout,
      signal: context.signal,
    });
    if (location.path && file.writeAheadLog === settings.disableWAL) {
      context.log.warn("disableWAL differs between components that share the file; the first one to open it decides");
    }
    return new Client(file, settings, context);
  } catch (error) {
    const folder = location.path ? `; its folder ${dirname(location.path)} must exist and be writable` : "";
    throw fail(
      "openFailed",
      { why: `connectionString: cannot open the database: ${causeText(error)}${folder}` },
      { cause: error },
    );
  }
}

/** One component's view of a shared database file. */
export class Client {
  readonly #file: SharedFile;
  readonly #context: OpenContext;
  readonly #waitMs: number;
  readonly #durable: boolean;
  readonly #watches = new Set<() => void>();
  #writing = 0;
  #closed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(file: SharedFile, settings: ClientSettings, context: OpenContext) {
    this.#file = file;
    this.#context = context;
    this.#waitMs = Math.min(settings.busyTimeout, settings.timeout);
    this.#durable = settings.synchronous === "full";
  }

  /** The compiled statement, for use inside `read` and `write`; compiled once per text, so its modes are shared too. */
  prepare(sql: string): StatementSync {
    return this.#file.prepare(sql);
  }

  /** Runs statements that only read, at once unless the file is locked. */
  read<T>(run: () => T, call: Call): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closedError());
    try {
      return Promise.resolve(run());
    } catch (error) {
      return isBusy(error) ? this.#readLater(run, call, error) : Promise.reject(translate(error, this.#context.name));
    }
  }

  async #readLater<T>(run: () => T, call: Call, first: unknown): Promise<T> {
    const { clock, name } = this.#context;
    const deadline = clock.now() + this.#waitMs;
    let refusal = first;
    while (clock.now() < deadline) {
      await pause(clock, 1 + Math.random() * 8);
      call.signal?.throwIfAborted();
      if (this.#closed !== undefined) throw this.#closedError();
      try {
        return run();
      } catch (error) {
        if (!isBusy(error)) throw translate(error, name);
        refusal = error;
      }
    }
    throw translate(refusal, name);
  }

  /**
   * Runs `run` in the next transaction of the file, together with what others write in this turn of the event loop.
   * Settles when it is committed and, by the setting `synchronous`, on the disk. When `run` throws, nothing of it stays,
   * and the others' writes are not touched.
   */
  write<T>(run: () => T, call: Call, options: WriteOptions = {}): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closedError());
    this.#writing += 1;
    return new Promise<T>((resolve, reject) => {
      this.#file.queue.add({
        run,
        atomic: options.atomic ?? false,
        durable: this.#durable && (options.durable ?? true),
        wakes: options.wakes ?? [],
        signal: call.signal,
        deadline: this.#context.clock.now() + this.#waitMs,
        resolve: (value) => {
          this.#written();
          resolve(value);
        },
        reject: (error) => {
          this.#written();
          reject(translate(error, this.#context.name));
        },
      });
    });
  }

  #written(): void {
    this.#writing -= 1;
    if (this.#writing === 0) this.#idle?.();
  }

  /**
   * Makes the component's tables: runs those of `steps` that have not been run on this file, and records their number
   * in the table `metadata` under `key`, as other implementations of the published layout do.
   */
  async migrate(key: string, steps: readonly string[], metadataTable = "metadata"): Promise<void> {
    const table = quoted(metadataTable);
    await this.write(
      () => {
        this.#file.exec(`CREATE TABLE IF NOT EXISTS ${table} (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)`);
        const row = this.#file.prepare(`SELECT value FROM ${table} WHERE key = ?`).get(key);
        const done = Number(row?.["value"] ?? 0);
        for (const step of steps.slice(done)) this.#file.exec(step);
        if (done >= steps.length) return;
        this.#file
          .prepare(`INSERT INTO ${table} (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`)
          .run(key, String(steps.length));
      },
      {},
      { atomic: true },
    );
  }

  /**
   * Calls `run` after commits that say they wake the channel, and after any commit of another process, which is noticed
   * within `pollMs`. Ends when the returned function is called, or with `close`.
   */
  watch(channel: string, pollMs: number, run: () => void): () => void {
    const stop = this.#file.watchers.add(channel, pollMs, run);
    const unwatch = () => {
      this.#watches.delete(unwatch);
      stop();
    };
    this.#watches.add(unwatch);
    return unwatch;
  }

  /** Waits for what is being written, then gives the connection back. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const unwatch of this.#watches) unwatch();
    if (this.#writing > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#file.release();
  }

  #closedError(): Error {
    return fail("backendUnavailable", { name: this.#context.name, cause: "the component is closed" });
  }
}

/** A name as SQL writes it. Throws `openFailed` for names that SQL cannot hold. */
export function quoted(name: string): string {
  if (name === "" || name.includes("\0")) throw fail("openFailed", { why: `${JSON.stringify(name)} is no table name` });
  return `"${name.replaceAll('"', '""')}"`;
}
