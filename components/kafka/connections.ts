import type { Connection, ConnectionOptions, ConnectionPool } from "@platformatic/kafka";
import type { Address } from "./addresses.ts";
import { BrokerError, ClosedError, isConnection } from "./failures.ts";
import type { Library } from "./library.ts";
import { orAbort } from "./pause.ts";
import { type Answer, type ApiName, type Asked, findApi, type Versions } from "./requests.ts";

export interface ConnectionSettings {
  readonly clientId: string;
  /** How to secure a connection and to log in, and for how long an answer may be owed. */
  readonly options: ConnectionOptions;
  /** Milliseconds; 0: none. */
  readonly keepAliveMs: number;
}

/**
 * Connections to brokers, one each. A broker answers the requests of one connection in their order, so that whoever asks
 * for what takes its time, as new messages or the next round of a group, has connections of its own.
 */
export class Connections {
  readonly #library: Library;
  readonly #pool: ConnectionPool;
  readonly #versions = new WeakMap<Connection, Promise<Versions>>();
  /** Why connections broke, of which whoever waits for an answer only learns that it is so. */
  readonly #broken = new WeakMap<Connection, Error>();
  #closed: Promise<void> | undefined;

  /** @param owedMs longest time that an answer may be owed; default: that of the settings */
  constructor(library: Library, { clientId, options, keepAliveMs }: ConnectionSettings, owedMs?: number) {
    this.#library = library;
    this.#pool = new library.ConnectionPool(clientId, {
      ...options,
      ...(owedMs === undefined ? {} : { requestTimeout: owedMs }),
    });
    // An event that nobody hears would end the process.
    this.#pool.on("connecting", ({ connection }) =>
      connection.on("error", (error) => this.#broken.set(connection, error)),
    );
    if (keepAliveMs > 0) {
      this.#pool.on("connect", ({ connection }) => connection.socket.setKeepAlive(true, keepAliveMs));
    }
  }

  /**
   * Asks a broker. Rejects with the library's error, the signal's reason, or the BrokerError `UNSUPPORTED_VERSION`.
   * @param part an answer that says of some of its parts that they failed is an answer
   */
  async ask<N extends ApiName>(
    address: Address,
    name: N,
    asked: Asked<N>,
    { signal, part = false }: { readonly signal?: AbortSignal | undefined; readonly part?: boolean },
  ): Promise<Answer<N>> {
    if (this.#closed !== undefined) throw new ClosedError();
    signal?.throwIfAborted();
    const connection = await orAbort(this.#pool.get(address), signal);
    try {
      return await this.#askBy(connection, name, asked, signal);
    } catch (error) {
      const response = part ? responseOf(error) : undefined;
      if (response !== undefined) return response as Answer<N>;
      throw isConnection(error) ? (this.#broken.get(connection) ?? error) : error;
    }
  }

  async #askBy<N extends ApiName>(
    connection: Connection,
    name: N,
    asked: Asked<N>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<N>> {
    const versions = await orAbort(this.#versionsOf(connection), signal);
    const api = findApi(this.#library, name, versions);
    if (!api) throw new BrokerError("UNSUPPORTED_VERSION", `${name} in no version that both sides speak`);
    // The types of all requests in one do not tell which arguments go with which name.
    const send = api.async as unknown as (connection: Connection, ...asked: Asked<N>) => Promise<Answer<N>>;
    return orAbort(send(connection, ...asked), signal);
  }

  #versionsOf(connection: Connection): Promise<Versions> {
    let versions = this.#versions.get(connection);
    if (!versions) {
      versions = this.#ask(connection);
      this.#versions.set(connection, versions);
    }
    return versions;
  }

  async #ask(connection: Connection): Promise<Versions> {
    const { apiKeys } = await this.#library.apiVersionsV1.api.async(connection, "", "");
    return new Map(apiKeys.map((api) => [api.name, api]));
  }

  /** Ends the connection to a broker, with all that is owed on it. */
  async drop(address: Address): Promise<void> {
    await this.#pool.getEstablishedConnection(address)?.close();
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#pool.close();
    return this.#closed;
  }
}

/** The answer that an error of the library was made of. */
export const responseOf = (error: unknown): object | undefined =>
  error instanceof Error && "response" in error && typeof error.response === "object"
    ? (error.response ?? undefined)
    : undefined;
