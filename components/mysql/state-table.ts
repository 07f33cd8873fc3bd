import { randomUUID } from "node:crypto";
import { fail } from "../../specs/errors.ts";
import { prefixEnd } from "../contract/byte-order.ts";
import type { Call, Clock } from "../contract/driver.ts";
import type { ListPage, ListRequest, StateEntry, StateOperation } from "../contract/state.ts";
import type { Client, Statement } from "./client.ts";
import type { Answer } from "./session.ts";
import type { Layout } from "./state-layout.ts";
import { fromStoredJson, toStoredJson } from "./state-rows.ts";

type Condition = "none" | "etag" | "absent";

interface Checked extends Statement {
  /** The condition of the write is not met. */
  refuses(answer: Answer): boolean;
}

/** So many keys are read by one statement. */
const readTogether = 1000;
/** What a statement has beside key and value. */
const overheadBytes = 1024;
/** The last second of the servers' timestamps, in 2038. */
const lastSecond = 2 ** 31 - 1;
// Seconds are whole in the published layout, so a value lives until the next one.
const end = "FROM_UNIXTIME(CEIL(UNIX_TIMESTAMP(NOW(6)) + ?))";
const live = "(expiredate IS NULL OR expiredate > NOW(6))";
const ended = "(expiredate IS NOT NULL AND expiredate <= NOW(6))";
const row = "value, isbinary, eTag, UNIX_TIMESTAMP(expiredate)";

/** The statements of one state table. */
export class StateTable {
  readonly #client: Client;
  readonly #layout: Layout;
  readonly #clock: Clock;

  constructor(client: Client, layout: Layout, clock: Clock) {
    this.#client = client;
    this.#layout = layout;
    this.#clock = clock;
  }

