import { causeText } from "../../specs/errors.ts";
import type { Call, Clock, Log } from "../contract/driver.ts";
import type { Connection } from "./connection.ts";
import { type About, ClosedError, isFinal, isLost, openFailure } from "./failures.ts";
import { pause } from "./pause.ts";

export interface LinkOptions {
  connect(signal: AbortSignal): Promise<Connection>;
  /** The connection is there; messages may have come through it already. A rejection ends it. */
  connected?(connection: Connection): Promise<void>;
  lost?(connection: Connection): void;
  readonly about: About;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiter {
  failuresLeft: number;
  readonly resolve: (connection: Connection) => void;
  readonly reject: (error: unknown) => void;
}

const firstTries = 4;
const firstPauseMs = 100;
const longestPauseMs = 3000;
/** After so many failed attempts to connect again whoever waits is told. */
const patience = 3;
/** A connection that lasts shorter is no better than none. */
const shortMs = 5000;
/** So many short ones look like two clients with one name, each of which ends the other. */
const quarrel = 3;

/** A connection that comes back when it is lost. */
export class Link {
  readonly #options: LinkOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #stop = new AbortController();
  #connection: Connection | undefined;
  #connectedAt = 0;
  #short = 0;
  #lastError: unknown;
  #reconnecting: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Connects. Rejects with `openFailed` after some attempts, at once where another cannot help. */
  async open(signal: AbortSignal): Promise<void> {
    for (let tries = 1; !(await this.#attempt(AbortSignal.any([signal, this.#stop.signal]))); tries += 1) {
      if (signal.aborted || isFinal(this.#lastError) || tries === firstTries) {
        await this.close();
        throw openFailure(this.#lastError, this.#options.about);
      }
      await pause(this.#options.clock, firstPauseMs * tries, signal);
    }
  }

  /** The connection, as soon as there is one; rejects when there is none for long, and with the signal's reason. */
  connected({ signal }: Call): Promise<Connection> {
    if (this.#closed !== undefined) return Promise.reject(new ClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#connection && !this.#connection.isOver) return Promise.resolve(this.#connection);
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", aborted);
        done();
      };
      const waiter: Waiter = {
        failuresLeft: patience,
        resolve: (connection) => settle(() => resolve(connection)),
        reject: (error) => settle(() => reject(error)),
      };
      const aborted = () => waiter.reject(signal?.reason);
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { connect, connected, clock } = this.#options;
    try {
      const connection = await connect(signal);
      connection.ended.then((error) => this.#lost(connection, error)).catch(() => {});
      try {
        await connected?.(connection);
        signal.throwIfAborted();
      } catch (error) {
        await connection.end();
        throw error;
      }
      if (connection.isOver) return false;
      this.#connection = connection;
      this.#connectedAt = clock.now();
      return true;
    } catch (error) {
      this.#lastError = error;
      return false;
    }
  }

  #lost(connection: Connection, error: Error): void {
    this.#options.lost?.(connection);
    this.#lastError = error;
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#closed !== undefined) return;
    const { log, about, clock } = this.#options;
    // The broker itself has ended it, not the network.
    const isShort = isLost(error) && clock.now() - this.#connectedAt < shortMs;
    this.#short = isShort ? this.#short + 1 : 0;
    log.warn(`the connection to ${about.broker} is lost: ${causeText(error)}; connecting again`);
    if (this.#short === quarrel) {
      log.error(
        `connections to ${about.broker} end soon after they have begun: is another client named ${about.clientId}? Give each sidecar a consumerID of its own, such as {podName} or {uuid}`,
      );
    }
    this.#reconnecting = this.#connectAgain();
  }

  async #connectAgain(): Promise<void> {
    const { log, clock, about } = this.#options;
    const { signal } = this.#stop;
    for (let failures = Math.max(0, this.#short - 1); !signal.aborted; failures += 1) {
      if (failures > 0) await pause(clock, Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs), signal);
      if (await this.#attempt(signal)) break;
      for (const waiter of this.#waiters) {
        waiter.failuresLeft -= 1;
        if (waiter.failuresLeft <= 0) waiter.reject(this.#lastError);
      }
    }
    const connection = this.#connection;
    if (!connection || signal.aborted) return;
    log.info(`connected to ${about.broker} again`);
    for (const waiter of this.#waiters) waiter.resolve(connection);
  }

  /** Ends the connection, and all that waits for one. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The first step runs before `#closed` is set; whoever looks at it later finds the link closed.
    this.#stop.abort(new ClosedError());
    for (const waiter of this.#waiters) waiter.reject(new ClosedError());
    await this.#reconnecting;
    await this.#connection?.end();
  }
}
