import { fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { durationMs, text } from "../contract/settings.ts";
import type { GetOptions, SetOptions, StateOperation, StateStore, WriteOptions } from "../contract/state.ts";
import type { Client } from "./client.ts";
import { codeOf } from "./failures.ts";
import { migrate } from "./migrations.ts";
import { indexName, tableName } from "./names.ts";
import { openClient } from "./open-client.ts";
import type { ClientSettings } from "./settings.ts";
import { type Layout, StateTable } from "./state-table.ts";
import { sweepEvery } from "./state-upkeep.ts";

/** Settings of both versions. */
export const stateSettings = {
  metadataTableName: text({ default: "dapr_metadata", description: "Table that records the layout." }),
  cleanupInterval: durationMs({
    default: 3_600_000,
    unit: "s",
    description: "How often ended values are deleted; 0: never.",
  }),
};

export interface StateSettings extends ClientSettings {
  readonly metadataTableName: string;
  readonly cleanupInterval: number;
}

export interface StateParts {
  readonly layout: Layout;
  /** SQL that makes the table. */
  readonly steps: readonly string[];
  /** What the metadata table calls the layout of this table, and the last deletion of ended values. */
  readonly migrationKey: string;
  readonly cleanupKey: string;
}

/** What both versions of the published layout do alike. */
export async function openState(settings: StateSettings, parts: StateParts, context: OpenContext) {
  const { layout, steps, migrationKey, cleanupKey } = parts;
  const metadataTable = settings.metadataTableName;
  const client = await openClient(settings, context, async (opened) => {
    try {
      await migrate(opened, { metadataTable, key: migrationKey, steps });
    } catch (error) {
      if (codeOf(error) === undefinedColumn) await checkColumns(opened, layout);
      throw error;
    }
    await checkColumns(opened, layout);
    await indexBytes(opened, layout.table, context);
  });
  const table = new StateTable(client, layout);
  const stopSweeping = sweepEvery(
    client,
    {
      table: layout.table,
      expires: layout.expires,
      metadataTable: tableName("metadataTableName", metadataTable),
      key: cleanupKey,
      intervalMs: settings.cleanupInterval,
    },
    context,
  );
  const store = {
    get: (key: string, _options: GetOptions, call: Call) => table.find(key, call),
    set: (key: string, data: Uint8Array, options: SetOptions, call: Call) =>
      table.apply({ kind: "set", key, data, options }, call),
    delete: (key: string, options: WriteOptions, call: Call) => table.apply({ kind: "delete", key, options }, call),
    transact: (operations: readonly StateOperation[], call: Call) => table.applyAll(operations, call),
    getMany: (keys: readonly string[], _options: GetOptions, call: Call) => table.findMany(keys, call),
    list: (request, call) => table.list(request, call),
    ping: async (call: Call) => void (await client.read("SELECT 1", [], call)),
    async close() {
      await stopSweeping();
      await client.close();
    },
  } satisfies StateStore & Record<string, unknown>;
  return { client, store };
}

const undefinedColumn = "42703";

/** Fails with `openFailed` for a table that another program laid out differently. */
async function checkColumns(client: Client, { table, value, updated, expires }: Layout): Promise<void> {
  const { rows } = await client.read(
    `SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [table],
    {},
  );
  const types = new Map(rows as readonly (readonly [string, string])[]);
  const wanted = [
    ...value.map(({ column, type }) => [column, type] as const),
    ...[updated, expires].map((column) => [column, "timestamp with time zone"] as const),
  ];
  const problems = wanted
    .filter(([column, type]) => types.get(column) !== type)
    .map(([column, type]) => `column ${column} is ${types.get(column) ?? "missing"}, not ${type}`);
  if (!types.has("key")) problems.unshift("column key is missing");
  if (problems.length === 0) return;
  throw fail("openFailed", {
    why: `table ${table} has another layout: ${problems.join(", ")}; name another table, or move this one away`,
  });
}

/** Listing needs an index in the order of bytes; tables of our own have it as their key, tables of others may not. */
async function indexBytes(client: Client, table: string, { log }: OpenContext): Promise<void> {
  const { rows } = await client.read(
    `SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indrelid = $1::regclass AND a.attname = 'key' AND i.indcollation[0] = 'pg_catalog."C"'::regcollation`,
    [table],
    {},
  );
  if (rows.length > 0) return;
  try {
    await client.write(
      `CREATE INDEX IF NOT EXISTS ${indexName(table, "key_bytes")} ON ${table} (key COLLATE "C")`,
      [],
      {},
    );
  } catch (error) {
    if (codeOf(error) !== "42501") throw error;
    log.warn(`listing keys of ${table} reads the whole table: its owner can add an index on (key COLLATE "C")`);
  }
}
