import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { causeText, fail, type MechaError } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { Connection } from "./connection.ts";
import { codeOf, codes, translate } from "./failures.ts";
import { pause } from "./pause.ts";

export interface LinkOptions {
  /** The socket. */
  readonly path: string;
  /** Makes a connection fit for calls: learns its services and sends Init. Rejects with `openFailed`. */
  readonly begin: (connection: Connection, signal: AbortSignal) => Promise<void>;
  readonly context: OpenContext;
}

/** How long a call waits for a process that is gone. */
const absenceMs = 5_000;
const firstPauseMs = 100;
const longestPauseMs = 5_000;

/** A component's view of its process: when the process is gone and comes back, it is connected and told its settings again. */
export class Link {
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  #current: Connection | undefined;
  #next = Promise.withResolvers<Connection>();
  #watching: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    // Nobody may be waiting for the next connection when the component closes.
    this.#next.promise.catch(() => {});
  }

  get name(): string {
    return this.#options.context.name;
  }

  /** Connects for the first time. Rejects with the reason and leaves nothing open. */
  async open(): Promise<void> {
    this.#came(await this.#connect(this.#options.context.signal));
    this.#watching = this.#watch();
  }

  /**
   * Calls the process. Rejects with the signal's reason or what `translate` makes of the answer; `refusal` looks at a
   * status first. `again`: a call that changes nothing and is made once more when its process vanished meanwhile.
   */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    { signal }: Call,
    { again = false, refusal }: { again?: boolean; refusal?: (error: unknown) => MechaError | undefined } = {},
  ): Promise<MessageShape<O>> {
    const connection = await this.current(signal);
    try {
      return await connection.unary(method, input, signal);
    } catch (error) {
      const isLost = codeOf(error) === codes.unavailable && connection.gone.aborted;
      if (again && isLost && !this.#closing.signal.aborted) return this.call(method, input, { signal }, {});
      throw refusal?.(error) ?? translate(error, this.name, method.name);
    }
  }

  /** The connection that stands; waits for the next one while there is none. Rejects with `backendUnavailable`. */
  current(signal: AbortSignal | undefined, forMs = absenceMs): Promise<Connection> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closing.signal.aborted) return Promise.reject(this.#unavailable("the component is closed"));
    return this.#current ? Promise.resolve(this.#current) : this.#awaitNext(signal, forMs);
  }

  /** Waits for as long as it takes; rejects when the component closes or `signal` aborts. */
  eventually(signal: AbortSignal): Promise<Connection> {
    return this.current(signal, Number.POSITIVE_INFINITY);
  }

  #awaitNext(signal: AbortSignal | undefined, forMs: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        cancel();
        signal?.removeEventListener("abort", leave);
        done();
      };
      const leave = () => settle(() => reject(signal?.reason));
      const late = () => settle(() => reject(this.#unavailable(`its process at ${this.#options.path} is gone`)));
      const cancel = Number.isFinite(forMs) ? this.#options.context.clock.after(forMs, late) : () => {};
      signal?.addEventListener("abort", leave, { once: true });
      this.#next.promise.then(
        (connection) => settle(() => resolve(connection)),
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }

  #unavailable(cause: string): MechaError {
    return fail("backendUnavailable", { name: this.name, cause });
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const { path, begin } = this.#options;
    const connection = await Connection.open(path, this.name, signal);
    try {
      await begin(connection, signal);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #came(connection: Connection): void {
    this.#current = connection;
    this.#next.resolve(connection);
    this.#next = Promise.withResolvers<Connection>();
    this.#next.promise.catch(() => {});
    const lost = () => {
      this.#current = undefined;
    };
    if (connection.gone.aborted) lost();
    else connection.gone.addEventListener("abort", lost, { once: true });
  }

  async #watch(): Promise<void> {
    const { log } = this.#options.context;
    const { path } = this.#options;
    while (!this.#closing.signal.aborted) {
      await this.#lost();
      if (this.#closing.signal.aborted) return;
      log.warn("the process of a component is gone; waiting for it to come back", { component: this.name, path });
      if (await this.#reconnect()) log.info("the process of a component is back", { component: this.name, path });
    }
  }

  /** Settles when the connection is lost or the component closes. */
  #lost(): Promise<void> {
    const gone = this.#current?.gone;
    if (!gone || gone.aborted) return Promise.resolve();
    return new Promise((resolve) => gone.addEventListener("abort", () => resolve(), { once: true }));
  }

  /** False: the component closes. */
  async #reconnect(): Promise<boolean> {
    const { clock, log } = this.#options.context;
    const closing = this.#closing.signal;
    let told = "";
    for (let failures = 0; ; failures += 1) {
      try {
        const connection = await this.#connect(closing);
        if (!closing.aborted) this.#came(connection);
        else connection.close();
        return !closing.aborted;
      } catch (error) {
        if (closing.aborted) return false;
        const why = causeText(error);
        if (why !== told) log.error("the process of a component cannot be used", { component: this.name, error: why });
        told = why;
        await pause(clock, Math.min(firstPauseMs * 2 ** failures, longestPauseMs), closing);
      }
    }
  }

  /** Ends the connection. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(this.#unavailable("the component is closed"));
    this.#next.reject(this.#closing.signal.reason);
    this.#current?.close();
    await this.#watching;
  }
}
