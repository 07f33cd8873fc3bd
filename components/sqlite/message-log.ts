import type { StatementSync } from "node:sqlite";
import type { Client } from "./client.ts";

/**
 * Messages in the order of their publication, and per consumer group how far it has come: `position` is the last message
 * it was given; `deliveries` holds what it was given and has not settled. A delivery belongs to an owner, whose claims
 * are anybody's again when its lease has ended, or waits to be due.
 */
export const messageLogSteps: readonly string[] = [
  `CREATE TABLE mecha_messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    data BLOB NOT NULL,
    content_type TEXT,
    metadata TEXT,
    published_at INTEGER NOT NULL,
    expires_at INTEGER
  );
  CREATE INDEX mecha_messages_topic ON mecha_messages (topic);
  CREATE TABLE mecha_groups (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (topic, name)
  );
  CREATE TABLE mecha_deliveries (
    group_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    owner INTEGER,
    due_at INTEGER,
    PRIMARY KEY (group_id, seq)
  ) WITHOUT ROWID;
  CREATE INDEX mecha_deliveries_due ON mecha_deliveries (group_id, due_at) WHERE due_at IS NOT NULL;
  CREATE TABLE mecha_owners (
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
  )`,
  `ALTER TABLE mecha_deliveries ADD COLUMN key TEXT;
  CREATE INDEX mecha_deliveries_line ON mecha_deliveries (group_id, key, owner, seq) WHERE key IS NOT NULL`,
];

export interface NewMessage {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType: string | null;
  /** JSON object. */
  readonly metadata: string | null;
  readonly publishedAt: number;
  readonly expiresAt: number | null;
}

/** A message that an owner holds. */
export interface Claim {
  readonly seq: number;
  readonly attempt: number;
  readonly owner: number;
  /** Of the line it stands in; null: in none. */
  readonly key: string | null;
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType: string | null;
  readonly metadata: string | null;
  readonly expiresAt: number | null;
}

export interface Outlook {
  /** A message waits that the group has not been given. */
  readonly fresh: boolean;
  /** When the first waiting delivery is due; null: none waits. */
  readonly due: number | null;
  /** When the first lease of another owner ends; null: there is none. */
  readonly lease: number | null;
}

type MessageRow = readonly [
  seq: number,
  data: Uint8Array,
  type: string | null,
  metadata: string | null,
  end: number | null,
];
type DueRow = readonly [
  attempt: number,
  seq: number,
  data: Uint8Array | null,
  type: string | null,
  metadata: string | null,
  end: number | null,
];

const content = "m.data, m.content_type, m.metadata, m.expires_at";
/** Due before everything else, in the order of publication. */
const atOnce = 0;

/** The statements of the log. All run at once; `Client` decides when. Times are milliseconds since 1970. */
export class MessageLog {
  readonly #prepare: (sql: string, asArrays?: boolean) => StatementSync;

