import { createHash } from "node:crypto";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { ClientConfig, Pool, PoolClient } from "pg";
import type { Clock } from "../contract/driver.ts";
import type { Address } from "./connection-string.ts";
import { Listener } from "./listener.ts";

/** What makes two components share connections. */
export interface PoolOptions {
  readonly address: Address;
  readonly client: ClientConfig;
  readonly maxConnections: number;
  /** Milliseconds after which a connection that nobody uses is closed; 0: never. */
  readonly maxIdleMs: number;
  /** Milliseconds to wait for a connection. */
  readonly connectTimeoutMs: number;
}

/** A connection with what the library's types keep quiet about. */
export type Connection = PoolClient & {
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly connection: { readonly stream: Duplex };
};

/** A statement that does not heed its cancellation for so long is cut off. */
const graceMs = 1000;

const pools = new Map<string, SharedPool>();

/** The connections of this process to one database, shared by the components with the same settings. */
export class SharedPool {
  readonly #key: string;
  readonly #pool: Pool;
  readonly #open = new Map<Connection, Promise<void>>();
  readonly listener: Listener;
  #users = 0;

  private constructor(key: string, pool: Pool, listener: Listener) {
    this.#key = key;
    this.#pool = pool;
    this.listener = listener;
    // An idle connection that breaks is taken out by the pool; the next call opens another.
    pool.on("error", () => {});
    pool.on("connect", (client) => {
      // Whoever uses a connection hears of its end by its statements.
      client.on("error", () => {});
      const closed = new Promise<void>((resolve) => client.once("end", resolve));
      this.#open.set(client as Connection, closed);
      void closed.then(() => this.#open.delete(client as Connection));
    });
  }

  /** Opens the pool or joins those who use it; give each use back with `release`. No connection is made yet. */
  static async acquire(options: PoolOptions, clock: Clock): Promise<SharedPool> {
    // The key holds a password, so only its hash is kept.
    const key = createHash("sha256")
      .update(JSON.stringify([options.address, options.maxConnections, options.maxIdleMs, options.connectTimeoutMs]))
      .digest("base64");
    const { default: pg } = await import("pg");
    let shared = pools.get(key);
    if (!shared) {
      const pool = new pg.Pool({
        ...options.client,
        max: options.maxConnections,
        idleTimeoutMillis: options.maxIdleMs,
        connectionTimeoutMillis: options.connectTimeoutMs,
      });
      const listener = new Listener(
        () => new pg.Client({ ...options.client, connectionTimeoutMillis: options.connectTimeoutMs }),
        clock,
      );
      shared = new SharedPool(key, pool, listener);
      pools.set(key, shared);
    }
    shared.#users += 1;
    return shared;
  }

  /** A connection for one use; give it back with `giveBack`. Rejects as soon as the signal aborts. */
  connect(signal: AbortSignal | undefined): Promise<Connection> {
    const connecting = this.#pool.connect() as Promise<Connection>;
    if (!signal) return connecting;
    return new Promise((resolve, reject) => {
      let hasLeft = false;
      const leave = () => {
        hasLeft = true;
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      const settle = (then: () => void) => {
        signal.removeEventListener("abort", leave);
        then();
      };
      connecting.then(
        (connection) => settle(() => (hasLeft ? this.giveBack(connection, false) : resolve(connection))),
        (error) => settle(() => reject(error)),
      );
    });
  }

  /** @param isBroken it is closed instead of being used again */
  giveBack(connection: Connection, isBroken: boolean): void {
    if (isBroken) connection.connection.stream.destroy();
    connection.release(isBroken);
  }

  /** Whether a notification comes from a connection of this pool. */
  owns(processId: number): boolean {
    for (const { processID } of this.#open.keys()) if (processID === processId) return true;
    return false;
  }

  /** Asks the server to end what the connection does, and cuts it off when that takes too long, unless the returned function is called. */
  interrupt(connection: Connection, clock: Clock): () => void {
    const { host, port } = connection as unknown as { host: string; port: number };
    const { processID, secretKey } = connection;
    const cut = () => connection.connection.stream.destroy();
    const cancelCut = clock.after(graceMs, cut);
    if (processID === null || secretKey === null) return cancelCut;
    const request = Buffer.alloc(16);
    // https://www.postgresql.org/docs/current/protocol-message-formats.html, CancelRequest
    request.writeInt32BE(16, 0);
    request.writeInt32BE(80_877_102, 4);
    request.writeInt32BE(processID, 8);
    request.writeInt32BE(secretKey, 12);
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    socket.setTimeout(graceMs, () => socket.destroy());
    socket.on("error", () => {});
    socket.end(request);
    return cancelCut;
  }

  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    if (pools.get(this.#key) === this) pools.delete(this.#key);
    await this.listener.close();
    await this.#pool.end();
    await Promise.all(this.#open.values());
  }
}
