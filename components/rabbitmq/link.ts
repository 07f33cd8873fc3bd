import type { Channel, ChannelModel } from "amqplib";
import { causeText } from "../../specs/errors.ts";
import type { Call, Clock, Log } from "../contract/driver.ts";
import { type About, ClosedError, isFinal, openFailure } from "./failures.ts";
import { pause } from "./pause.ts";

export interface LinkOptions {
  connect(): Promise<ChannelModel>;
  readonly about: About;
  /** Between attempts to connect again; the first one follows at once. */
  readonly pauseMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiter {
  failuresLeft: number;
  readonly resolve: (connection: ChannelModel) => void;
  readonly reject: (error: unknown) => void;
}

const firstTries = 4;
const firstPauseMs = 100;
/** After so many failed attempts to connect again whoever waits for an answer is told. */
const patience = 3;
/** Longest time for the server to say goodbye. */
const farewellMs = 2000;

/** A connection that comes back when it is lost. */
export class Link {
  readonly #options: LinkOptions;
  readonly #waiters = new Set<Waiter>();
  #connection: ChannelModel | undefined;
  #lastError: unknown;
  #closed: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get about(): About {
    return this.#options.about;
  }

  /** Connects. Rejects with `openFailed` after some attempts, at once where another cannot help. */
  async open(signal: AbortSignal): Promise<void> {
    for (let tries = 1; !(await this.#attempt(signal)); tries += 1) {
      if (signal.aborted || isFinal(this.#lastError) || tries === firstTries) {
        await this.close();
        throw openFailure(this.#lastError, this.#options.about);
      }
      await pause(this.#options.clock, firstPauseMs * tries);
    }
  }

  /**
   * The connection, as soon as there is one; rejects with the error of the library or the system after so many failed
   * attempts to connect again.
   */
  connected({ signal }: Call, attempts = patience): Promise<ChannelModel> {
    if (this.#closed !== undefined) return Promise.reject(new ClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#connection) return Promise.resolve(this.#connection);
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", aborted);
        done();
      };
      const waiter: Waiter = {
        failuresLeft: attempts,
        resolve: (connection) => settle(() => resolve(connection)),
        reject: (error) => settle(() => reject(error)),
      };
      const aborted = () => waiter.reject(signal?.reason);
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  async #attempt(signal?: AbortSignal): Promise<boolean> {
    const connecting = this.#options.connect();
    try {
      const connection = await (signal ? unlessAborted(connecting, signal) : connecting);
      if (this.#closed !== undefined) {
        await end(connection, this.#options.clock);
        return true;
      }
      this.#watch(connection);
      this.#connection = connection;
      return true;
    } catch (error) {
      this.#lastError = error;
      connecting.then((late) => end(late, this.#options.clock)).catch(() => {});
      return false;
    }
  }

  #watch(connection: ChannelModel): void {
    const { log, about } = this.#options;
    // What follows is the event that it has closed.
    connection.on("error", (error) => {
      this.#lastError = error;
    });
    connection.on("close", (error) => this.#lost(connection, error));
    connection.on("blocked", (reason) =>
      log.warn(`RabbitMQ at ${about.server} takes no messages for now (${reason}); publishing waits`),
    );
    connection.on("unblocked", () => log.info(`RabbitMQ at ${about.server} takes messages again`));
  }

  #lost(connection: ChannelModel, error: unknown): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#closed !== undefined) return;
    const { log, about } = this.#options;
    log.warn(
      `the connection to RabbitMQ at ${about.server} is lost: ${causeText(error ?? this.#lastError)}; connecting again`,
    );
    void this.#connectAgain();
  }

  async #connectAgain(): Promise<void> {
    const { log, clock, pauseMs, about } = this.#options;
    while (this.#closed === undefined && !(await this.#attempt())) {
      for (const waiter of this.#waiters) {
        waiter.failuresLeft -= 1;
        if (waiter.failuresLeft <= 0) waiter.reject(this.#lastError);
      }
      if (this.#closed === undefined) await pause(clock, pauseMs);
    }
    const connection = this.#connection;
    if (!connection) return;
    log.info(`connected to RabbitMQ at ${about.server} again`);
    for (const waiter of this.#waiters) waiter.resolve(connection);
  }

  /** Ends the connection, and all that waits for one. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The first step runs before `#closed` is set; whoever looks at it later finds the link closed.
    for (const waiter of this.#waiters) waiter.reject(new ClosedError());
    const connection = this.#connection;
    if (connection) await end(connection, this.#options.clock);
  }
}

/** The result, or the signal's reason if that comes first. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    const done = () => signal.removeEventListener("abort", aborted);
    work.finally(done).then(resolve, reject);
  });
}

/** Says goodbye, and does not wait for long for a server that has nothing to say to it. */
async function end(connection: ChannelModel, clock: Clock): Promise<void> {
  const closed = new Promise<void>((resolve) => connection.once("close", () => resolve()));
  let cancel = () => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(farewellMs, resolve);
  });
  connection.close().catch(() => {});
  await Promise.race([closed, late]);
  cancel();
  // The library ends its half of the socket; a server that is gone would leave the other half open.
  const { stream } = connection.connection as unknown as { readonly stream: { destroy(): void } };
  stream.destroy();
}

/** Opens a channel; its errors reach those who wait for its answers, and `failed`. */
export async function openChannel(
  connection: ChannelModel,
  failed: (error: Error) => void = () => {},
): Promise<Channel> {
  const channel = await connection.createChannel();
  channel.on("error", failed);
  return channel;
}

/** Closes a channel; settles when it is closed, whatever closed it. */
export async function closeChannel(channel: Channel): Promise<void> {
  await new Promise<void>((resolve) => {
    channel.once("close", () => resolve());
    // It has closed already.
    channel.close().then(
      () => resolve(),
      () => resolve(),
    );
  });
}
