import type { Call } from "../contract/driver.ts";
import type { Order } from "../contract/pubsub.ts";
import type { Client, Rows, Statement } from "./client.ts";
import { type LogTables, topicMark } from "./log-tables.ts";
import { fromBytea } from "./state-rows.ts";

export interface NewMessage {
  /** Messages with the same key are handled one after the other; null: with no regard to others. */
  readonly key: string | null;
  readonly data: Uint8Array;
  readonly contentType: string | null;
  /** JSON object. */
  readonly metadata: string | null;
  readonly ttlMs: number | null;
}

/** A message that an owner holds. */
export interface Claim {
  readonly seq: string;
  /** 1 on first delivery. */
  readonly attempt: number;
  readonly owner: number;
  readonly key: string | null;
  readonly data: Uint8Array;
  readonly contentType: string | null;
  readonly metadata: string | null;
  /** Milliseconds since 1970 by this machine's clock; absent: never. */
  readonly expiresAt: number | undefined;
}

/** How a claim ends. */
export interface Settlement {
  readonly claim: Claim;
  /** `done`: never again. `back`: as if it had not been taken. A number: due again after so many milliseconds. */
  readonly end: "done" | "back" | number;
}

export interface Outlook {
  /** There is something to take. */
  readonly isReady: boolean;
  /** A member has gone without a word. */
  readonly hasEndedLease: boolean;
  /** Milliseconds until a waiting delivery is due or a lease ends; undefined: nothing waits. */
  readonly nextMs: number | undefined;
}

/**
 * Of those that wait for a key so many are due. The owner of the key takes them as it goes; others have to pass over
 * them whenever they look.
 */
const woken = 8;

/**
 * Messages in the order of their publication, and per consumer group how far it has come: `position` is the last message
 * it was given; `deliveries` holds what it was given and has not settled. A delivery belongs to an owner, whose claims
 * are anybody's again when its lease has ended, or waits to be due. Of a key, one owner at a time holds messages, and
 * none that follows one which waits to be due: a message that is not free in this sense waits for ever (`infinity`), and
 * the end of one before it makes it due. Whatever depends on that takes the row of its group first. All times are the
 * server's.
 */
export class MessageLog {
  readonly #client: Client;
  readonly #tables: LogTables;

  constructor(client: Client, tables: LogTables) {
    this.#client = client;
    this.#tables = tables;
  }

