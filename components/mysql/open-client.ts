import type { ConnectionOptions } from "mysql2";
import type { OpenContext } from "../contract/driver.ts";
import { Client } from "./client.ts";
import { type Address, parseConnection } from "./connection-string.ts";
import { isWithoutTls, numberOf, openFailure, type Tried } from "./failures.ts";
import { Pool } from "./pool.ts";
import type { SessionOptions } from "./session.ts";
import { type Tls, tlsWays } from "./tls.ts";

export interface ClientOptions {
  /** Name of the setting with the connection string, and its value. */
  readonly setting: string;
  readonly connection: string;
  readonly pemPath?: string | undefined;
  /** Longest time of one call. */
  readonly timeoutMs: number;
  readonly maxOpen: number;
  readonly maxIdle: number;
  readonly maxIdleMs: number;
  readonly maxLifeMs: number;
  /** SQL that each connection begins with. */
  readonly prelude: readonly string[];
}

/** Longest time to connect, where the connection string does not say it. */
const connectMs = 10_000;

/**
 * Opens a component's way to its server. Rejects with `openFailed`, or as `setUp` does, which may make tables; nothing is
 * left open then.
 */
export async function openClient<T>(
  options: ClientOptions,
  context: OpenContext,
  setUp: (client: Client) => Promise<T>,
): Promise<{ readonly client: Client; readonly address: Address; readonly made: T }> {
  const { setting, timeoutMs } = options;
  const address = parseConnection(setting, options.connection);
  if (address.ignored.length > 0) {
    context.log.info(`${setting}: ${address.ignored.join(", ")} has no effect here`);
  }
  const tried: Tried = {
    ...address,
    setting,
    user: address.user ?? "",
    database: address.database,
    timeoutMs: address.connectTimeoutMs ?? Math.min(connectMs, timeoutMs),
  };
  const pool = await connectPool(address, options, tried, context);
  const client = new Client(pool, timeoutMs, context);
  try {
    return { client, address, made: await setUp(client) };
  } catch (error) {
    await client.close();
    context.signal.throwIfAborted();
    throw numberOf(error) === undefined ? error : openFailure(error, tried);
  }
}

async function connectPool(
  address: Address,
  options: ClientOptions,
  tried: Tried,
  { clock, signal }: OpenContext,
): Promise<Pool> {
  let failure: unknown;
  for (const tls of await tlsWays(address, options.pemPath)) {
    const session = sessionOptions(address, tls, options, tried.timeoutMs);
    const pool = new Pool({ ...options, session, clock });
    try {
      pool.giveBack(await pool.take(signal), false);
      return pool;
    } catch (error) {
      await pool.close();
      signal.throwIfAborted();
      // Where TLS was not offered the reason is that of the way without it; else the first way tells more.
      if (failure === undefined || isWithoutTls(failure)) failure = error;
    }
  }
  throw openFailure(failure, tried);
}

function sessionOptions(
  address: Address,
  tls: Tls | undefined,
  { prelude }: ClientOptions,
  connectTimeout: number,
): SessionOptions {
  const { host, port, user, password, database } = address;
  const place = host.startsWith("/") ? { socketPath: host } : { host, port };
  const client: ConnectionOptions = {
    ...place,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(tls ? { ssl: tls.options } : {}),
    connectTimeout,
    multipleStatements: address.multiStatements,
    enableCleartextPlugin: address.allowCleartextPasswords,
    flags: [address.clientFoundRows ? "+FOUND_ROWS" : "-FOUND_ROWS"],
    // Values with all their digits, as the server writes them.
    dateStrings: true,
    jsonStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    connectAttributes: { program_name: "mecha" },
  };
  const variables = address.variables.map((one) => `SET SESSION ${one}`);
  return {
    client,
    verifiedName: tls?.verifiesName ? host : undefined,
    prelude: [...variables, ...prelude],
  };
}
