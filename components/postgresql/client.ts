import { createHash, randomInt } from "node:crypto";
import type { ClientConfig, QueryArrayResult, QueryResult } from "pg";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { choice, durationMs, integer, secret, text } from "../contract/settings.ts";
import { type Address, type ConnectionSettings, parseConnection } from "./connection-string.ts";
import { codeOf, isConflict, isLost, openFailure, translate } from "./failures.ts";
import type { ChannelWatcher } from "./listener.ts";
import { type Connection, SharedPool } from "./pool.ts";
import { mayGoWithoutTls, tlsOptions } from "./tls.ts";

/** Settings of every component that lives in PostgreSQL. */
export const clientSettings = {
  connectionString: secret({
    default: "",
    description:
      "`postgres://user:password@host:5432/database` or `host=… user=… password=… dbname=…`; may be left out when host, user and so on are given.",
    aliases: ["url"],
    example: "postgres://app:secret@localhost:5432/app",
  }),
  host: Type.Optional(text({ description: "Server, or folder of its socket; counts more than connectionString." })),
  hostaddr: Type.Optional(
    text({ description: "Address of the server, where the host's name is not to be looked up." }),
  ),
  port: Type.Optional(text({ description: "Port of the server; default: 5432." })),
  database: Type.Optional(text({ description: "Database; default: the user's name." })),
  user: Type.Optional(text({ description: "User to connect as." })),
  password: Type.Optional(secret({ description: "Password of the user." })),
  sslRootCert: Type.Optional(
    text({
      description: "Authority of the server's certificate, which is checked then: PEM text or the path of a file.",
    }),
  ),
  timeout: durationMs({ default: 20_000, unit: "s", description: "Longest time of one call." }),
  maxConns: integer({
    default: 0,
    minimum: 0,
    description: "Most connections, shared by the components with the same settings; 0: 10.",
  }),
  connectionMaxIdleTime: durationMs({
    default: 1_800_000,
    unit: "s",
    description: "A connection that nobody uses for so long is closed; 0: never.",
    aliases: ["connMaxIdleTime"],
  }),
  queryExecMode: Type.Optional(
    choice(["cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"], {
      description:
        "`cache_statement` prepares each statement once per connection, the default; the others prepare none, as connection poolers may need.",
    }),
  ),
};

export interface ClientSettings extends ConnectionSettings {
  readonly timeout: number;
  readonly maxConns: number;
  readonly connectionMaxIdleTime: number;
  readonly queryExecMode?: string | undefined;
}

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

const defaultConnections = 10;

/**
 * Opens a component's view of a database. Components of one process with the same settings share their connections.
 * Rejects with `openFailed`, or as `setUp` does, which may make tables; nothing is left open then.
 */
export async function openClient(
  settings: ClientSettings,
  context: OpenContext,
  setUp: (client: Client) => Promise<void> = async () => {},
): Promise<Client> {
  const address = parseConnection(settings);
  if (address.ignored.length > 0) {
    context.log.warn(`connectionString: ${address.ignored.join(", ")} is ignored; use the settings of the component`);
  }
  const mode = settings.queryExecMode ?? address.queryExecMode ?? "cache_statement";
  if (mode === "simple_protocol") {
    context.log.info("queryExecMode simple_protocol: parameters need the extended protocol, so this is done as exec");
  }
  const timeoutMs = settings.timeout > 0 ? settings.timeout : 20_000;
  const pool = await connectPool(address, settings, timeoutMs, context);
  const client = new Client(pool, timeoutMs, mode === "cache_statement", context);
  try {
    await setUp(client);
    return client;
  } catch (error) {
    await client.close();
    throw codeOf(error) === undefined ? error : openFailure(error, triedOf(address, timeoutMs));
  }
}

async function connectPool(
  address: Address,
  settings: ClientSettings,
  timeoutMs: number,
  context: OpenContext,
): Promise<SharedPool> {
  const ssl = await tlsOptions(address);
  const ways = ssl !== false && mayGoWithoutTls(address) ? [ssl, false] : [ssl];
  let first: unknown;
  for (const way of ways) {
    const pool = await SharedPool.acquire(
      {
        address: { ...address, sslMode: way === false ? "disable" : address.sslMode },
        client: clientConfig(address, way),
        maxConnections: settings.maxConns || address.poolMaxConns || defaultConnections,
        maxIdleMs: settings.connectionMaxIdleTime,
        connectTimeoutMs: address.connectTimeoutMs ?? timeoutMs,
      },
      context.clock,
    );
    try {
      pool.giveBack(await unlessAborted(pool, context.signal), false);
      return pool;
    } catch (error) {
      await pool.release();
      context.signal.throwIfAborted();
      first ??= error;
    }
  }
  throw openFailure(first, triedOf(address, timeoutMs));
}

function clientConfig(address: Address, ssl: ClientConfig["ssl"]): ClientConfig {
  const { host, hostaddr, port, database, user, password, applicationName, options } = address;
  const given = {
    host: hostaddr ?? host,
    port,
    database,
    user,
    password,
    application_name: applicationName ?? "mecha",
    options,
  };
  return {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as ClientConfig),
    ...(ssl === undefined ? {} : { ssl }),
    keepAlive: true,
    pipeline: true,
    // Texts as the server writes them; each statement's reader knows what its columns are.
    types: { getTypeParser: () => (value: string) => value },
  } as ClientConfig;
}

function triedOf(address: Address, timeoutMs: number) {
  const { env } = process;
  const user = address.user ?? env["PGUSER"] ?? env["USER"] ?? "";
  return {
    host: address.hostaddr ?? address.host ?? env["PGHOST"] ?? "localhost",
    port: address.port ?? Number(env["PGPORT"] ?? 5432),
    database: address.database ?? env["PGDATABASE"] ?? user,
    user,
    timeoutMs: address.connectTimeoutMs ?? timeoutMs,
  };
}

/** A connection, or a rejection as soon as the signal aborts. */
function unlessAborted(pool: SharedPool, signal: AbortSignal | undefined): Promise<Connection> {
  const connecting = pool.connect();
  if (!signal) return connecting;
  return new Promise((resolve, reject) => {
    let left = false;
    const leave = () => {
      left = true;
      reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    connecting.then(
      (connection) => {
        signal.removeEventListener("abort", leave);
        if (left) pool.giveBack(connection, false);
        else resolve(connection);
      },
      (error) => {
        signal.removeEventListener("abort", leave);
        reject(error);
      },
    );
  });
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
    const connection = await unlessAborted(this.#pool, signal);
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
