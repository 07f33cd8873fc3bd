import { randomUUID } from "node:crypto";
import { causeText } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { Instance } from "../contract/name-resolution.ts";
import { type Client, quoted } from "./client.ts";
import { isGone, ownMark } from "./process-mark.ts";

/** Intervals of silence after which a sidecar counts as gone. */
const missedBeats = 3;

/** A power cut ends all sidecars anyway: their rows need not outlive it. */
const relaxed = { durable: false };

/**
 * The table of running sidecars, in the published layout. Our registration ids are `<uuid>;<mark>` (process-mark.ts);
 * ids of other implementations carry no mark and live by their last update alone.
 */
export class Hosts {
  readonly #client: Client;
  readonly #table: string;
  readonly #intervalMs: number;
  readonly #context: OpenContext;
  readonly #own = new Map<string, Instance>();

  /** Makes the table when it is absent. */
  static setUp(client: Client, tableName: string, metadataTableName: string): Promise<void> {
    const table = quoted(tableName);
    const index = (column: string) => quoted(`${tableName}_${column}_idx`);
    const layout = `
      CREATE TABLE IF NOT EXISTS ${table} (
        registration_id TEXT NOT NULL PRIMARY KEY,
        address TEXT NOT NULL,
        app_id TEXT NOT NULL,
        namespace TEXT NOT NULL,
        last_update INTEGER NOT NULL
      );
      CREATE UNIQUE INDEX IF NOT EXISTS ${index("address")} ON ${table} (address);
      CREATE INDEX IF NOT EXISTS ${index("app_id")} ON ${table} (app_id);
      CREATE INDEX IF NOT EXISTS ${index("last_update")} ON ${table} (last_update);`;
    return client.migrate(`nameresolution-${tableName}`, [layout], metadataTableName);
  }

  constructor(client: Client, tableName: string, intervalMs: number, context: OpenContext) {
    this.#client = client;
    this.#table = quoted(tableName);
    this.#intervalMs = intervalMs;
    this.#context = context;
  }

  async register(instance: Instance, call: Call): Promise<void> {
    const id = `${randomUUID()};${ownMark()}`;
    await this.#client.write(() => this.#put(id, instance), call, { ...relaxed, atomic: true });
    this.#own.set(id, instance);
  }

  /** Says that the sidecars registered here are still there. Never rejects. */
  async beat(): Promise<void> {
    if (this.#own.size === 0) return;
    await this.#quietly("the sidecar could not say that it is running; others may stop finding it", () => {
      // Put, not updated: another process may have taken a sidecar that slept for a gone one.
      for (const [id, instance] of this.#own) this.#put(id, instance);
    });
  }

  /** Deletes rows of sidecars that are gone. Never rejects. */
  async sweep(): Promise<void> {
    await this.#quietly("rows of sidecars that are gone could not be deleted", () => {
      const remove = this.#client.prepare(`DELETE FROM ${this.#table} WHERE registration_id = ?`);
      const rows = this.#client.prepare(`SELECT registration_id, last_update FROM ${this.#table}`).all();
      for (const { registration_id: id, last_update: at } of rows) {
        if (Number(at) < this.#oldestAlive() || ended(id)) remove.run(id as string);
      }
    });
  }

  /** Addresses, the one heard of last first. */
  resolve(appId: string, namespace: string, call: Call): Promise<readonly string[]> {
    return this.#client.read(() => {
      const rows = this.#client
        .prepare(
          `SELECT registration_id, address FROM ${this.#table}
           WHERE app_id = ? AND namespace = ? AND last_update >= ? ORDER BY last_update DESC`,
        )
        .all(appId, namespace, this.#oldestAlive());
      return rows.filter((row) => !ended(row["registration_id"])).map((row) => String(row["address"]));
    }, call);
  }

  /** App ids in order; those of other namespaces as `<id>.<namespace>`, as a caller has to write them. */
  known(call: Call): Promise<readonly string[]> {
    return this.#client.read(() => {
      const rows = this.#client
        .prepare(`SELECT registration_id, app_id, namespace FROM ${this.#table} WHERE last_update >= ?`)
        .all(this.#oldestAlive());
      const names = rows
        .filter((row) => !ended(row["registration_id"]))
        .map(({ app_id: id, namespace }) => (namespace === this.#context.namespace ? `${id}` : `${id}.${namespace}`));
      return [...new Set(names)].sort();
    }, call);
  }

  /** Takes back what was registered here, then gives the file back. */
  async close(): Promise<void> {
    const ids = [...this.#own.keys()];
    this.#own.clear();
    if (ids.length > 0) {
      await this.#quietly("the sidecar could not be taken back; others find it until its row is old", () => {
        const remove = this.#client.prepare(`DELETE FROM ${this.#table} WHERE registration_id = ?`);
        for (const id of ids) remove.run(id);
      });
    }
    await this.#client.close();
  }

  #put(id: string, { address, appId, namespace }: Instance): void {
    // Whoever had this address before is gone, else it could not be ours.
    this.#client.prepare(`DELETE FROM ${this.#table} WHERE address = ? AND registration_id <> ?`).run(address, id);
    this.#client
      .prepare(
        `INSERT INTO ${this.#table} (registration_id, address, app_id, namespace, last_update) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (registration_id) DO UPDATE SET last_update = ?5`,
      )
      .run(id, address, appId, namespace, seconds(this.#context.clock.now()));
  }

  async #quietly(complaint: string, run: () => void): Promise<void> {
    try {
      await this.#client.write(run, {}, { ...relaxed, atomic: true });
    } catch (error) {
      this.#context.log.warn(complaint, { component: this.#context.name, error: causeText(error) });
    }
  }

  /** Smallest last_update of a sidecar that counts as running. */
  #oldestAlive(): number {
    return seconds(this.#context.clock.now() - missedBeats * this.#intervalMs);
  }
}

const seconds = (ms: number) => Math.floor(ms / 1000);

function ended(registrationId: unknown): boolean {
  const [, mark] = String(registrationId).split(";");
  return mark !== undefined && isGone(mark);
}
