import { fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import { numberOf } from "./failures.ts";
import { quoted } from "./names.ts";

/** Tables of a store, as settings name them. */
export interface Names {
  readonly schemaName: string;
  readonly tableName: string;
  readonly metadataTableName: string;
}

/** What opening has found out about the tables and the server. */
export interface Layout {
  /** As SQL writes them. */
  readonly table: string;
  readonly metadataTable: string;
  /** Keys are told apart and ordered by their bytes. */
  readonly isExact: boolean;
  /** Most characters of a key. */
  readonly maxKeyLength: number;
  /** The server's JSON is the text that was written. */
  readonly keepsText: boolean;
  /** Largest statement that the server takes, with its values. */
  readonly maxBytes: number;
}

interface Column {
  readonly type: string;
  readonly length: number;
  readonly collation: string | null;
}

/** Types of the published layout's columns, of which MariaDB calls JSON longtext. */
const columns: Readonly<Record<string, readonly string[]>> = {
  id: ["varchar", "varbinary", "char"],
  value: ["json", "longtext"],
  isbinary: ["tinyint", "bit"],
  etag: ["varchar", "char"],
  expiredate: ["timestamp", "datetime"],
};

/** Collations that compare bytes; the others that end in `_bin` leave spaces at the end out. */
const exactCollations = ["utf8mb4_0900_bin", "utf8mb4_nopad_bin"];

/** Makes what is missing of the tables; a user who may not do so can use what somebody else has made. */
export async function prepareLayout(client: Client, names: Names, { log }: OpenContext): Promise<Layout> {
  const schema = quoted("schemaName", names.schemaName);
  const table = `${schema}.${quoted("tableName", names.tableName)}`;
  const metadataTable = `${schema}.${quoted("metadataTableName", names.metadataTableName)}`;
  const { rows } = await client.read(
    `SELECT @@max_allowed_packet, @@version, (SELECT count(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?),
      (SELECT min(COLLATION_NAME) FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN (?, ?))`,
    [names.schemaName, ...exactCollations],
    {},
  );
  const [maxBytes, version, hasSchema, collation] = rows[0] ?? [];
  if (Number(hasSchema) === 0) await client.write(`CREATE DATABASE IF NOT EXISTS ${schema}`, [], {});
  const find = (name: string) => findColumns(client, names.schemaName, name);
  if ((await find(names.metadataTableName)).size === 0) await client.write(metadataSql(metadataTable), [], {});
  let found = await find(names.tableName);
  if (found.size === 0) {
    await client.write(tableSql(table, String(collation ?? "utf8mb4_bin")), [], {});
    found = await find(names.tableName);
  } else if (!found.has("expiredate")) {
    await addExpiry(client, table);
    found = await find(names.tableName);
  }
  checkColumns(table, found);
  const id = found.get("id");
  const isExact = id?.collation === null || exactCollations.includes(id?.collation ?? "");
  if (!isExact) {
    log.warn(
      `${table}: keys that ${id?.collation} takes for equal are one key; tell them apart by ALTER TABLE ${table} MODIFY id VARCHAR(${id?.length}) COLLATE ${collation ?? "utf8mb4_bin"} NOT NULL`,
    );
  }
  const keepsText = /mariadb/i.test(String(version));
  return { table, metadataTable, isExact, maxKeyLength: id?.length ?? 255, keepsText, maxBytes: Number(maxBytes) };
}

async function findColumns(client: Client, schema: string, table: string): Promise<ReadonlyMap<string, Column>> {
  const { rows } = await client.read(
    `SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, COLLATION_NAME FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`,
    [schema, table],
    {},
  );
  return new Map(
    rows.map(([name, type, length, collation]) => [
      String(name).toLowerCase(),
      { type: String(type).toLowerCase(), length: Number(length), collation: collation as string | null },
    ]),
  );
}

// The layout of other implementations; only the collation, which they leave to the server, is ours.
const tableSql = (table: string, collation: string) => `CREATE TABLE IF NOT EXISTS ${table} (
    id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE ${collation} NOT NULL PRIMARY KEY,
    value JSON NOT NULL,
    isbinary BOOLEAN NOT NULL,
    insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    eTag VARCHAR(36) NOT NULL,
    expiredate TIMESTAMP NULL DEFAULT NULL,
    INDEX expiredate_idx (expiredate)
  )`;

const metadataSql = (table: string) =>
  `CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR(255) NOT NULL PRIMARY KEY, value TEXT NOT NULL)`;

/** Earlier versions of the layout had no times to live. */
async function addExpiry(client: Client, table: string): Promise<void> {
  try {
    await client.write(
      `ALTER TABLE ${table} ADD COLUMN expiredate TIMESTAMP NULL DEFAULT NULL, ADD INDEX expiredate_idx (expiredate)`,
      [],
      {},
    );
  } catch (error) {
    // Somebody else was faster.
    if (numberOf(error) !== 1060) throw error;
  }
}

/** Fails with `openFailed` for a table that another program laid out differently. */
function checkColumns(table: string, found: ReadonlyMap<string, Column>): void {
  const problems = Object.entries(columns).flatMap(([name, types]) => {
    const column = found.get(name);
    if (column && types.includes(column.type)) return [];
    return [`column ${name} is ${column?.type ?? "missing"}, not ${types[0]}`];
  });
  if (problems.length === 0) return;
  throw fail("openFailed", {
    why: `table ${table} has another layout: ${problems.join(", ")}; name another table as tableName, or move this one away`,
  });
}