  constructor(client: Client) {
    this.#prepare = (sql, asArrays = false) => {
      const statement = client.prepare(sql);
      if (asArrays) statement.setReturnArrays(true);
      return statement;
    };
  }

  append({ topic, data, contentType, metadata, publishedAt, expiresAt }: NewMessage): void {
    this.#prepare(
      `INSERT INTO mecha_messages (topic, data, content_type, metadata, published_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?)`,
    ).run(topic, data, contentType, metadata, publishedAt, expiresAt);
  }

  /** Makes the group unless it exists, at the oldest message; answers its id. */
  join(topic: string, group: string, now: number): number {
    this.#prepare(
      `INSERT INTO mecha_groups (topic, name, position, seen_at) VALUES (?1, ?2, 0, ?3)
        ON CONFLICT (topic, name) DO UPDATE SET seen_at = ?3`,
    ).run(topic, group, now);
    return Number(this.#prepare("SELECT id FROM mecha_groups WHERE topic = ? AND name = ?").get(topic, group)?.["id"]);
  }

  outlook(topic: string, group: number, owner: number): Outlook {
    const row = this.#prepare(
      `SELECT
        EXISTS (SELECT 1 FROM mecha_messages
          WHERE topic = ?1 AND seq > (SELECT position FROM mecha_groups WHERE id = ?2)) AS fresh,
        (SELECT min(due_at) FROM mecha_deliveries WHERE group_id = ?2 AND due_at IS NOT NULL) AS due,
        (SELECT min(lease_until) FROM mecha_owners WHERE group_id = ?2 AND id <> ?3) AS lease`,
    ).get(topic, group, owner);
    return {
      fresh: row?.["fresh"] === 1,
      due: (row?.["due"] ?? null) as number | null,
      lease: (row?.["lease"] ?? null) as number | null,
    };
  }

  /** Gives the owner at most `limit` messages: first those that are due again, then new ones, oldest first. */
  claim(topic: string, group: number, owner: number, limit: number, now: number): readonly Claim[] {
    const claims: Claim[] = [];
    const take = ([seq, data, contentType, metadata, expiresAt]: MessageRow, attempt: number) => {
      claims.push({ seq, attempt, owner, key: null, topic, data, contentType, metadata, expiresAt });
    };
    const hold = this.#prepare(
      "UPDATE mecha_deliveries SET owner = ?, due_at = NULL, attempt = ? WHERE group_id = ? AND seq = ?",
    );
    for (const [attempt, ...row] of this.#due(group, limit, now)) {
      const [seq, data, , , end] = row;
      // A delivery without its message would be due for ever.
      if (data === null || isOver(end, now)) this.#drop(group, seq);
      else {
        hold.run(owner, attempt + 1, group, seq);
        take(row as unknown as MessageRow, attempt + 1);
      }
    }
    const add = this.#prepare("INSERT INTO mecha_deliveries (group_id, seq, attempt, owner) VALUES (?, ?, 1, ?)");
    const fresh = this.#fresh(topic, group, limit - claims.length);
    for (const row of fresh) {
      if (isOver(row[4], now)) continue;
      add.run(group, row[0], owner);
      take(row, 1);
    }
    const last = fresh.at(-1);
    if (last) this.#prepare("UPDATE mecha_groups SET position = ? WHERE id = ?").run(last[0], group);
    return claims;
  }

  #due(group: number, limit: number, now: number): readonly DueRow[] {
    return this.#prepare(
      `SELECT d.attempt, d.seq, ${content} FROM mecha_deliveries d LEFT JOIN mecha_messages m ON m.seq = d.seq
        WHERE d.group_id = ? AND d.due_at <= ? ORDER BY d.due_at, d.seq LIMIT ?`,
      true,
    ).all(group, now, limit) as unknown as readonly DueRow[];
  }

  #fresh(topic: string, group: number, limit: number): readonly MessageRow[] {
    if (limit <= 0) return [];
    return this.#prepare(
      `SELECT m.seq, ${content} FROM mecha_messages m
        WHERE m.topic = ? AND m.seq > (SELECT position FROM mecha_groups WHERE id = ?) ORDER BY m.seq LIMIT ?`,
      true,
    ).all(topic, group, limit) as unknown as readonly MessageRow[];
  }

  #drop(group: number, seq: number): void {
    this.#prepare("DELETE FROM mecha_deliveries WHERE group_id = ? AND seq = ?").run(group, seq);
  }

  /** Settles a claim for good; nothing happens when it is no longer the owner's. */
  acknowledge(group: number, { seq, owner }: Claim): void {
    this.#prepare("DELETE FROM mecha_deliveries WHERE group_id = ? AND seq = ? AND owner = ?").run(group, seq, owner);
  }

  /** Lets a claim be due at `dueAt`. */
  postpone(group: number, { seq, owner }: Claim, dueAt: number): void {
    this.#prepare(
      "UPDATE mecha_deliveries SET owner = NULL, due_at = ? WHERE group_id = ? AND seq = ? AND owner = ?",
    ).run(dueAt, group, seq, owner);
  }

  /** Gives a claim back as if it had not been taken. */
  giveBack(group: number, { seq, owner }: Claim): void {
    this.#prepare(
      `UPDATE mecha_deliveries SET owner = NULL, due_at = ${atOnce}, attempt = attempt - 1
        WHERE group_id = ? AND seq = ? AND owner = ?`,
    ).run(group, seq, owner);
  }

  /** Starts a lease, or a further one of the same owner. */
  lease(group: number, owner: number, until: number): void {
    this.#prepare(
      `INSERT INTO mecha_owners (id, group_id, lease_until) VALUES (?1, ?2, ?3)
        ON CONFLICT (id) DO UPDATE SET lease_until = ?3`,
    ).run(owner, group, until);
  }

  /** False: the lease had ended and somebody has taken the claims. */
  renew(owner: number, until: number): boolean {
    return this.#prepare("UPDATE mecha_owners SET lease_until = ? WHERE id = ?").run(until, owner).changes === 1;
  }

  /** Makes all due that sleeps in lines, for members that keep no order and would not wake it. */
  wakeAll(group: number): void {
    this.#prepare(
      `UPDATE mecha_deliveries SET due_at = ${atOnce}
        WHERE group_id = ? AND key IS NOT NULL AND owner IS NULL AND due_at IS NULL`,
    ).run(group);
  }

  /** Gives up what the owner holds: it is due at once, and so is what follows it. */
  endLease(group: number, owner: number): void {
    this.#prepare(`UPDATE mecha_deliveries SET owner = NULL, due_at = ${atOnce} WHERE group_id = ? AND owner = ?`).run(
      group,
      owner,
    );
    this.wakeAll(group);
    this.#prepare("DELETE FROM mecha_owners WHERE id = ?").run(owner);
  }

  /** Ends the leases whose time is over. */
  reclaim(group: number, now: number): void {
    const ended = this.#prepare("SELECT id FROM mecha_owners WHERE group_id = ? AND lease_until <= ?").all(group, now);
    for (const { id } of ended) this.endLease(group, Number(id));
  }
}

/** Whether a message may be delivered no more. */
export const isOver = (expiresAt: number | null, now: number) => expiresAt !== null && expiresAt <= now;
