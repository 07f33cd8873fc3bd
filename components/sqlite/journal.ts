import { fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";
import type { Journal, JournalCommit, JournalRange, JournalRecord } from "../contract/journal.ts";
import { type Client, quoted } from "./client.ts";

/** Steps that make the tables of a journal. */
export const journalSteps = (table: string): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS ${quoted(table)} (
    space TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (space, key)
  ) WITHOUT ROWID`,
  // Versions must grow in a space even after all its records are gone.
  `CREATE TABLE IF NOT EXISTS ${quoted(`${table}_versions`)} (space TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID`,
];

/** Bytes sort behind every text in SQLite, so they stand for "no end". */
const noEnd = new Uint8Array();

type Row = readonly [key: string, data: Uint8Array, version: bigint];
const toRecord = ([key, data, version]: Row): JournalRecord => ({ key, data, version });

/** A journal in tables of a SQLite file. Commits of one turn of the event loop share one transaction and one write to the disk. */
export function openJournal(client: Client, table: string): Journal {
  const [records, versions] = [quoted(table), quoted(`${table}_versions`)];
  const get = client.prepare(`SELECT key, data, version FROM ${records} WHERE space = ? AND key = ?`);
  const scan = client.prepare(
    `SELECT key, data, version FROM ${records} WHERE space = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
  );
  const versionOf = client.prepare(`SELECT version FROM ${records} WHERE space = ? AND key = ?`);
  const advance = client.prepare(
    `INSERT INTO ${versions} (space, version) VALUES (?, 1) ON CONFLICT (space) DO UPDATE SET version = version + 1
      RETURNING version`,
  );
  const put = client.prepare(
    `INSERT INTO ${records} (space, key, data, version) VALUES (?, ?, ?, ?)
      ON CONFLICT (space, key) DO UPDATE SET data = excluded.data, version = excluded.version`,
  );
  const remove = client.prepare(`DELETE FROM ${records} WHERE space = ? AND key = ?`);
  for (const statement of [get, scan]) statement.setReturnArrays(true);
  for (const statement of [get, scan, versionOf, advance]) statement.setReadBigInts(true);
  const run = (space: string, { conditions = [], writes }: JournalCommit): bigint => {
    for (const { key, version } of conditions) {
      const found = versionOf.get(space, key) as { readonly version: bigint } | undefined;
      if (found?.version !== version) throw fail("journalConflict", { space, key });
    }
    const { version } = advance.get(space) as { readonly version: bigint };
    for (const { key, data } of writes) {
      if (data) put.run(space, key, data, version);
      else remove.run(space, key);
    }
    return version;
  };
  return {
    read: (space, keys, call) =>
      client.read(
        () =>
          keys.map((key) => {
            const row = get.get(space, key) as unknown as Row | undefined;
            return row && toRecord(row);
          }),
        call,
      ),
    scan: (space: string, { from, to, limit }: JournalRange, call: Call) =>
      client.read(() => (scan.all(space, from, to ?? noEnd, limit) as unknown as Row[]).map(toRecord), call),
    commit: (space, commit, call) => client.write(() => run(space, commit), call, { atomic: true }),
  };
}
