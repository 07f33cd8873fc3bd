import { Type } from "typebox";
import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { defineLockStore, type LockRequest, type Unlocked } from "../contract/lock.ts";
import { text } from "../contract/settings.ts";
import type { Client } from "./client.ts";
import { migrate } from "./migrations.ts";
import { besideName, indexName, tableName } from "./names.ts";
import { openClient } from "./open-client.ts";
import { clientSettings } from "./settings.ts";

const sweepMs = 600_000;

export default defineLockStore({
  type: "lock.postgresql",
  aliases: ["lock.postgres"],
  status: "beta",
  summary: "Locks among sidecars that share a PostgreSQL database.",
  metadata: Type.Object({
    ...clientSettings,
    tableName: text({ default: "mecha_locks", description: "Table of the locks; may name its schema." }),
    metadataTableName: text({ default: "mecha_metadata", description: "Table that records the layout." }),
  }),
  capabilities: ["fencing"],
  async open(settings, context) {
    const table = tableName("tableName", settings.tableName);
    const tokens = besideName(table, "tokens");
    const client = await openClient(settings, context, (opened) =>
      migrate(opened, {
        metadataTable: settings.metadataTableName,
        key: `locks-${settings.tableName}`,
        steps: steps(table, tokens),
      }),
    );
    const sql = statements(table, tokens);
    const stopSweeping = sweepEvery(client, table, context);
    const { read, write } = { read: client.read.bind(client), write: client.write.bind(client) };
    return {
      async tryLock({ resource, owner, expirySeconds }, call) {
        const { count } = await write(sql.take, [resource, owner, expirySeconds, table], call);
        return count === 1;
      },
      async unlock(resource, owner, call): Promise<Unlocked> {
        const { rows } = await write(sql.release, [resource, owner], call);
        return (rows[0]?.[0] as Unlocked | undefined) ?? "missing";
      },
      async renew({ resource, owner, expirySeconds }: LockRequest, call) {
        const { count } = await write(sql.renew, [resource, owner, expirySeconds], call);
        return count === 1;
      },
      async fencingToken(resource, owner, call) {
        const { rows } = await read(sql.find, [resource, owner], call);
        return rows[0] && BigInt(rows[0][0] as string);
      },
      ping: async (call) => void (await read("SELECT 1", [], call)),
      async close() {
        await stopSweeping();
        await client.close();
      },
    };
  },
});

// One sequence for all resources: it grows for each of them, and ended locks need not be remembered.
const steps = (table: string, tokens: string): readonly string[] => [
  `CREATE SEQUENCE IF NOT EXISTS ${tokens};
  CREATE TABLE IF NOT EXISTS ${table} (
    resource text COLLATE "C" NOT NULL PRIMARY KEY,
    owner text NOT NULL,
    token bigint NOT NULL,
    ends_at timestamptz NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${indexName(table, "ends_at")} ON ${table} (ends_at)`,
];

/** `clock_timestamp` and not `now`: a statement may have waited for another one. */
const statements = (table: string, tokens: string) => ({
  // Tries for one resource stand in line, so that the one who gets the lock later has the greater token.
  take: `WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended($4 || '/' || $1, 0)))
    INSERT INTO ${table} AS held (resource, owner, token, ends_at)
      SELECT $1, $2, nextval('${tokens.replaceAll("'", "''")}'), clock_timestamp() + $3::float8 * interval '1 second'
        FROM (SELECT count(*) FROM turn) AS mine
      ON CONFLICT (resource) DO UPDATE
        SET owner = excluded.owner, token = excluded.token, ends_at = excluded.ends_at
        WHERE held.ends_at <= clock_timestamp()`,
  release: `WITH gone AS
      (DELETE FROM ${table} WHERE resource = $1 AND owner = $2 AND ends_at > clock_timestamp() RETURNING 'released')
    SELECT * FROM gone UNION ALL
    SELECT 'foreign' FROM ${table}
      WHERE resource = $1 AND ends_at > clock_timestamp() AND NOT EXISTS (SELECT 1 FROM gone)`,
  renew: `UPDATE ${table} SET ends_at = clock_timestamp() + $3::float8 * interval '1 second'
    WHERE resource = $1 AND owner = $2 AND ends_at > clock_timestamp()`,
  find: `SELECT token FROM ${table} WHERE resource = $1 AND owner = $2 AND ends_at > clock_timestamp()`,
});

/** Deletes ended locks now and then. The returned function ends that and settles when nothing goes on. */
function sweepEvery(client: Client, table: string, { clock, log }: OpenContext): () => Promise<void> {
  let stopped = false;
  let running = Promise.resolve();
  let cancel = () => {};
  const later = () => {
    cancel = clock.after(sweepMs, () => {
      running = client
        .write(`DELETE FROM ${table} WHERE ends_at <= clock_timestamp()`, [], {})
        .then(() => {})
        .catch((error: unknown) => log.warn(`ended locks could not be deleted: ${causeText(error)}`))
        .finally(() => stopped || later());
    });
  };
  later();
  return async () => {
    stopped = true;
    cancel();
    await running;
  };
}
