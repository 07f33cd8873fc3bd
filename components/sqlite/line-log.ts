import type { StatementSync } from "node:sqlite";
import type { Order } from "../contract/pubsub.ts";
import type { Client } from "./client.ts";
import { type Claim, isOver, type Outlook } from "./message-log.ts";

/** So many messages are looked at in one claim, so that its transaction does not hold up others for long. */
const mostLooked = 1000;
const slice = 64;

type Row = Readonly<Record<string, unknown>>;

/** A claim that is being made. */
interface Batch {
  readonly owner: number;
  readonly limit: number;
  readonly now: number;
  readonly claims: Claim[];
  /** Lines that have been looked at: whether a fresh message may be taken. */
  readonly lines: Map<string, boolean>;
  looked: number;
}

/**
 * The log of a group that keeps an order. The unsettled messages of one key are a line: one owner at a time holds some of
 * it, and none that follows one which waits. What may not be claimed for that reason sleeps, with neither owner nor time;
 * it wakes when it is the first of its line and nobody holds any of it. In the order of the topic all messages are one
 * line, whose key is empty. All statements run at once, inside a transaction of `Client`.
 */
export class LineLog {
  readonly #prepare: (sql: string) => StatementSync;
  readonly #order: Order;
  readonly #topic: string;
  readonly #group: number;
  /** SQL of the key of a message `m`; null: it has none. */
  readonly #key: string;

  constructor(client: Client, order: Exclude<Order, "none">, topic: string, group: number) {
    this.#prepare = (sql) => client.prepare(sql);
    this.#order = order;
    this.#topic = topic;
    this.#group = group;
    this.#key = order === "topic" ? "''" : "nullif(json_extract(m.metadata, '$.partitionKey'), '')";
  }

  /** Puts what the group has not settled into lines, whatever order it has had so far. */
  arrange(): void {
    const key = `(SELECT ${this.#key} FROM mecha_messages m WHERE m.seq = mecha_deliveries.seq)`;
    this.#prepare(
      `UPDATE mecha_deliveries SET key = ${key}, due_at = CASE WHEN owner IS NULL THEN coalesce(due_at, 0) END
        WHERE group_id = ? AND key IS NOT ${key}`,
    ).run(this.#group);
  }