  /**
   * Appends messages in their order. Publications to one topic stand in line until they are committed, so that numbers
   * become visible in their order and a reader that has come to one has passed all before it.
   */
  async append(topic: string, messages: readonly NewMessage[], call: Call): Promise<void> {
    const { messages: table, channel } = this.#tables;
    // One value for all contents: the library would write an array of them in hexadecimal.
    const contents = messages.length === 1 ? messages[0]?.data : Buffer.concat(messages.map(({ data }) => data));
    let end = 0;
    const offsets = messages.map(({ data }) => {
      end += data.length;
      return end - data.length + 1;
    });
    await this.#client.write(
      `WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('${channel}/' || $1, 0))),
      added AS (INSERT INTO ${table} (topic, data, key, content_type, metadata, expires_at)
        SELECT $1, substring($2::bytea FROM one.start FOR one.length), one.key, one.type, one.metadata,
          now() + one.ttl * interval '1 millisecond'
        FROM unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::text[], $8::float8[]) WITH ORDINALITY
          AS one (start, length, key, type, metadata, ttl, place), (SELECT count(*) FROM turn) AS mine
        ORDER BY one.place)
      SELECT pg_notify('${channel}', $9)`,
      [
        topic,
        contents && Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength),
        offsets,
        messages.map(({ data }) => data.length),
        messages.map(({ key }) => key),
        messages.map(({ contentType }) => contentType),
        messages.map(({ metadata }) => metadata),
        messages.map(({ ttlMs }) => ttlMs),
        topicMark(topic),
      ],
      call,
    );
  }

  /** Makes the group unless it exists, at the oldest message; answers its id. */
  async join(topic: string, group: string, call: Call): Promise<string> {
    const { rows } = await this.#client.write(
      `INSERT INTO ${this.#tables.groups} (topic, name) VALUES ($1, $2)
        ON CONFLICT (topic, name) DO UPDATE SET seen_at = now() RETURNING id`,
      [topic, group],
      call,
    );
    return String(rows[0]?.[0]);
  }

  /** @param own its lease counts as that of another while it holds nothing */
  async outlook(topic: string, group: string, own: number, isHolding: boolean): Promise<Outlook> {
    const owner = isHolding ? own : 0;
    const { messages, groups, deliveries, owners } = this.#tables;
    const waiting = `FROM ${deliveries} d WHERE d.group_id = $2 AND d.owner IS NULL`;
    const inMs = (time: string) => `(extract(epoch FROM ${time} - now()) * 1000)::float8`;
    const { rows } = await this.#client.read(
      `SELECT EXISTS (SELECT 1 FROM ${messages} WHERE topic = $1 AND seq > (SELECT position FROM ${groups} WHERE id = $2))
          OR EXISTS (SELECT 1 ${waiting} AND d.due_at <= now() AND ${this.#isFree("d", "$3")}),
        ${inMs(`(SELECT min(d.due_at) ${waiting} AND d.due_at > now() AND d.due_at < 'infinity')`)},
        ${inMs(`(SELECT min(lease_until) FROM ${owners} WHERE group_id = $2 AND id <> $3)`)}`,
      [topic, group, owner],
      {},
    );
    const [ready, due, lease] = rows[0] ?? [];
    const waits = [due, lease].filter((one) => one !== null && one !== undefined).map(Number);
    return {
      isReady: ready === "t",
      hasEndedLease: lease !== null && lease !== undefined && Number(lease) <= 0,
      nextMs: waits.length > 0 ? Math.max(0, Math.min(...waits)) : undefined,
    };
  }

  /** Puts what the group has not settled into the lines of an order, whatever it has had so far. */
  async arrange(topic: string, group: string, order: Order, call: Call): Promise<void> {
    const { messages, deliveries } = this.#tables;
    const key = keyOf("m", order);
    const sql = `UPDATE ${deliveries} d SET key = ${key}, due_at = CASE WHEN d.owner IS NULL AND d.due_at = 'infinity' THEN now() ELSE d.due_at END
      FROM ${messages} m WHERE d.group_id = $1 AND m.topic = $2 AND m.seq = d.seq AND d.key IS DISTINCT FROM ${key}`;
    await this.#client.transact([this.#turn(group), { sql, values: [group, topic] }], call, { byIndex: true });
  }

  /** Whether nothing of the same key comes before a row and is somebody else's or waits to be due. */
  #isFree(row: string, owner: string, key = `${row}.key`): string {
    return `(${key} IS NULL OR NOT EXISTS (SELECT 1 FROM ${this.#tables.deliveries} e
      WHERE e.group_id = $2 AND e.key = ${key} AND e.seq < ${row}.seq
        AND (e.owner <> ${owner} OR (e.owner IS NULL AND e.due_at > now()))))`;
  }

  /** Takes the group's row: what follows in the transaction sees what others have committed before. */
  #turn(group: string): Statement {
    return { sql: `SELECT 1 FROM ${this.#tables.groups} WHERE id = $1 FOR UPDATE`, values: [group] };
  }

  /**
   * Gives the owner at most `limit` messages, in the order of publication, and keeps its lease; undefined: the lease
   * had ended and somebody has taken what it held.
   */
  async claim(
    topic: string,
    group: string,
    { owner, isHolding, leaseMs }: { readonly owner: number; readonly isHolding: boolean; readonly leaseMs: number },
    limit: number,
    order: Order,
    now: () => number,
  ): Promise<readonly Claim[] | undefined> {
    const lease = isHolding ? this.#renewal(owner, leaseMs) : this.#lease(group, owner, leaseMs);
    const statements = [this.#turn(group), lease, this.#claims(topic, group, owner, limit, order)];
    // Where an order is kept, a crash must not undo what a member has been given: others would be given the same.
    const [, kept, taken] = await this.#client.transact(statements, {}, { durable: order !== "none", byIndex: true });
    if (kept?.count !== 1) return undefined;
    return toClaims(taken, owner, now());
  }

  #claims(topic: string, group: string, owner: number, limit: number, order: Order): Statement {
    const { messages, groups, deliveries, owners } = this.#tables;
    const key = keyOf("m", order);
    return {
      sql: `WITH kept AS (SELECT 1 FROM ${owners} WHERE id = $3),
        due AS (SELECT d.seq FROM ${deliveries} d
          WHERE d.group_id = $2 AND d.owner IS NULL AND d.due_at <= now() AND ${this.#isFree("d", "$3")}
            AND EXISTS (SELECT 1 FROM kept)
          ORDER BY d.seq LIMIT $4 FOR UPDATE OF d SKIP LOCKED),
        again AS (UPDATE ${deliveries} d SET owner = $3, attempt = d.attempt + 1, due_at = NULL
          FROM due WHERE d.group_id = $2 AND d.seq = due.seq RETURNING d.seq, d.attempt),
        fresh AS (SELECT m.seq, ${key} AS key, m.expires_at, ${this.#isFree("m", "$3", key)} AS is_free FROM ${messages} m
          WHERE m.topic = $1 AND m.seq > (SELECT position FROM ${groups} WHERE id = $2) AND EXISTS (SELECT 1 FROM kept)
          ORDER BY m.seq LIMIT $4 - (SELECT count(*) FROM due)),
        added AS (INSERT INTO ${deliveries} (group_id, seq, key, attempt, owner, due_at)
          SELECT $2, seq, key, is_free::int, CASE WHEN is_free THEN $3::bigint END, CASE WHEN NOT is_free THEN 'infinity'::timestamptz END
          FROM fresh WHERE expires_at IS NULL OR expires_at > now() RETURNING seq, attempt),
        moved AS (UPDATE ${groups} SET position = (SELECT max(seq) FROM fresh)
          WHERE id = $2 AND EXISTS (SELECT 1 FROM fresh)),
        mine AS (SELECT * FROM again UNION ALL SELECT * FROM added WHERE attempt = 1)
        SELECT mine.seq, mine.attempt, ${key}, m.data, m.content_type, m.metadata,
          (extract(epoch FROM m.expires_at - now()) * 1000)::float8
        FROM mine LEFT JOIN ${messages} m ON m.topic = $1 AND m.seq = mine.seq ORDER BY mine.seq`,
      values: [topic, group, owner, limit],
    };
  }

  /** Ends claims; those that are no longer their owner's are left alone. All are of one owner. */
  async settle(group: string, owner: number, settlements: readonly Settlement[]): Promise<void> {
    const done = settlements.filter(({ end }) => end === "done").map(({ claim }) => claim);
    const others = settlements.filter(({ end }) => end !== "done");
    if (done.length > 0) await this.#acknowledge(group, owner, done);
    if (others.length > 0) await this.#release(group, owner, others);
  }

  async #acknowledge(group: string, owner: number, done: readonly Claim[]): Promise<void> {
    const { deliveries } = this.#tables;
    await this.#client.write(
      `DELETE FROM ${deliveries} WHERE group_id = $1 AND owner = $2 AND seq = ANY($3::bigint[])`,
      [group, owner, done.map(({ seq }) => seq)],
      {},
    );
    const keys = [...new Set(done.flatMap(({ key }) => (key === null ? [] : [key])))];
    if (keys.length === 0) return;
    // Behind the turn, and not with it: a claim that saw these messages has parked what follows them by now, and nobody
    // waits in line for the disk.
    const wake = {
      sql: `UPDATE ${deliveries} d SET due_at = now() FROM unnest($2::text[]) AS done (key)
        CROSS JOIN LATERAL (SELECT seq, due_at FROM ${deliveries} w WHERE w.group_id = $1 AND w.key = done.key
          AND w.owner IS NULL ORDER BY w.seq LIMIT ${woken}) AS next
        WHERE d.group_id = $1 AND d.seq = next.seq AND next.due_at = 'infinity'`,
      values: [group, keys],
    };
    await this.#client.transact([this.#turn(group), wake], {}, { durable: false, byIndex: true });
  }

  async #release(group: string, owner: number, others: readonly Settlement[]): Promise<void> {
    await this.#client.write(
      `UPDATE ${this.#tables.deliveries} d SET owner = NULL, attempt = d.attempt - one.taken_back,
          due_at = now() + one.pause * interval '1 millisecond'
        FROM unnest($3::bigint[], $4::float8[], $5::int[]) AS one (seq, pause, taken_back)
        WHERE d.group_id = $1 AND d.owner = $2 AND d.seq = one.seq`,
      [
        group,
        owner,
        others.map(({ claim }) => claim.seq),
        others.map(({ end }) => (typeof end === "number" ? end : 0)),
        others.map(({ end }) => (typeof end === "number" ? 0 : 1)),
      ],
      {},
    );
  }

  #lease(group: string, owner: number, leaseMs: number): Statement {
    return {
      sql: `INSERT INTO ${this.#tables.owners} (id, group_id, lease_until) VALUES ($1, $3, ${leaseEnd})
        ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until`,
      values: [owner, leaseMs, group],
    };
  }

  #renewal(owner: number, leaseMs: number): Statement {
    return {
      sql: `UPDATE ${this.#tables.owners} SET lease_until = ${leaseEnd} WHERE id = $1`,
      values: [owner, leaseMs],
    };
  }

  /** False: the lease had ended and somebody has taken the claims. */
  async renew(owner: number, leaseMs: number): Promise<boolean> {
    const { sql, values } = this.#renewal(owner, leaseMs);
    return (await this.#client.write(sql, values, {})).count === 1;
  }

  /**
   * Mends what a broken connection or a crash of the server leaves: gives back what the owner has been given by claims
   * whose answers it never got, and makes due what waits for nothing any more.
   */
  async mend(group: string, owner: number, known: readonly string[]): Promise<void> {
    const { deliveries } = this.#tables;
    const giveBack = `UPDATE ${deliveries} SET owner = NULL, due_at = now(), attempt = attempt - 1
      WHERE group_id = $1 AND owner = $2 AND seq <> ALL($3::bigint[])`;
    const wake = `UPDATE ${deliveries} d SET due_at = now() WHERE d.group_id = $1 AND d.due_at = 'infinity'
      AND NOT EXISTS (SELECT 1 FROM ${deliveries} e WHERE e.group_id = $1 AND e.key = d.key AND e.seq < d.seq
        AND e.due_at IS DISTINCT FROM 'infinity')`;
    const statements = [
      this.#turn(group),
      { sql: giveBack, values: [group, owner, known] },
      { sql: wake, values: [group] },
    ];
    await this.#client.transact(statements, {}, { byIndex: true });
  }

  /** Gives up what the owner holds: it is due at once, and other members hear of it. */
  async endLease(topic: string, group: string, owner: number): Promise<void> {
    const { deliveries, owners, channel } = this.#tables;
    await this.#client.transact(
      [
        this.#turn(group),
        {
          sql: `UPDATE ${deliveries} SET owner = NULL, due_at = now() WHERE group_id = $1 AND owner = $2`,
          values: [group, owner],
        },
        { sql: `DELETE FROM ${owners} WHERE id = $1`, values: [owner] },
        { sql: `SELECT pg_notify('${channel}', $1)`, values: [topicMark(topic)] },
      ],
      {},
    );
  }

  /** Ends the leases whose time is over. */
  async reclaim(group: string): Promise<void> {
    const { deliveries, owners } = this.#tables;
    await this.#client.transact(
      [
        this.#turn(group),
        {
          sql: `WITH ended AS (DELETE FROM ${owners} WHERE group_id = $1 AND lease_until <= now() RETURNING id)
            UPDATE ${deliveries} SET owner = NULL, due_at = now()
              WHERE group_id = $1 AND owner IN (SELECT id FROM ended)`,
          values: [group],
        },
      ],
      {},
    );
  }
}

/** SQL of the key that orders a message; in the order of the topic all have the same. */
const keyOf = (row: string, order: Order): string => (order === "topic" ? "''::text" : `${row}.key`);

const leaseEnd = "now() + $2::float8 * interval '1 millisecond'";

function toClaims(taken: Rows | undefined, owner: number, now: number): readonly Claim[] {
  return (taken?.rows ?? []).map((row) => {
    const [seq, attempt, key, data, contentType, metadata, leftMs] = row as readonly (string | null)[];
    return {
      seq: seq ?? "",
      attempt: Number(attempt),
      owner,
      key: key ?? null,
      data: typeof data === "string" ? fromBytea(data) : Buffer.alloc(0),
      contentType: contentType ?? null,
      metadata: metadata ?? null,
      // A delivery without its message has nothing left to deliver.
      expiresAt: data === null ? 0 : leftMs === null || leftMs === undefined ? undefined : now + Number(leftMs),
    };
  });
}
