import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client } from "./client.ts";

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
  readonly #settings: UpkeepSettings;
  readonly #context: OpenContext;
  /** Per topic with settled messages: up to where they have been looked at in this round. */
  readonly #looked = new Map<string, number>();
  readonly #groups = new Map<number, { count: number }>();
  #consumed = new Set<string>();
  #cancelConsumed: (() => void) | undefined;
  #cancelRound: () => void;
  #running = Promise.resolve();
  #stopped = false;

  constructor(client: Client, settings: UpkeepSettings, context: OpenContext) {
    this.#client = client;
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
  keepGroup(id: number): () => void {
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

  /** Writes need not reach the disk: whatever is lost is done again. */
  #write<T>(run: () => T): Promise<T> {
    return this.#client.write(run, {}, { atomic: true, durable: false });
  }

  async #sweepConsumed(topics: Iterable<string>): Promise<void> {
    for (const topic of topics) {
      while (!this.#stopped) {
        const from = this.#looked.get(topic) ?? 0;
        const to = await this.#write(() => this.#deleteConsumed(topic, from));
        if (to === undefined) break;
        this.#looked.set(topic, to);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Looks at the next slice behind `from`; answers where it ends, undefined when all has been looked at. */
  #deleteConsumed(topic: string, from: number): number | undefined {
    const before = this.#context.clock.now() - this.#settings.consumedRetention;
    const to = this.#client
      .prepare(
        `SELECT max(seq) AS seq FROM (SELECT seq FROM mecha_messages WHERE topic = ?1 AND seq > ?2
          AND seq <= (SELECT min(position) FROM mecha_groups WHERE topic = ?1) ORDER BY seq LIMIT ${slice})`,
      )
      .get(topic, from)?.["seq"];
    if (typeof to !== "number") return undefined;
    this.#client
      .prepare(
        `DELETE FROM mecha_messages WHERE topic = ?1 AND seq > ?2 AND seq <= ?3 AND published_at <= ?4
          AND NOT EXISTS (SELECT 1 FROM mecha_groups g JOIN mecha_deliveries d ON d.group_id = g.id
            WHERE g.topic = ?1 AND d.seq = mecha_messages.seq)`,
      )
      .run(topic, from, to, before);
    return to;
  }

  async #noteGroups(): Promise<void> {
    const now = this.#context.clock.now();
    const stale = this.#client.prepare("SELECT 1 FROM mecha_groups WHERE id = ? AND seen_at <= ?");
    const ids = await this.#client.read(
      () =>
        [...this.#groups.keys()].filter((id) =>
          stale.get(id, now - Math.min(seenMs, this.#settings.groupRetention / 2)),
        ),
      {},
    );
    if (ids.length === 0) return;
    const note = this.#client.prepare("UPDATE mecha_groups SET seen_at = ? WHERE id = ?");
    await this.#write(() => {
      for (const id of ids) note.run(now, id);
    });
  }

  async #forgetGroups(): Promise<void> {
    const before = this.#context.clock.now() - this.#settings.groupRetention;
    const find = this.#client.prepare("SELECT id, topic, name FROM mecha_groups WHERE seen_at <= ?");
    const groups = (await this.#client.read(() => find.all(before), {})).filter(
      ({ id }) => !this.#groups.has(Number(id)),
    );
    for (const { id, topic, name } of groups) {
      this.#context.log.warn(`group ${name} of topic ${topic} is forgotten: it has had no subscriber for too long`);
      await this.#write(() => {
        const gone = this.#client
          .prepare("DELETE FROM mecha_groups WHERE id = ? AND seen_at <= ?")
          .run(Number(id), before);
        if (gone.changes === 0) return;
        this.#client.prepare("DELETE FROM mecha_deliveries WHERE group_id = ?").run(Number(id));
        this.#client.prepare("DELETE FROM mecha_owners WHERE group_id = ?").run(Number(id));
      });
      this.#consumed.add(String(topic));
    }
  }

  async #sweepUnwanted(): Promise<void> {
    const before = this.#context.clock.now() - this.#settings.retention;
    // Hops from topic to topic in the index instead of passing over every message.
    const unwanted = this.#client.prepare(
      `WITH RECURSIVE topics (name) AS (SELECT min(topic) FROM mecha_messages UNION ALL
          SELECT (SELECT min(topic) FROM mecha_messages WHERE topic > name) FROM topics WHERE name IS NOT NULL)
        SELECT name FROM topics WHERE name IS NOT NULL AND name NOT IN (SELECT topic FROM mecha_groups)`,
    );
    const remove = this.#client.prepare(
      `DELETE FROM mecha_messages WHERE seq IN (SELECT seq FROM
          (SELECT seq, published_at FROM mecha_messages WHERE topic = ?1 ORDER BY seq LIMIT ${slice})
          WHERE published_at <= ?2)
        AND NOT EXISTS (SELECT 1 FROM mecha_groups WHERE topic = ?1)`,
    );
    for (const { name } of await this.#client.read(() => unwanted.all(), {})) {
      for (let deleted = slice; deleted === slice && !this.#stopped; ) {
        deleted = await this.#write(() => Number(remove.run(String(name), before).changes));
      }
    }
  }
}
