import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client } from "./client.ts";

export interface UpkeepOptions {
  readonly table: string;
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
  const { table, metadataTable, key, intervalMs } = options;
  // A little less than the interval, so that whose timer is a little early does not wait for a whole further one. What is
  // no time there, from whoever, is over.
  const last = "CAST(value AS DATETIME(3))";
  const isDue = `(${last} IS NULL OR ${last} <= NOW(3) - INTERVAL ? MICROSECOND)`;
  const { affected } = await client.write(
    `INSERT INTO ${metadataTable} (id, value) VALUES (?, NOW(3))
      ON DUPLICATE KEY UPDATE value = IF(${isDue}, VALUES(value), value)`,
    [key, Math.round(intervalMs * 900)],
    {},
  );
  for (let deleted = affected > 0 ? slice : 0; deleted === slice && !isStopped(); ) {
    const answer = await client.write(`DELETE FROM ${table} WHERE expiredate <= NOW(6) LIMIT ${slice}`, [], {});
    deleted = answer.affected;
  }
}