  /** What is fresh is no reason to claim while the one line of the topic is not the owner's to take. */
  refine(outlook: Outlook, owner: number, now: number): Outlook {
    if (this.#order !== "topic" || !outlook.fresh) return outlook;
    const dueAt = this.#waiting("", 1)[0]?.["due_at"];
    const isResting = typeof dueAt === "number" && dueAt > now;
    return { ...outlook, fresh: !isResting && !this.#isOthers("", owner) };
  }

  /** Gives the owner at most `limit` messages: first those that are due again, then new ones, oldest first. */
  claim(owner: number, limit: number, now: number): readonly Claim[] {
    const batch: Batch = { owner, limit, now, claims: [], lines: new Map(), looked: 0 };
    while (this.#takeDue(batch));
    while (this.#takeFresh(batch));
    return batch.claims;
  }

  /** Takes a slice of what is due, or lets it sleep; false: there is no more of it, or no room. */
  #takeDue(batch: Batch): boolean {
    const rows = this.#prepare(
      `SELECT seq, key FROM mecha_deliveries WHERE group_id = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ${slice}`,
    ).all(this.#group, batch.now);
    const sleep = this.#prepare(
      "UPDATE mecha_deliveries SET due_at = NULL WHERE group_id = ? AND seq = ? AND owner IS NULL",
    );
    for (const { seq, key } of rows) {
      if (isFull(batch)) return false;
      batch.looked += 1;
      if (typeof key !== "string") this.#takeAgain(batch, this.#single(seq), null);
      else if (!this.#takeLine(batch, key)) sleep.run(this.#group, seq as number);
    }
    return rows.length === slice && !isFull(batch);
  }

  /** Takes a slice of what the group has not been given, or lets it sleep. */
  #takeFresh(batch: Batch): boolean {
    const rows = this.#prepare(
      `SELECT m.seq, m.expires_at, ${this.#key} AS key FROM mecha_messages m
        WHERE m.topic = ? AND m.seq > (SELECT position FROM mecha_groups WHERE id = ?) ORDER BY m.seq LIMIT ${slice}`,
    ).all(this.#topic, this.#group);
    const add = this.#prepare(
      "INSERT INTO mecha_deliveries (group_id, seq, key, attempt, owner) VALUES (?, ?, ?, ?, ?)",
    );
    let position: unknown;
    for (const { seq, expires_at: expiresAt, key } of rows) {
      if (isFull(batch)) break;
      const line = typeof key === "string" ? key : null;
      const isFree = line === null || this.#takeLine(batch, line);
      if (isFull(batch) || (!isFree && this.#order === "topic")) break;
      position = seq;
      batch.looked += 1;
      if (isOver(expiresAt as number | null, batch.now)) continue;
      add.run(this.#group, seq as number, line, isFree ? 1 : 0, isFree ? batch.owner : null);
      if (isFree) this.#push(batch, seq, line, 1);
    }
    if (position === undefined) return false;
    this.#prepare("UPDATE mecha_groups SET position = ? WHERE id = ?").run(position as number, this.#group);
    return rows.length === slice && position === rows.at(-1)?.["seq"] && !isFull(batch);
  }

  /** Takes what waits in a line, as far as there is room; whether what follows may be taken too. */
  #takeLine(batch: Batch, key: string): boolean {
    const known = batch.lines.get(key);
    if (known !== undefined) return known;
    let isOpen = !this.#isOthers(key, batch.owner);
    while (isOpen && !isFull(batch)) {
      const rows = this.#waiting(key, batch.limit - batch.claims.length);
      if (rows.length === 0) break;
      for (const row of rows) {
        if (typeof row["due_at"] === "number" && row["due_at"] > batch.now) {
          isOpen = false;
          break;
        }
        this.#takeAgain(batch, row, key);
      }
    }
    batch.lines.set(key, isOpen);
    return isOpen;
  }

  #takeAgain(batch: Batch, row: Row | undefined, key: string | null): void {
    if (!row) return;
    const { seq, attempt, end, has_message: hasMessage } = row;
    // A delivery without its message would be due for ever.
    if (hasMessage === 0 || isOver(end as number | null, batch.now)) {
      this.#prepare("DELETE FROM mecha_deliveries WHERE group_id = ? AND seq = ?").run(this.#group, seq as number);
      return;
    }
    this.#prepare(
      "UPDATE mecha_deliveries SET owner = ?, due_at = NULL, attempt = attempt + 1 WHERE group_id = ? AND seq = ?",
    ).run(batch.owner, this.#group, seq as number);
    this.#push(batch, seq, key, Number(attempt) + 1);
  }

  #push({ claims, owner }: Batch, seq: unknown, key: string | null, attempt: number): void {
    const row = this.#prepare("SELECT data, content_type, metadata, expires_at FROM mecha_messages WHERE seq = ?").get(
      seq as number,
    );
    claims.push({
      seq: seq as number,
      attempt,
      owner,
      key,
      topic: this.#topic,
      data: row?.["data"] as Uint8Array,
      contentType: row?.["content_type"] as string | null,
      metadata: row?.["metadata"] as string | null,
      expiresAt: row?.["expires_at"] as number | null,
    });
  }

  #isOthers(key: string, owner: number): boolean {
    const held = "SELECT 1 FROM mecha_deliveries WHERE group_id = ?1 AND key = ?2";
    const row = this.#prepare(
      `SELECT EXISTS (${held} AND owner >= 0 AND owner < ?3) OR EXISTS (${held} AND owner > ?3) AS is_others`,
    ).get(this.#group, key, owner);
    return row?.["is_others"] === 1;
  }

  /** The first of those that nobody holds. */
  #waiting(key: string, limit: number): readonly Row[] {
    return this.#prepare(`${waiting} d.key = ? AND d.owner IS NULL ORDER BY d.seq LIMIT ?`).all(
      this.#group,
      key,
      limit,
    );
  }

  #single(seq: unknown): Row | undefined {
    return this.#prepare(`${waiting} d.seq = ? AND d.owner IS NULL`).get(this.#group, seq as number);
  }

  /** Gives a claim back as if it had not been taken; it sleeps. */
  giveBack({ seq, owner }: Claim): void {
    this.#prepare(
      `UPDATE mecha_deliveries SET owner = NULL, attempt = attempt - 1 WHERE group_id = ? AND seq = ? AND owner = ?`,
    ).run(this.#group, seq, owner);
  }

  /** Wakes the first of each line that nobody holds. */
  wake(keys: Iterable<string>): void {
    const line = "SELECT seq FROM mecha_deliveries WHERE group_id = ?1 AND key = ?2";
    const wake = this.#prepare(
      `UPDATE mecha_deliveries SET due_at = 0 WHERE group_id = ?1 AND due_at IS NULL
        AND seq = (${line} AND owner IS NULL ORDER BY seq LIMIT 1) AND NOT EXISTS (${line} AND owner >= 0)`,
    );
    for (const key of keys) wake.run(this.#group, key);
  }
}

const waiting = `SELECT d.seq, d.attempt, d.due_at, m.expires_at AS end, m.seq IS NOT NULL AS has_message
  FROM mecha_deliveries d LEFT JOIN mecha_messages m ON m.seq = d.seq WHERE d.group_id = ? AND`;

const isFull = ({ claims, limit, looked }: Batch) => claims.length >= limit || looked >= mostLooked;
