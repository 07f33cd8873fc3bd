import type { ClientConfig } from "pg";
import type { OpenContext } from "../contract/driver.ts";
import { Client } from "./client.ts";
import { type Address, parseConnection } from "./connection-string.ts";
import { codeOf, isWithoutTls, openFailure } from "./failures.ts";
import { SharedPool } from "./pool.ts";
import type { ClientSettings } from "./settings.ts";
import { mayGoWithoutTls, tlsOptions } from "./tls.ts";

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
  let failure: unknown;
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
      pool.giveBack(await pool.connect(context.signal), false);
      return pool;
    } catch (error) {
      await pool.release();
      context.signal.throwIfAborted();
      // Where TLS was not offered the reason is that of the way without it; else the first way tells more.
      if (failure === undefined || isWithoutTls(failure)) failure = error;
    }
  }
  throw openFailure(failure, triedOf(address, timeoutMs));
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
