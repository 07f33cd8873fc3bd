import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import type { Clock } from "../contract/driver.ts";
import { QueryEvaluation } from "../contract/query.ts";
import {
  defineStateStore,
  type ListPage,
  type ListRequest,
  type QueryPage,
  type QueryRequest,
  type SetOptions,
  type StateEntry,
  type StateOperation,
  type WriteOptions,
} from "../contract/state.ts";
import { MemoryJournal } from "./journal.ts";
import { SortedKeys } from "./sorted-keys.ts";
import { sweepEvery } from "./sweep.ts";

const sweepMs = 1000;

export default defineStateStore({
  type: "state.in-memory",
  aliases: ["state.memory"],
  status: "stable",
  summary: "Keeps values in the sidecar's memory; they are gone when it stops.",
  metadata: Type.Object({}),
  capabilities: ["etag", "ttl", "transaction", "bulkGet", "query", "journal"],
  async open(_settings, { clock }) {
    const values = new Values(clock);
    const stopSweeping = sweepEvery(clock, sweepMs, () => values.sweep());
    return {
      get: async (key) => values.find(key),
      set: async (key, data, options) => values.apply([{ kind: "set", key, data, options }]),
      delete: async (key, options) => values.apply([{ kind: "delete", key, options }]),
      transact: async (operations) => values.apply(operations),
      getMany: async (keys) => keys.map((key) => values.find(key)),
      list: async (request) => values.list(request),
      query: async (request) => values.query(request),
      journal: new MemoryJournal(),
      async close() {
        stopSweeping();
        values.clear();
      },
    };
  },
});

interface Value extends StateEntry {
  readonly etag: string;
}

class Values {
  readonly #clock: Clock;
  readonly #values = new Map<string, Value>();
  readonly #keys = new SortedKeys((key) => this.#values.has(key));
  /** Keys of values with an end, so that sweeping does not pass over those without. */
  readonly #ending = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  find(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value?.expiresAt === undefined || value.expiresAt > this.#clock.now()) return value;
    return undefined;
  }

  /** All or none: each operation sees those before it, and the first that is refused takes them back. */
  apply(operations: readonly StateOperation[]): void {
    const before: [string, Value | undefined][] = [];
    try {
      for (const operation of operations) {
        this.#check(operation.key, operation.options);
        before.push([operation.key, this.#values.get(operation.key)]);
        this.#put(operation.key, operation.kind === "set" ? this.#value(operation.data, operation.options) : undefined);
      }
    } catch (error) {
      for (const [key, value] of before.reverse()) this.#put(key, value);
      throw error;
    }
  }

  #check(key: string, { etag, concurrency }: WriteOptions): void {
    if (etag === undefined && concurrency !== "first-write") return;
    if (this.find(key)?.etag !== etag) throw fail("etagMismatch", { key });
  }

  #value(data: Uint8Array, { ttlSeconds }: SetOptions): Value {
    // Copied: the caller's bytes may be part of a larger buffer, which would stay in memory with them.
    const value = { data: new Uint8Array(data), etag: randomUUID() };
    return ttlSeconds === undefined ? value : { ...value, expiresAt: this.#clock.now() + ttlSeconds * 1000 };
  }

  #put(key: string, value: Value | undefined): void {
    const isKnown = this.#values.has(key);
    if (value) this.#values.set(key, value);
    else this.#values.delete(key);
    if (value && !isKnown) this.#keys.add(key);
    if (!value && isKnown) this.#keys.remove(key);
    if (value?.expiresAt === undefined) this.#ending.delete(key);
    else this.#ending.add(key);
  }

  list({ prefix, cursor, limit }: ListRequest): ListPage {
    const keys: string[] = [];
    for (const key of this.#keys.from(prefix, cursor)) {
      if (!this.find(key)) continue;
      const last = keys.at(-1);
      if (keys.length === limit && last !== undefined) return { keys, cursor: last };
      keys.push(key);
    }
    return { keys };
  }

  query(request: QueryRequest): QueryPage {
    const evaluation = new QueryEvaluation(request);
    for (const key of this.#keys.from(request.prefix, evaluation.after)) {
      const value = this.find(key);
      if (value && !evaluation.offer({ key, ...value })) break;
    }
    return evaluation.page();
  }

  sweep(): void {
    for (const key of this.#ending) if (!this.find(key)) this.#put(key, undefined);
  }

  clear(): void {
    for (const key of [...this.#values.keys()]) this.#put(key, undefined);
  }
}
