import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client, Rows } from "./client.ts";
import type { LogTables } from "./log-tables.ts";

export interface UpkeepSettings {
  /** Milliseconds that messages of a topic without any consumer group are kept. */
  readonly retention: number;
  /** Milliseconds that settled messages are kept after publication. */
  readonly consumedRetention: number;
  /** Milliseconds after which a consumer group without subscriber is forgotten. */
  readonly groupRetention: number;
}

/** So many messages are looked at before other work gets its turn. */
const slice = 2000;
const consumedPauseMs = 1000;
const roundMs = 60_000;
/** How fresh the note of a living group is kept, at most half of `groupRetention`. */
const seenMs = 3_600_000;
const leastGroupRetentionMs = 600_000;

/** Deletes what nobody will ask for again: settled messages soon, what nobody ever asked for by its age. */
export class LogUpkeep {
  readonly #client: Client;
  readonly #tables: LogTables;
  readonly #settings: UpkeepSettings;
  readonly #context: OpenContext;
  /** Per topic with settled messages: up to where they have been looked at in this round. */
  readonly #looked = new Map<string, string>();
  readonly #groups = new Map<string, { count: number }>();
  #consumed = new Set<string>();
  #cancelConsumed: (() => void) | undefined;
  #cancelRound: () => void;
  #running = Promise.resolve();
  #stopped = false;

  constructor(client: Client, tables: LogTables, settings: UpkeepSettings, context: OpenContext) {
    this.#client = client;
    this.#tables = tables;
    this.#settings = { ...settings, groupRetention: Math.max(settings.groupRetention, leastGroupRetentionMs) };
    this.#context = context;
    this.#cancelRound = context.clock.after(roundMs, () => this.#round());
  }

