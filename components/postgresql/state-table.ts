import { fail } from "../../specs/errors.ts";
import { prefixEnd } from "../contract/byte-order.ts";
import type { Call } from "../contract/driver.ts";
import type { ListPage, ListRequest, StateEntry, StateOperation } from "../contract/state.ts";
import type { Client, Statement } from "./client.ts";
import { codeOf } from "./failures.ts";

/** What one version of the published layout calls its columns, and how it keeps a value. */
export interface Layout {
  /** As SQL writes it. */
  readonly table: string;
  readonly updated: string;
  readonly expires: string;
  /** Columns of a value, each with the type its parameter is cast to. */
  readonly value: readonly { readonly column: string; readonly type: string }[];
  /** What reads a value back, in the order of `fromRow`. */
  readonly selected: readonly string[];
  readonly etag: string;
  /** Compares the etag of a row with a parameter. */
  hasEtag(parameter: string): string;
  /** Further assignments of a write over an old row. */
  readonly renew: readonly string[];
  /** Parameters of a value. */
  toColumns(data: Uint8Array): readonly unknown[];
  fromColumns(columns: readonly unknown[]): Uint8Array;
  /** Throws when no row can have this etag. */
  checkEtag(key: string, etag: string): void;
}

type Condition = "none" | "etag" | "absent";

/** The statements of one state table. Keys are compared and ordered by their bytes. */
export class StateTable {
  readonly #client: Client;
  readonly #layout: Layout;
  readonly #get: string;
  readonly #getMany: string;
  readonly #set: Readonly<Record<Condition, string>>;
  readonly #delete: Readonly<Record<Condition, string>>;

  constructor(client: Client, layout: Layout) {
    const { table, etag, expires, updated, selected, value, renew } = layout;
    this.#client = client;
    this.#layout = layout;
    const row = `${[...selected, etag].join(", ")}, (extract(epoch FROM ${expires}) * 1000)::float8`;
    const live = `(${expires} IS NULL OR ${expires} > now())`;
    this.#get = `SELECT ${row} FROM ${table} WHERE key = $1 AND ${live}`;
    this.#getMany = `SELECT ${row}, key FROM ${table} WHERE key = ANY($1::text[]) AND ${live}`;
    const columns = value.map(({ column }) => column);
    const parameters = value.map(({ type }, at) => `$${at + 3}::${type}`);
    const end = "now() + $2::float8 * interval '1 second'";
    const etagParameter = `$${value.length + 3}`;
    const insert = `INSERT INTO ${table} AS old (key, ${expires}, ${columns.join(", ")}) VALUES ($1, ${end}, ${parameters.join(", ")})
      ON CONFLICT (key) DO UPDATE SET ${[expires, ...columns].map((one) => `${one} = excluded.${one}`).join(", ")},
      ${[`${updated} = now()`, ...renew].join(", ")}`;
    this.#set = {
      none: insert,
      absent: `${insert} WHERE old.${expires} <= now()`,
      etag: `UPDATE ${table} SET ${expires} = ${end}, ${columns.map((one, at) => `${one} = ${parameters[at]}`).join(", ")},
        ${[`${updated} = now()`, ...renew].join(", ")} WHERE key = $1 AND ${layout.hasEtag(etagParameter)} AND ${live}`,
    };
    this.#delete = {
      none: `DELETE FROM ${table} WHERE key = $1`,
      absent: `SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE key = $1 AND ${live})`,
      etag: `DELETE FROM ${table} WHERE key = $1 AND ${layout.hasEtag("$2")} AND ${live}`,
    };
  }

  async find(key: string, call: Call): Promise<StateEntry | undefined> {
    const { rows } = await this.#client.read(this.#get, [key], call);
    return rows[0] && this.#entry(rows[0]);
  }

  async findMany(keys: readonly string[], call: Call): Promise<readonly (StateEntry | undefined)[]> {
    if (keys.length === 0) return [];
    const { rows } = await this.#client.read(this.#getMany, [[...new Set(keys)]], call);
    const found = new Map(rows.map((row) => [row.at(-1) as string, this.#entry(row)]));
    return keys.map((key) => found.get(key));
  }

  #entry(row: readonly unknown[]): StateEntry {
    const count = this.#layout.selected.length;
    const data = this.#layout.fromColumns(row);
    const etag = row[count] as string;
    const end = row[count + 1];
    return end === null ? { data, etag } : { data, etag, expiresAt: Math.round(Number(end)) };
  }

  /** Throws `etagMismatch` when the condition of the write is not met; nothing is changed then. */
  async apply(operation: StateOperation, call: Call): Promise<void> {
    const { sql, values, condition } = this.#toStatement(operation);
    const { count } = await this.#client.write(sql, values, call);
    if (count === 0 && condition !== "none") throw fail("etagMismatch", { key: operation.key });
  }

  /** All or none, in one round trip. */
  async applyAll(operations: readonly StateOperation[], call: Call): Promise<void> {
    const [only] = operations;
    if (!only) return;
    if (operations.length === 1) return this.apply(only, call);
    const statements = operations.map((operation): Statement => {
      const { sql, values, condition } = this.#toStatement(operation);
      return {
        sql: condition === "none" ? sql : refusing(sql, operation.kind === "delete" && condition === "absent"),
        values,
      };
    });
    await this.#client.transact(statements, call, {
      refine: (error, at) =>
        codeOf(error) === divisionByZero ? fail("etagMismatch", { key: operations[at]?.key ?? "" }) : error,
    });
  }

  #toStatement(operation: StateOperation): Statement & { readonly condition: Condition } {
    const { key, options } = operation;
    const { etag, concurrency } = options;
    const condition = etag !== undefined ? "etag" : concurrency === "first-write" ? "absent" : "none";
    if (etag !== undefined) this.#layout.checkEtag(key, etag);
    const last = etag === undefined ? [] : [etag];
    if (operation.kind === "delete") return { sql: this.#delete[condition], values: [key, ...last], condition };
    const { ttlSeconds } = operation.options;
    const values = [key, ttlSeconds ?? null, ...this.#layout.toColumns(operation.data), ...last];
    return { sql: this.#set[condition], values, condition };
  }

  async list({ prefix, cursor, limit }: ListRequest, call: Call): Promise<ListPage> {
    const { table, expires } = this.#layout;
    const end = prefixEnd(prefix);
    // Bounds that are not there must not be in the statement: an index is not read by a condition that may be empty.
    const { rows } = await this.#client.read(
      `SELECT key FROM ${table} WHERE key COLLATE "C" ${cursor === undefined ? ">=" : ">"} $1
        ${end === undefined ? "" : 'AND key COLLATE "C" < $3'} AND (${expires} IS NULL OR ${expires} > now())
        ORDER BY key COLLATE "C" LIMIT $2`,
      [cursor ?? prefix, limit + 1, ...(end === undefined ? [] : [end])],
      call,
    );
    const keys = rows.map(([key]) => key as string);
    if (keys.length <= limit) return { keys };
    const page = keys.slice(0, limit);
    return { keys: page, cursor: page.at(-1) };
  }
}

const divisionByZero = "22012";

/**
 * Fails where the statement changes nothing. All statements of a transaction are sent at once, so the server itself has
 * to stop at the first whose condition is not met.
 */
const refusing = (sql: string, isSelect: boolean) =>
  `WITH changed AS (${sql}${isSelect ? "" : " RETURNING 1"}) SELECT 1 / count(*) FROM changed`;
