import { fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";
import type { Connection, PublishOptions } from "./connection.ts";
import { ClosedError, isLost } from "./failures.ts";
import type { Link } from "./link.ts";

export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly options: PublishOptions;
}

/** So often a message is sent when connections were lost that may have taken it along. */
const mostTries = 5;
/** Unacknowledged messages at once, if the broker takes as many. */
const window = 1000;
/** The same of QoS 2 where the broker says nothing: beyond that some end the connection. */
const usualMaximum = 20;
/** More than any header and topic that a message has beside what is counted. */
const overheadBytes = 1000;

/** Publishes, each message until the broker has acknowledged it. Messages of one turn keep their order. */
export class Publisher {
  readonly #link: Link;
  readonly #prepare: () => Promise<void>;
  readonly #queue: (() => void)[] = [];
  #prepared: { readonly connection: Connection; readonly done: Promise<void> } | undefined;
  #active = 0;
  #isClosed = false;
  #idle: (() => void) | undefined;

  /** @param prepare awaited before a new connection is published through; never rejects */
  constructor(link: Link, prepare: () => Promise<void> = async () => {}) {
    this.#link = link;
    this.#prepare = prepare;
  }

  /** Rejects with the error of the broker, or with the signal's reason; then the message may be published or not. */
  async publish(publication: Publication, { signal }: Call): Promise<void> {
    if (this.#isClosed) throw new ClosedError();
    const done = this.#publish(publication, signal);
    if (!signal) return done;
    done.catch(() => {});
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      await Promise.race([done, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async #publish(publication: Publication, signal: AbortSignal | undefined): Promise<void> {
    const { receiveMaximum = publication.options.qos === 2 ? usualMaximum : window } = (
      await this.#link.connected({ signal })
    ).properties;
    await this.#enter(Math.min(window, receiveMaximum));
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          const connection = await this.#link.connected({ signal });
          checkSize(connection, publication);
          await this.#preparedFor(connection);
          await connection.publish(publication.topic, publication.payload, publication.options);
          return;
        } catch (error) {
          if (!isLost(error) || tries === mostTries || this.#isClosed || signal?.aborted) throw error;
        }
      }
    } finally {
      this.#leave();
    }
  }

  #preparedFor(connection: Connection): Promise<void> {
    if (this.#prepared?.connection !== connection) this.#prepared = { connection, done: this.#prepare() };
    return this.#prepared.done;
  }

  /** Settles when there are fewer than `most` others, in the order of the calls. */
  #enter(most: number): Promise<void> {
    this.#active += 1;
    if (this.#active <= most) return Promise.resolve();
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    this.#active -= 1;
    this.#queue.shift()?.();
    if (this.#active === 0) this.#idle?.();
  }

  /** Takes no more messages and waits for what the broker acknowledges soon. */
  async close(lateMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#active === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lateMs);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function checkSize({ properties }: Connection, { payload }: Publication): void {
  const { maximumPacketSize } = properties;
  if (maximumPacketSize === undefined || payload.length + overheadBytes <= maximumPacketSize) return;
  throw fail("malformedRequest", {
    why: `the message has ${payload.length} bytes, and the broker takes packets of ${maximumPacketSize} bytes (its max_packet_size)`,
  });
}
