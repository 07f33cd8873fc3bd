import type { StatementSync } from "node:sqlite";
import { fail } from "../../specs/errors.ts";
import { prefixEnd } from "../contract/byte-order.ts";
import type { Candidate } from "../contract/query.ts";
import type { SetOptions, StateEntry, StateOperation, WriteOptions } from "../contract/state.ts";
import { type Client, quoted } from "./client.ts";
import { fromRow, type Row, type StoredValue, toStored, toTimestamp } from "./rows.ts";

/** SQL that makes a state table in the published layout, for `Client.migrate`. */
export const stateTableSteps = (table: string): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS ${quoted(table)} (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    is_binary BOOLEAN NOT NULL,
    etag TEXT NOT NULL,
    expiration_time TIMESTAMP DEFAULT NULL,
    update_time TIMESTAMP NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${quoted(`${table}_expiration`)} ON ${quoted(table)} (expiration_time)
    WHERE expiration_time IS NOT NULL`,
];

/** A write whose value is encoded already, so that the transaction it waits for is short. */
export type PreparedWrite =
  | { readonly kind: "set"; readonly key: string; readonly value: StoredValue; readonly options: SetOptions }
  | { readonly kind: "delete"; readonly key: string; readonly options: WriteOptions };

export function prepareWrite(operation: StateOperation): PreparedWrite {
  if (operation.kind === "delete") return operation;
  const { key, data, options } = operation;
  return { kind: "set", key, value: toStored(data), options };
}

const live = "(expiration_time IS NULL OR expiration_time > ?)";
const assign = "value = ?, is_binary = ?, etag = ?, expiration_time = ?, update_time = ?";

/** The statements of one state table. All run at once; `Client` decides when. */
export class StateTable {
  readonly #get: StatementSync;
  readonly #upsert: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteVersion: StatementSync;
  readonly #deleteEnded: StatementSync;
  readonly #isLive: StatementSync;
  readonly #keysFrom: StatementSync;
  readonly #keysAfter: StatementSync;
  readonly #jsonFrom: StatementSync;
  readonly #jsonAfter: StatementSync;
  readonly #newEtag: () => string;

  /** Throws when the table has another layout. */
  constructor(client: Client, name: string, newEtag: () => string) {
    const table = quoted(name);
    const columns = "(key, value, is_binary, etag, expiration_time, update_time) VALUES (?, ?, ?, ?, ?, ?)";
    const overwrite = `ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_binary = excluded.is_binary,
      etag = excluded.etag, expiration_time = excluded.expiration_time, update_time = excluded.update_time`;
    const page = (what: string, from: string, and = "") =>
      client.prepare(
        `SELECT ${what} FROM ${table} WHERE key ${from} ? AND key < ? AND ${live}${and} ORDER BY key LIMIT ?`,
      );
    this.#newEtag = newEtag;
    this.#get = client.prepare(`SELECT value, is_binary, etag, expiration_time FROM ${table} WHERE key = ?`);
    this.#upsert = client.prepare(`INSERT INTO ${table} ${columns} ${overwrite}`);
    this.#insert = client.prepare(`INSERT INTO ${table} ${columns} ${overwrite} WHERE NOT ${live}`);
    this.#update = client.prepare(`UPDATE ${table} SET ${assign} WHERE key = ? AND etag = ? AND ${live}`);
    this.#delete = client.prepare(`DELETE FROM ${table} WHERE key = ?`);
    this.#deleteVersion = client.prepare(`DELETE FROM ${table} WHERE key = ? AND etag = ? AND ${live}`);
    this.#deleteEnded = client.prepare(
      `DELETE FROM ${table} WHERE key IN
        (SELECT key FROM ${table} WHERE expiration_time IS NOT NULL AND expiration_time <= ? LIMIT ?)`,
    );
    this.#isLive = client.prepare(`SELECT 1 FROM ${table} WHERE key = ? AND ${live}`);
    this.#keysFrom = page("key", ">=");
    this.#keysAfter = page("key", ">");
    this.#jsonFrom = page("key, value, etag", ">=", " AND is_binary = 0");
    this.#jsonAfter = page("key, value, etag", ">", " AND is_binary = 0");
    for (const statement of [this.#get, this.#keysFrom, this.#keysAfter]) statement.setReturnArrays(true);
  }

  find(key: string, now: number): StateEntry | undefined {
    const row = this.#get.get(key) as unknown as Row | undefined;
    return row && fromRow(row, now);
  }

  /** Throws `etagMismatch` when the condition of the write is not met; nothing is changed then. */
  apply(write: PreparedWrite, now: number): void {
    const changes = write.kind === "set" ? this.#put(write, now) : this.#remove(write, now);
    if (changes === 0) throw fail("etagMismatch", { key: write.key });
  }

  #put({ key, value, options }: PreparedWrite & { readonly kind: "set" }, now: number): number {
    const { etag, concurrency, ttlSeconds } = options;
    const end = ttlSeconds === undefined ? null : toTimestamp(now + ttlSeconds * 1000);
    const nowText = toTimestamp(now);
    const { text, isBinary } = value;
    const next = this.#newEtag();
    if (etag !== undefined) {
      return Number(this.#update.run(text, isBinary, next, end, nowText, key, etag, nowText).changes);
    }
    if (concurrency === "first-write") {
      return Number(this.#insert.run(key, text, isBinary, next, end, nowText, nowText).changes);
    }
    return Number(this.#upsert.run(key, text, isBinary, next, end, nowText).changes);
  }

  #remove({ key, options }: PreparedWrite, now: number): number {
    const { etag, concurrency } = options;
    if (etag !== undefined) return Number(this.#deleteVersion.run(key, etag, toTimestamp(now)).changes);
    if (concurrency === "first-write") return this.#isLive.get(key, toTimestamp(now)) ? 0 : 1;
    this.#delete.run(key);
    return 1;
  }

  /** At most `limit` live keys with the prefix, in byte order, behind `after` where it is given. */
  keys(prefix: string, after: string | undefined, limit: number, now: number): string[] {
    const [statement, start] = after === undefined ? [this.#keysFrom, prefix] : [this.#keysAfter, after];
    const rows = statement.all(start, end(prefix), toTimestamp(now), limit) as unknown as readonly [string][];
    return rows.map(([key]) => key);
  }

  /** Like `keys`, the entries that may hold JSON. */
  candidates(prefix: string, after: string | undefined, limit: number, now: number): readonly Candidate[] {
    const [statement, start] = after === undefined ? [this.#jsonFrom, prefix] : [this.#jsonAfter, after];
    return statement
      .all(start, end(prefix), toTimestamp(now), limit)
      .map((row) => ({ key: String(row["key"]), data: String(row["value"]), etag: String(row["etag"]) }));
  }

  /** Deletes at most `limit` values that have ended; answers how many. */
  sweep(limit: number, now: number): number {
    return Number(this.#deleteEnded.run(toTimestamp(now), limit).changes);
  }
}

/** What no key with the prefix reaches. Bytes sort behind every text in SQLite, so they stand for "no end". */
const end = (prefix: string) => prefixEnd(prefix) ?? new Uint8Array();
