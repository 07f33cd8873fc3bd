import type { Call } from "../../../components/contract/driver.ts";
import type { StateEntry } from "../../../components/contract/state.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import { type Store, storedKey } from "./stores.ts";
import { consistencyOf } from "./writes.ts";

interface ReadOptions {
  readonly consistency?: number;
  readonly parallelism?: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A value as the API answers it. */
export interface Read {
  readonly data: Uint8Array;
  readonly etag: string;
  readonly metadata: Record<string, string>;
}

function toRead(store: Store, { data, etag, expiresAt }: StateEntry): Read {
  return {
    data: store.cipher ? store.cipher.decrypt(data) : data,
    etag: etag ?? "",
    metadata: expiresAt === undefined ? {} : { ttlExpireTime: new Date(expiresAt).toISOString() },
  };
}

/** One value, or undefined when it is absent. Rejects with `stateGet`. */
export async function readOne(store: Store, key: string, options: ReadOptions, call: Call): Promise<Read | undefined> {
  const stored = storedKey(store, key);
  try {
    const entry = await store.opened.get(
      stored,
      { consistency: consistencyOf(options.consistency ?? 0), metadata: options.metadata },
      call,
    );
    return entry && toRead(store, entry);
  } catch (error) {
    throw fail("stateGet", { name: store.name, key, cause: causeText(error) }, { cause: error });
  }
}

export interface ManyItem {
  readonly key: string;
  readonly data?: Uint8Array;
  readonly etag?: string;
  readonly metadata?: Record<string, string>;
  readonly error?: string;
}

const defaultParallelism = 10;

/** Several values in the order of their keys; a failure is told per key. Rejects only for bad keys. */
export async function readMany(
  store: Store,
  keys: readonly string[],
  options: ReadOptions,
  call: Call,
): Promise<readonly ManyItem[]> {
  const stored = keys.map((key) => storedKey(store, key));
  if (store.opened.getMany) {
    try {
      const entries = await store.opened.getMany(stored, { metadata: options.metadata }, call);
      return entries.map((entry, i) => item(store, keys[i] as string, entry));
    } catch (error) {
      throw fail("stateBulkGet", { name: store.name, cause: causeText(error) }, { cause: error });
    }
  }
  const results: ManyItem[] = new Array(keys.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < keys.length; i = next++) {
      const key = keys[i] as string;
      try {
        results[i] = item(
          store,
          key,
          await store.opened.get(stored[i] as string, { metadata: options.metadata }, call),
        );
      } catch (error) {
        results[i] = { key, error: causeText(error) };
      }
    }
  };
  const workers = Math.min(
    options.parallelism && options.parallelism > 0 ? options.parallelism : defaultParallelism,
    keys.length,
  );
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}

function item(store: Store, key: string, entry: StateEntry | undefined): ManyItem {
  if (!entry) return { key };
  try {
    return { key, ...toRead(store, entry) };
  } catch (error) {
    return { key, error: causeText(error) };
  }
}
