import pg from "pg";
import postgresqlBinding from "../../components/postgresql/bindings.ts";
import postgresqlConfiguration from "../../components/postgresql/configuration.ts";
import postgresqlLock from "../../components/postgresql/lock.ts";
import postgresqlPubsub from "../../components/postgresql/pubsub.ts";
import postgresqlState from "../../components/postgresql/state.ts";
import postgresqlStateV2 from "../../components/postgresql/state.v2.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { ConfigurationTarget } from "./configuration.suite.ts";
import type { LockTarget } from "./lock.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import type { StateTarget } from "./state.suite.ts";

// PostgreSQL keeps its own time, and one server serves all targets.
const shared = { isMissing: !(await requireService("postgres")), time: "backend" } as const;
const settings =
  (more: Readonly<Record<string, string>> = {}) =>
  async () => ({ ...(await startServer("postgres")).settings, ...more });

export const postgresqlStateTargets: Readonly<Record<string, StateTarget>> = {
  "state.postgresql": { driver: postgresqlState, ...shared, settings: settings() },
  "state.postgresql without prepared statements": {
    driver: postgresqlState,
    ...shared,
    settings: settings({ queryExecMode: "exec", tableName: "unprepared" }),
  },
  "state.postgresql v2": { driver: postgresqlStateV2, ...shared, settings: settings({ tablePrefix: "v2_" }) },
};

export const postgresqlPubsubTarget: PubsubTarget = {
  driver: postgresqlPubsub,
  ...shared,
  settings: settings({ redeliverInterval: "50ms" }),
};

export const postgresqlLockTarget: LockTarget = { driver: postgresqlLock, ...shared, settings: settings() };

/** Runs statements as the owner of the data would. */
async function run(...statements: readonly (readonly [sql: string, values?: readonly unknown[]])[]): Promise<void> {
  const { connectionString } = (await startServer("postgres")).settings;
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    for (const [sql, values] of statements) await client.query(sql, values && [...values]);
  } finally {
    await client.end();
  }
}

// The table and the trigger that the contract leaves to the owner of the data.
const itemsTable = `CREATE TABLE IF NOT EXISTS items (
    key VARCHAR NOT NULL, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON NOT NULL, PRIMARY KEY (key, version)
  );
  CREATE OR REPLACE FUNCTION notify_items() RETURNS TRIGGER AS $$
    DECLARE item JSON;
    BEGIN
      IF TG_OP = 'DELETE' THEN item = row_to_json(OLD); ELSE item = row_to_json(NEW); END IF;
      PERFORM pg_notify('items_changed', json_build_object('table', TG_TABLE_NAME, 'action', TG_OP, 'data', item)::text);
      RETURN NULL;
    END $$ LANGUAGE plpgsql;
  CREATE OR REPLACE TRIGGER items_changed AFTER INSERT OR UPDATE OR DELETE ON items
    FOR EACH ROW EXECUTE FUNCTION notify_items()`;

let tableMade: Promise<void> | undefined;

export const postgresqlConfigurationTarget: ConfigurationTarget = {
  driver: postgresqlConfiguration,
  ...shared,
  settings: async () => {
    tableMade ??= run([itemsTable]);
    await tableMade;
    return settings({ table: "items", notifyChannel: "items_changed" })();
  },
  put: (items) =>
    run(
      ...Object.entries(items).map(
        ([key, { value, version }]) =>
          [
            `INSERT INTO items VALUES ($1::text, $2, coalesce($3, (SELECT count(*) + 1 FROM items WHERE key = $1::text)::text), '{}')`,
            [key, value, version ?? null],
          ] as const,
      ),
    ),
  remove: (keys) => run(["DELETE FROM items WHERE key = ANY($1)", [keys]]),
};

export const postgresqlBindingTarget: BindingTarget = {
  driver: postgresqlBinding,
  isMissing: shared.isMissing,
  prepare: settings(),
  output: {
    request: {
      operation: "query",
      data: Buffer.alloc(0),
      metadata: { sql: "SELECT n, 'x' || n FROM generate_series(1, $1::int) AS n", params: "[2]" },
    },
    answer: '[[1,"x1"],[2,"x2"]]',
  },
};
