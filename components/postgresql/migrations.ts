import type { Client, Rows } from "./client.ts";
import { codeOf } from "./failures.ts";
import { tableName } from "./names.ts";

export interface Migration {
  /** Table that records how far a layout is, in its published form: key, value. */
  readonly metadataTable: string;
  /** Row of that table. */
  readonly key: string;
  /** SQL of each step, in order; a step may have been done by another program, so it says IF NOT EXISTS. */
  readonly steps: readonly string[];
}

type Query = (sql: string, values?: readonly unknown[]) => Promise<Rows>;

/** One number for all programs of ours: only one of them changes tables at a time. */
const lock = 0x6d65_6368;
/** Another program has made the same table at the same moment. */
const racing: ReadonlySet<string> = new Set(["23505", "42P07", "42701", "42710"]);

/**
 * Runs those steps that have not been run on this database. Where all have been, it only reads, so that a user without
 * the right to make tables can use what somebody else has made.
 */
export async function migrate(client: Client, migration: Migration): Promise<void> {
  const { key, steps } = migration;
  const table = tableName("metadataTableName", migration.metadataTable);
  const done = await client.converse((query) => level(query, table, key));
  if (done >= steps.length) return;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.converse((query) => run(query, table, migration));
      return;
    } catch (error) {
      if (attempt === 3 || !racing.has(codeOf(error) ?? "")) throw error;
    }
  }
}

async function level(query: Query, table: string, key: string): Promise<number> {
  const { rows } = await query("SELECT to_regclass($1) IS NOT NULL", [table]);
  if (rows[0]?.[0] !== "t") return 0;
  const found = await query(`SELECT value FROM ${table} WHERE key = $1`, [key]);
  return Number(found.rows[0]?.[0] ?? 0);
}

async function run(query: Query, table: string, { key, steps }: Migration): Promise<void> {
  await query("SELECT pg_advisory_xact_lock($1)", [lock]);
  await query(`CREATE TABLE IF NOT EXISTS ${table} (key text NOT NULL PRIMARY KEY, value text NOT NULL)`);
  const done = await level(query, table, key);
  for (const step of steps.slice(done)) await query(step);
  if (done >= steps.length) return;
  await query(
    `INSERT INTO ${table} (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    [key, String(steps.length)],
  );
}