  async find(key: string, call: Call): Promise<StateEntry | undefined> {
    const { rows } = await this.#client.read(
      `SELECT ${row} FROM ${this.#layout.table} WHERE id = ? AND ${live}`,
      [key],
      call,
    );
    return rows[0] && toEntry(rows[0]);
  }

  async findMany(keys: readonly string[], call: Call): Promise<readonly (StateEntry | undefined)[]> {
    // Keys that the table takes for equal come back under one of their names.
    if (!this.#layout.isExact) return Promise.all(keys.map((key) => this.find(key, call)));
    const wanted = [...new Set(keys)];
    const found = new Map<string, StateEntry>();
    for (let at = 0; at < wanted.length; at += readTogether) {
      for (const [key, entry] of await this.#findSome(wanted.slice(at, at + readTogether), call)) found.set(key, entry);
    }
    return keys.map((key) => found.get(key));
  }

  async #findSome(keys: readonly string[], call: Call): Promise<readonly (readonly [string, StateEntry])[]> {
    // Few statements of different lengths are kept prepared.
    const length = 2 ** Math.ceil(Math.log2(keys.length));
    const { rows } = await this.#client.read(
      `SELECT ${row}, id FROM ${this.#layout.table} WHERE id IN (${Array(length).fill("?").join(", ")}) AND ${live}`,
      [...keys, ...Array<string>(length - keys.length).fill(keys[0] ?? "")],
      call,
    );
    return rows.map((one) => [textOf(one[4]), toEntry(one)]);
  }

  /** Throws `etagMismatch` when the condition of the write is not met; nothing is changed then. */
  async apply(operation: StateOperation, call: Call): Promise<void> {
    const { sql, values, refuses } = this.#toStatement(operation);
    if (refuses(await this.#client.write(sql, values, call))) throw fail("etagMismatch", { key: operation.key });
  }

  /** All or none. */
  async applyAll(operations: readonly StateOperation[], call: Call): Promise<void> {
    const [only] = operations;
    if (!only) return;
    if (operations.length === 1) return this.apply(only, call);
    const statements = operations.map((operation) => this.#toStatement(operation));
    await this.#client.transact(statements, call, (answer, at) => {
      if (statements[at]?.refuses(answer)) throw fail("etagMismatch", { key: operations[at]?.key ?? "" });
    });
  }

  #toStatement(operation: StateOperation): Checked {
    const { key, options } = operation;
    const { etag, concurrency } = options;
    const condition = etag !== undefined ? "etag" : concurrency === "first-write" ? "absent" : "none";
    if (operation.kind === "delete") return this.#toDeletion(key, condition, etag);
    const { maxKeyLength, maxBytes, keepsText } = this.#layout;
    const length = [...key].length;
    if (length > maxKeyLength) {
      throw fail("badRequest", { why: `key ${key} has ${length} characters; the table holds at most ${maxKeyLength}` });
    }
    const { json, isBinary } = toStoredJson(operation.data, keepsText);
    if (Buffer.byteLength(json) + Buffer.byteLength(key) + overheadBytes > maxBytes) {
      throw fail("badRequest", {
        why: `the value of ${key} has ${operation.data.length} bytes${isBinary ? ", a third more in base64" : ""}; the server takes statements of at most ${maxBytes}: raise its max_allowed_packet, or store less`,
      });
    }
    const { ttlSeconds } = operation.options;
    if (ttlSeconds !== undefined && this.#clock.now() / 1000 + ttlSeconds > lastSecond) {
      throw fail("requestMetadataInvalid", {
        key: "ttlInSeconds",
        why: `the value of ${key} would end after 2038, which the table cannot hold; leave ttlInSeconds out`,
      });
    }
    return this.#toWrite(key, [json, isBinary ? 1 : 0, randomUUID()], ttlSeconds, condition, etag);
  }

  #toWrite(
    key: string,
    value: readonly unknown[],
    ttlSeconds: number | undefined,
    condition: Condition,
    etag: string | undefined,
  ): Checked {
    const { table } = this.#layout;
    const [expires, seconds] = ttlSeconds === undefined ? ["NULL", []] : [end, [ttlSeconds]];
    if (condition === "etag") {
      return {
        sql: `UPDATE ${table} SET value = ?, isbinary = ?, eTag = ?, expiredate = ${expires} WHERE id = ? AND eTag = ? AND ${live}`,
        values: [...value, ...seconds, key, etag],
        refuses: ({ affected }) => affected === 0,
      };
    }
    // The end comes last, for the others ask whether the old one is over.
    const assignments = ["value", "isbinary", "eTag", "expiredate"].map((column) =>
      condition === "none" ? `${column} = VALUES(${column})` : `${column} = IF(${ended}, VALUES(${column}), ${column})`,
    );
    return {
      sql: `INSERT INTO ${table} (id, value, isbinary, eTag, expiredate) VALUES (?, ?, ?, ?, ${expires})
        ON DUPLICATE KEY UPDATE ${assignments.join(", ")}`,
      values: [key, ...value, ...seconds],
      refuses: ({ affected }) => condition === "absent" && affected === 0,
    };
  }

  #toDeletion(key: string, condition: Condition, etag: string | undefined): Checked {
    const { table } = this.#layout;
    if (condition === "absent") {
      return {
        sql: `SELECT 1 FROM ${table} WHERE id = ? AND ${live} FOR UPDATE`,
        values: [key],
        refuses: ({ rows }) => rows.length > 0,
      };
    }
    const isConditional = condition === "etag";
    return {
      sql: `DELETE FROM ${table} WHERE id = ?${isConditional ? ` AND eTag = ? AND ${live}` : ""}`,
      values: isConditional ? [key, etag] : [key],
      refuses: ({ affected }) => isConditional && affected === 0,
    };
  }

  async list({ prefix, cursor, limit }: ListRequest, call: Call): Promise<ListPage> {
    const { table, isExact } = this.#layout;
    // Bytes of UTF-8, whatever the table compares by.
    const [id, parameter] = isExact ? ["id", "?"] : ["CAST(CONVERT(id USING utf8mb4) AS BINARY)", "CAST(? AS BINARY)"];
    const behind = prefixEnd(prefix);
    const { rows } = await this.#client.read(
      `SELECT id FROM ${table} WHERE ${id} ${cursor === undefined ? ">=" : ">"} ${parameter}
        ${behind === undefined ? "" : `AND ${id} < ${parameter}`} AND ${live} ORDER BY ${id} LIMIT ${limit + 1}`,
      [cursor ?? prefix, ...(behind === undefined ? [] : [behind])],
      call,
    );
    const keys = rows.map(([key]) => textOf(key));
    if (keys.length <= limit) return { keys };
    const page = keys.slice(0, limit);
    return { keys: page, cursor: page.at(-1) };
  }
}

/** Columns of texts may be declared as bytes. */
const textOf = (value: unknown) => (Buffer.isBuffer(value) ? value.toString() : String(value));

function toEntry([json, isBinary, etag, seconds]: readonly unknown[]): StateEntry {
  const entry = { data: fromStoredJson(textOf(json), isTrue(isBinary)), etag: textOf(etag) };
  return seconds === null ? entry : { ...entry, expiresAt: Math.round(Number(seconds) * 1000) };
}

const isTrue = (value: unknown) => (Buffer.isBuffer(value) ? value.some((byte) => byte > 0) : Number(value) !== 0);
