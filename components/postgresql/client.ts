import { createHash, randomInt } from "node:crypto";
import type { QueryArrayResult, QueryResult } from "pg";
import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { isConflict, isLost, translate } from "./failures.ts";
import type { ChannelWatcher } from "./listener.ts";
import type { Connection, SharedPool } from "./pool.ts";

/** What a statement gave: rows as arrays, and how many rows it has read or changed. */
export interface Rows {
  readonly rows: readonly (readonly unknown[])[];
  readonly count: number;
}

export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

export interface TransactOptions {
  /** False: does not wait for the disk, for what may be done again after a crash of the server. */
  readonly durable?: boolean;
  /** Reads tables by their indexes, even while they are small: plans outlive that. */
  readonly byIndex?: boolean;
  /** Makes another error of that of the statement at this place. */
  readonly refine?: (error: unknown, at: number) => unknown;
}

const names = new Map<string, string>();

/** Name under which a connection keeps a statement prepared. */
function nameOf(sql: string): string {
  let name = names.get(sql);
  if (name === undefined) {
    name = `mecha_${createHash("sha256").update(sql).digest("hex").slice(0, 24)}`;
    names.set(sql, name);
  }
  return name;
}

/** One component's view of the shared connections. Values come back as the server's texts, or null. */
export class Client {
  readonly #pool: SharedPool;
  readonly #timeoutMs: number;
  readonly #prepares: boolean;
  readonly #context: OpenContext;
  readonly #watches = new Set<() => void>();
  #running = 0;
  #closed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(pool: SharedPool, timeoutMs: number, prepares: boolean, context: OpenContext) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
    this.#prepares = prepares;
    this.#context = context;
  }

  /** Runs a statement that only reads; tried again where a connection breaks under it. */
  async read(sql: string, values: readonly unknown[], call: Call): Promise<Rows> {
    return this.#call(call, (connection) => this.#send(connection, { sql, values }), isLost);
  }

  /** Runs one statement, which is a transaction by itself; after `backendUnavailable` it may have been done or not. */
  async write(sql: string, values: readonly unknown[], call: Call): Promise<Rows> {
    return this.#call(call, (connection) => this.#send(connection, { sql, values }), isConflict);
  }

  /** Runs one statement of the user's own, which is not kept prepared; fields tell the types of its columns. */
  async once(sql: string, values: readonly unknown[], call: Call): Promise<QueryArrayResult> {
    const run = (connection: Connection) =>
      connection.query({ text: sql, rowMode: "array", ...(values.length > 0 ? { values: [...values] } : {}) });
    return this.#call(call, run, () => false) as Promise<QueryArrayResult>;
  }

  /**
   * Runs statements in one transaction and one round trip; the first that fails undoes them all and is what rejects.
   */
  async transact(
    statements: readonly Statement[],
    call: Call,
    { durable = true, byIndex = false, refine = (error) => error }: TransactOptions = {},
  ): Promise<readonly Rows[]> {
    const begin = [
      "BEGIN ISOLATION LEVEL READ COMMITTED",
      ...(durable ? [] : ["SET LOCAL synchronous_commit = off"]),
      ...(byIndex ? ["SET LOCAL enable_seqscan = off"] : []),
    ].join("; ");
    const run = async (connection: Connection) => {
      const sent = [
        connection.query(begin),
        ...statements.map((statement) => this.#send(connection, statement)),
        connection.query("COMMIT"),
      ];
      const settled = await Promise.allSettled(sent);
      const at = settled.findIndex(({ status }) => status === "rejected");
      if (at >= 0) throw refine((settled[at] as PromiseRejectedResult).reason, at - 1);
      return settled.slice(1, -1).map((one) => (one as PromiseFulfilledResult<Rows>).value);
    };
    return this.#call(call, run, isConflict);
  }

  /** Runs what must look at answers before it goes on, in one transaction. */
  async converse<T>(
    run: (query: (sql: string, values?: readonly unknown[]) => Promise<Rows>) => Promise<T>,
  ): Promise<T> {
    const converse = async (connection: Connection) => {
      const query = async (sql: string, values: readonly unknown[] = []) =>
        rowsOf(
          await connection.query({
            text: sql,
            rowMode: "array",
            ...(values.length > 0 ? { values: [...values] } : {}),
          }),
        );
      await connection.query("BEGIN ISOLATION LEVEL READ COMMITTED");
      try {
        const result = await run(query);
        await connection.query("COMMIT");
        return result;
      } catch (error) {
        await connection.query("ROLLBACK").catch(() => {});
        throw error;
      }
    };
    return this.#call({ signal: this.#context.signal }, converse, isConflict, false);
  }

  /** Hears the notifications of a channel until the returned function is called, or `close`. */
  async watch(channel: string, watcher: ChannelWatcher): Promise<() => void> {
    if (this.#closed !== undefined) throw this.#closedError();
    try {
      const stop = await this.#pool.listener.watch(channel, watcher);
      const unwatch = () => {
        this.#watches.delete(unwatch);
        stop();
      };
      this.#watches.add(unwatch);
      return unwatch;
    } catch (error) {
      throw translate(error, this.#context.name);
    }
  }

  /** Tells the watchers of a channel in this process at once what a statement of it notifies. */
  tell(channel: string, payload: string): void {
    this.#pool.listener.tell(channel, payload);
  }

  /** Whether a notification comes back from this process, whose watchers have been told by `tell`. */
  isEcho(processId: number | undefined): boolean {
    return processId !== undefined && this.#pool.owns(processId);
  }

  /** Waits for what is being done, then gives the connections back. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const unwatch of this.#watches) unwatch();
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#pool.release();
  }

  async #send(connection: Connection, { sql, values }: Statement): Promise<Rows> {
    const name = this.#prepares ? { name: nameOf(sql) } : {};
    return rowsOf(await connection.query({ ...name, text: sql, values: values as unknown[], rowMode: "array" }));
  }

  /** Runs with a connection until the time of the call is over; again, after a pause, while `mayRepeat` says so. */
  async #call<T>(
    { signal }: Call,
    run: (connection: Connection) => Promise<T>,
    mayRepeat: (error: unknown) => boolean,
    translates = true,
  ): Promise<T> {
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closedError();
    const { clock, name } = this.#context;
    const deadline = clock.now() + this.#timeoutMs;
    this.#running += 1;
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await this.#attempt(signal, run, deadline);
        } catch (error) {
          const isOver = signal?.aborted || attempt >= attempts || clock.now() >= deadline;
          if (isOver || !mayRepeat(error)) throw translates ? translate(error, name) : error;
        }
        const pauseMs = randomInt(2 ** (attempt + 2));
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      }
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle?.();
    }
  }

  async #attempt<T>(
    signal: AbortSignal | undefined,
    run: (connection: Connection) => Promise<T>,
    deadline: number,
  ): Promise<T> {
    const { clock, name } = this.#context;
    const connection = await this.#pool.connect(signal);
    let reason: unknown;
    let isBroken = false;
    let cancelCut = () => {};
    const interrupt = (why: unknown) => {
      reason ??= why;
      // A cancellation may come late, when the connection does something else; so nobody gets it afterwards.
      isBroken = true;
      cancelCut = this.#pool.interrupt(connection, clock);
    };
    const cancelTimer = clock.after(deadline - clock.now(), () =>
      interrupt(fail("deadlineExceeded", { what: `the call to ${name}`, ms: this.#timeoutMs })),
    );
    const leave = () => interrupt(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await run(connection);
    } catch (error) {
      if (isLost(error)) isBroken = true;
      throw reason ?? error;
    } finally {
      cancelTimer();
      cancelCut();
      signal?.removeEventListener("abort", leave);
      this.#pool.giveBack(connection, isBroken);
    }
  }

  #closedError(): Error {
    return fail("backendUnavailable", { name: this.#context.name, cause: "the component is closed" });
  }
}

const attempts = 8;

const rowsOf = (result: QueryResult | QueryArrayResult): Rows => ({
  rows: result.rows as unknown as readonly (readonly unknown[])[],
  count: result.rowCount ?? 0,
});