  /** Notes that messages of the topic have been settled. */
  noteConsumed(topic: string): void {
    if (this.#stopped) return;
    this.#consumed.add(topic);
    this.#cancelConsumed ??= this.#context.clock.after(consumedPauseMs, () => {
      this.#cancelConsumed = undefined;
      const topics = this.#consumed;
      this.#consumed = new Set();
      this.#run(() => this.#sweepConsumed(topics));
    });
  }

  /** Keeps a group from being forgotten until the returned function is called. */
  keepGroup(id: string): () => void {
    const users = this.#groups.get(id) ?? { count: 0 };
    users.count += 1;
    this.#groups.set(id, users);
    return () => {
      users.count -= 1;
      if (users.count === 0) this.#groups.delete(id);
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelConsumed?.();
    this.#cancelRound();
    await this.#running;
  }

  #round(): void {
    if (this.#stopped) return;
    // From the start again: what was waiting for a retry in the last round may be settled by now.
    for (const topic of this.#looked.keys()) this.#consumed.add(topic);
    this.#looked.clear();
    const topics = this.#consumed;
    this.#consumed = new Set();
    this.#run(async () => {
      await this.#noteGroups();
      await this.#forgetGroups();
      await this.#sweepConsumed(topics);
      await this.#sweepUnwanted();
    });
    this.#cancelRound = this.#context.clock.after(roundMs, () => this.#round());
  }

  #run(work: () => Promise<void>): void {
    this.#running = this.#running.then(work).catch((error: unknown) => {
      if (!this.#stopped) this.#context.log.warn(`old messages could not be deleted: ${causeText(error)}`);
    });
  }

  /** Need not reach the disk: whatever is lost is done again. */
  async #write(sql: string, values: readonly unknown[]): Promise<Rows> {
    const [rows] = await this.#client.transact([{ sql, values }], {}, { durable: false, byIndex: true });
    return rows ?? { rows: [], count: 0 };
  }

  async #sweepConsumed(topics: Iterable<string>): Promise<void> {
    for (const topic of topics) {
      while (!this.#stopped) {
        const to = await this.#deleteConsumed(topic, this.#looked.get(topic) ?? "0");
        if (to === undefined) break;
        this.#looked.set(topic, to);
      }
    }
  }

  /** Looks at the next slice behind `from`; answers where it ends, undefined when all has been looked at. */
  async #deleteConsumed(topic: string, from: string): Promise<string | undefined> {
    const { messages, groups, deliveries, channel } = this.#tables;
    // By ranges of the number and not row by row, whatever the planner believes about tables that change so fast. Of
    // several sidecars one does it.
    const { rows } = await this.#write(
      `WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended('${channel}-upkeep/' || $1, 0)) AS is_mine),
        slice AS MATERIALIZED (SELECT max(seq) AS last FROM (SELECT seq FROM ${messages}
          WHERE topic = $1 AND seq > $2::bigint AND seq <= (SELECT min(position) FROM ${groups} WHERE topic = $1)
            AND (SELECT is_mine FROM mine) ORDER BY seq LIMIT ${slice}) AS looked),
        held AS MATERIALIZED (SELECT d.seq FROM ${groups} g JOIN ${deliveries} d ON d.group_id = g.id
          WHERE g.topic = $1 AND d.seq > $2::bigint AND d.seq <= (SELECT last FROM slice)),
        gone AS (DELETE FROM ${messages}
          WHERE topic = $1 AND seq > $2::bigint AND seq <= (SELECT last FROM slice)
            AND published_at <= now() - $3::float8 * interval '1 millisecond' AND seq NOT IN (SELECT seq FROM held))
        SELECT last FROM slice`,
      [topic, from, this.#settings.consumedRetention],
    );
    return (rows[0]?.[0] as string | null | undefined) ?? undefined;
  }

  async #noteGroups(): Promise<void> {
    const ids = [...this.#groups.keys()];
    if (ids.length === 0) return;
    const staleMs = Math.min(seenMs, this.#settings.groupRetention / 2);
    await this.#write(
      `UPDATE ${this.#tables.groups} SET seen_at = now()
        WHERE id = ANY($1::bigint[]) AND seen_at <= now() - $2::float8 * interval '1 millisecond'`,
      [ids, staleMs],
    );
  }

  async #forgetGroups(): Promise<void> {
    const { groups, deliveries, owners } = this.#tables;
    const { rows } = await this.#write(
      `WITH forgotten AS (DELETE FROM ${groups} WHERE seen_at <= now() - $1::float8 * interval '1 millisecond'
          AND id <> ALL($2::bigint[]) RETURNING id, topic, name),
        held AS (DELETE FROM ${deliveries} WHERE group_id IN (SELECT id FROM forgotten)),
        holders AS (DELETE FROM ${owners} WHERE group_id IN (SELECT id FROM forgotten))
        SELECT topic, name FROM forgotten`,
      [this.#settings.groupRetention, [...this.#groups.keys()]],
    );
    for (const [topic, name] of rows) {
      this.#context.log.warn(`group ${name} of topic ${topic} is forgotten: it has had no subscriber for too long`);
      this.#consumed.add(String(topic));
    }
  }

  async #sweepUnwanted(): Promise<void> {
    const { messages, groups } = this.#tables;
    // Hops from topic to topic in the index instead of passing over every message.
    const { rows } = await this.#client.read(
      `WITH RECURSIVE topics (name) AS ((SELECT topic FROM ${messages} ORDER BY topic LIMIT 1) UNION ALL
          SELECT (SELECT topic FROM ${messages} WHERE topic > name ORDER BY topic LIMIT 1) FROM topics WHERE name IS NOT NULL)
        SELECT name FROM topics WHERE name IS NOT NULL AND name NOT IN (SELECT topic FROM ${groups})`,
      [],
      {},
    );
    for (const [topic] of rows) {
      for (let deleted = slice; deleted === slice && !this.#stopped; ) {
        const { count } = await this.#write(
          `DELETE FROM ${messages} WHERE topic = $1 AND seq IN
              (SELECT seq FROM (SELECT seq, published_at FROM ${messages} WHERE topic = $1 ORDER BY seq LIMIT ${slice}) old
                WHERE published_at <= now() - $2::float8 * interval '1 millisecond')
            AND NOT EXISTS (SELECT 1 FROM ${groups} WHERE topic = $1)`,
          [topic, this.#settings.retention],
        );
        deleted = count;
      }
    }
  }
}
