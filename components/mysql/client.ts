import { randomInt } from "node:crypto";
import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { isConflict, isLost, translate } from "./failures.ts";
import type { Pool } from "./pool.ts";
import type { Answer, Session } from "./session.ts";

export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

const attempts = 8;

/** One component's way to its server. */
export class Client {
  readonly #pool: Pool;
  readonly #timeoutMs: number;
  readonly #context: OpenContext;
  #running = 0;
  #closed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(pool: Pool, timeoutMs: number, context: OpenContext) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
    this.#context = context;
  }

  /** Runs a statement that only reads; tried again where a connection breaks under it. */
  read(sql: string, values: readonly unknown[], call: Call): Promise<Answer> {
    return this.#call(call, (session) => session.execute(sql, values), mayReadAgain);
  }

  /** Runs one statement, which is a transaction by itself; after `backendUnavailable` it may have been done or not. */
  write(sql: string, values: readonly unknown[], call: Call): Promise<Answer> {
    return this.#call(call, (session) => session.execute(sql, values), isConflict);
  }

  /** Runs a text of the user's own, which is not kept prepared. */
  once(sql: string, values: readonly unknown[], call: Call): Promise<Answer> {
    const run = async (session: Session) => {
      if (values.length === 0) return session.query(sql);
      try {
        // Too many or too few of them would be read as other values.
        const wanted = await session.prepare(sql);
        if (wanted !== values.length) {
          throw new Error(`the statement has ${wanted} question marks, and ${values.length} values are given`);
        }
        return await session.execute(sql, values);
      } finally {
        if (!session.isLost) session.forget(sql);
      }
    };
    return this.#call(call, run, () => false);
  }

  /**
   * Runs statements one after the other in one transaction. `check` sees the answer of each, with its place; what it
   * throws undoes them all, as an error of the server does, and is what rejects.
   */
  transact(
    statements: readonly Statement[],
    call: Call,
    check: (answer: Answer, at: number) => void = () => {},
  ): Promise<void> {
    const run = async (session: Session) => {
      await session.query("START TRANSACTION");
      try {
        for (const [at, { sql, values }] of statements.entries()) check(await session.execute(sql, values), at);
        await session.query("COMMIT");
      } catch (error) {
        // A lost connection undoes it as well.
        if (!session.isLost) await session.query("ROLLBACK").catch(() => session.destroy());
        throw error;
      }
    };
    return this.#call(call, run, isConflict);
  }

  /** Waits for what is being done, then closes the connections. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#pool.close();
  }

  /** Runs with a session until the time of the call is over; again, after a pause, while `mayRepeat` says so. */
  async #call<T>(
    { signal }: Call,
    run: (session: Session) => Promise<T>,
    mayRepeat: (error: unknown) => boolean,
  ): Promise<T> {
    const { clock, name } = this.#context;
    signal?.throwIfAborted();
    if (this.#closed !== undefined) {
      throw fail("backendUnavailable", { name, cause: "the component is closed" });
    }
    const deadline = clock.now() + this.#timeoutMs;
    this.#running += 1;
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await this.#attempt(signal, run, deadline);
        } catch (error) {
          const isOver = signal?.aborted || attempt >= attempts || clock.now() >= deadline;
          if (isOver || !mayRepeat(error)) throw translate(error, name);
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
    run: (session: Session) => Promise<T>,
    deadline: number,
  ): Promise<T> {
    const { clock, name } = this.#context;
    const over = new AbortController();
    const leave = () => over.abort(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    const cancelTimer = clock.after(deadline - clock.now(), () =>
      over.abort(fail("deadlineExceeded", { what: `the call to ${name}`, ms: this.#timeoutMs })),
    );
    let session: Session | undefined;
    let isBroken = false;
    const interrupt = () => {
      if (session) this.#pool.interrupt(session);
    };
    try {
      session = await this.#pool.take(over.signal);
      over.signal.addEventListener("abort", interrupt, { once: true });
      if (over.signal.aborted) throw over.signal.reason;
      return await run(session);
    } catch (error) {
      if (isLost(error)) isBroken = true;
      throw over.signal.aborted ? over.signal.reason : error;
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", leave);
      over.signal.removeEventListener("abort", interrupt);
      if (session) this.#pool.giveBack(session, isBroken);
    }
  }
}

const mayReadAgain = (error: unknown) => isLost(error) || isConflict(error);
