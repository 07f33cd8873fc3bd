import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client } from "./client.ts";

export interface UpkeepOptions {
  readonly table: string;
  readonly expires: string;
  readonly metadataTable: string;
  /** Row of the metadata table that tells when values were last deleted. */
  readonly key: string;
  /** 0: never. */
  readonly intervalMs: number;
}

/** So many values are deleted before other work gets its turn. */
const slice = 1000;

/**
 * Deletes ended values every `intervalMs`; of all sidecars that share the table one does it. The returned function ends
 * it and settles when nothing goes on.
 */
export function sweepEvery(client: Client, options: UpkeepOptions, { clock, log }: OpenContext): () => Promise<void> {
  const { intervalMs } = options;
  if (intervalMs <= 0) return async () => {};
  let cancel = () => {};
  let stopped = false;
  let running = Promise.resolve();
  const later = () => {
    cancel = clock.after(intervalMs, () => {
      running = sweep(client, options, () => stopped)
        .catch((error: unknown) => {
          if (!stopped) log.warn(`ended values could not be deleted: ${causeText(error)}`);
        })
        .finally(() => stopped || later());
    });
  };
  later();
  return async () => {
    stopped = true;
    cancel();
    await running;
  };
}

async function sweep(client: Client, options: UpkeepOptions, isStopped: () => boolean): Promise<void> {
  const { table, expires, metadataTable, key, intervalMs } = options;
  const { count: isMine } = await client.write(
    `INSERT INTO ${metadataTable} AS old (key, value) VALUES ($1, now()::text)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value
      WHERE old.value::timestamptz <= now() - $2::float8 * interval '1 millisecond'`,
    // A little less than the interval, so that whose timer is a little early does not wait for a whole further one.
    [key, intervalMs * 0.9],
    {},
  );
  for (let deleted = isMine ? slice : 0; deleted === slice && !isStopped(); ) {
    const { count } = await client.write(
      `DELETE FROM ${table} WHERE ${expires} <= now() AND key IN
        (SELECT key FROM ${table} WHERE ${expires} <= now() LIMIT ${slice} FOR UPDATE SKIP LOCKED)`,
      [],
      {},
    );
    deleted = count;
  }
}
