import type { Cluster, Redis } from "ioredis";
import { causeText } from "../../specs/errors.ts";
import type { Call, Clock, Log } from "../contract/driver.ts";
import { ClosedError, isFinal, isLost, isRefusedForNow, openFailure, replyCode } from "./failures.ts";
import { pause } from "./pause.ts";

/** One connection of the library. It is made to end when it is lost, and `Link` connects it again. */
export type Connection = Redis | Cluster;

export interface LinkOptions {
  readonly connection: Connection;
  /** Done before each attempt to connect, for example to renew a password. */
  readonly prepare?: ((connection: Connection) => Promise<void>) | undefined;
  /** Where it leads, for people. */
  readonly address: string;
  readonly maxRetries: number;
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SendOptions {
  /** Not to be done twice: not sent again after a lost connection, which may have taken the answer along. */
  readonly once?: boolean;
}

interface Waiter {
  failuresLeft: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const openPauseMs = 100;
const clusterPauseMs = 100;

/** A connection that comes back when it is lost, and calls that wait for it and go out again. */
export class Link {
  readonly #options: LinkOptions;
  readonly #connection: Connection;
  readonly #waiters = new Set<Waiter>();
  readonly #whenBack = new Set<() => void>();
  #lastError: unknown;
  #nodeError: unknown;
  #isConnecting = false;
  #isCorked = false;
  #active = 0;
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#connection.on("error", (error: unknown) => {
      this.#lastError = error;
    });
    // What a cluster says itself is only that none of its nodes can be used.
    this.#connection.on("node error", (error: unknown) => {
      this.#nodeError = error;
    });
    this.#connection.on("end", () => this.#ended());
  }

  /** For commands whose order or answers the caller looks after. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Connects. Rejects with `openFailed` after some attempts, at once where another cannot help. */
  async open(signal: AbortSignal): Promise<void> {
    this.#isConnecting = true;
    for (let failures = 0; !(await this.#attempt()); ) {
      failures += 1;
      if (signal.aborted || isFinal(this.#lastError) || failures > this.#options.maxRetries) {
        const failure = openFailure(this.#lastError, this.#options.address);
        await this.close();
        throw failure;
      }
      await pause(this.#options.clock, Math.min(openPauseMs * failures, this.#options.maxPauseMs));
    }
    this.#isConnecting = false;
  }

  /**
   * Sends commands when the connection is there, and again where that is right. Rejects with the error of the library or
   * of the system after as many failed attempts as the settings allow.
   */
  send<T>(use: (connection: Connection) => Promise<T>, call: Call, options: SendOptions = {}): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new ClosedError());
    if (call.signal?.aborted) return Promise.reject(call.signal.reason);
    this.#active += 1;
    const sent = this.#connection.status === "ready" ? this.#sendNow(use) : this.#sendWhenBack(use, call);
    return sent.then(
      (value) => {
        this.#settled();
        return value;
      },
      (error: unknown) => this.#sendAgain(error, use, call, options).finally(() => this.#settled()),
    );
  }

  #sendNow<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    this.#cork();
    return use(this.#connection);
  }

  async #sendWhenBack<T>(use: (connection: Connection) => Promise<T>, { signal }: Call): Promise<T> {
    await this.#back(signal);
    signal?.throwIfAborted();
    return this.#sendNow(use);
  }

  async #sendAgain<T>(
    first: unknown,
    use: (connection: Connection) => Promise<T>,
    call: Call,
    { once = false }: SendOptions,
  ): Promise<T> {
    let error = first;
    for (let attempt = 1; attempt <= this.#options.maxRetries && this.#closed === undefined; attempt += 1) {
      const isNotDone = isRefusedForNow(error);
      if (!isNotDone && (once || !isLost(error))) break;
      // After a failover the address leads to another server, which a new connection finds out.
      if (replyCode(error) === "READONLY") this.#connection.disconnect();
      await this.#beforeNext(isNotDone, attempt);
      try {
        return await this.#sendWhenBack(use, call);
      } catch (again) {
        error = again;
      }
    }
    throw error;
  }

  async #beforeNext(isNotDone: boolean, attempt: number): Promise<void> {
    const isCluster = this.#connection.isCluster === true;
    if (isCluster) (this.#connection as Cluster).refreshSlotsCache();
    if (isNotDone || isCluster) await pause(this.#options.clock, this.#pauseMs(attempt, clusterPauseMs));
  }

  /** Commands of one turn of the event loop leave together, which costs a fraction of one system call for each. */
  #cork(): void {
    if (this.#isCorked || !("stream" in this.#connection)) return;
    const { stream } = this.#connection;
    if (typeof stream?.cork !== "function") return;
    this.#isCorked = true;
    stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }

  /** Calls `run` each time the connection is there again after it was lost. */
  onBack(run: () => void): () => void {
    this.#whenBack.add(run);
    return () => this.#whenBack.delete(run);
  }

  /** Settles when the connection is there; rejects after as many failed attempts as the settings allow. */
  #back(signal: AbortSignal | undefined): Promise<void> {
    if (this.#connection.status === "ready") return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", aborted);
        done();
      };
      const waiter: Waiter = {
        failuresLeft: Math.max(1, this.#options.maxRetries),
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      };
      const aborted = () => waiter.reject(signal?.reason);
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", aborted, { once: true });
      if (signal?.aborted) aborted();
    });
  }

  #ended(): void {
    if (this.#isConnecting || this.#closed !== undefined) return;
    const { log, address } = this.#options;
    log.warn(`the connection to Redis at ${address} is lost${this.#lastErrorText()}; connecting again`);
    this.#isConnecting = true;
    this.#connectAgain().catch((error: unknown) => log.error(`connecting to ${address} fails: ${causeText(error)}`));
  }

  async #connectAgain(): Promise<void> {
    for (let failures = 0; this.#closed === undefined && !(await this.#attempt()); ) {
      failures += 1;
      for (const waiter of this.#waiters) {
        waiter.failuresLeft -= 1;
        if (waiter.failuresLeft <= 0) waiter.reject(this.#lastError);
      }
      if (this.#closed === undefined) await pause(this.#options.clock, this.#pauseMs(failures, 0));
    }
    this.#isConnecting = false;
    if (this.#closed !== undefined) return;
    this.#options.log.info(`connected to Redis at ${this.#options.address} again`);
    for (const waiter of this.#waiters) waiter.resolve();
    for (const run of this.#whenBack) run();
  }

  async #attempt(): Promise<boolean> {
    this.#lastError = undefined;
    this.#nodeError = undefined;
    try {
      await this.#options.prepare?.(this.#connection);
      await this.#connection.connect();
      if (!isFinal(this.#lastError)) return true;
      // The library goes on in database 0 where the one that was asked for is refused.
      await this.#end();
      return false;
    } catch (error) {
      // What the library calls "closed" it has told the cause of before, as an event.
      this.#lastError = causeOf(this.#lastError ?? error, this.#nodeError);
      return false;
    }
  }

  #pauseMs(failures: number, least: number): number {
    const { minPauseMs, maxPauseMs } = this.#options;
    const growing = Math.max(minPauseMs, least) * 2 ** (failures - 1);
    return Math.min(growing, Math.max(maxPauseMs, minPauseMs, least)) * (0.75 + Math.random() / 2);
  }

  #lastErrorText(): string {
    return this.#lastError === undefined ? "" : `: ${causeText(this.#lastError)}`;
  }

  #settled(): void {
    this.#active -= 1;
    if (this.#active === 0) this.#idle?.();
  }

  /** Waits for answers that are owed, then ends the connection. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The first step runs before `#closed` is set; whoever looks at it later finds the link closed.
    for (const waiter of this.#waiters) waiter.reject(new ClosedError());
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.abandon();
  }

  /** Ends the connection without waiting for answers. */
  async abandon(): Promise<void> {
    this.#closed ??= Promise.resolve();
    await this.#end();
  }

  async #end(): Promise<void> {
    const connection = this.#connection;
    if (connection.status === "end" || connection.status === "wait") return;
    const ended = new Promise<void>((resolve) => connection.once("end", () => resolve()));
    connection.disconnect();
    await ended;
  }
}

/** The nearest to the trouble of what a failed attempt to connect left behind. */
function causeOf(error: unknown, nodeError: unknown): unknown {
  const last = error instanceof Error && "lastNodeError" in error ? (error.lastNodeError ?? error) : error;
  return isLost(last) ? (nodeError ?? last) : last;
}
