import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { StateItemSchema } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import type { Transport } from "../transport.ts";
import { fromBytes, toBytes, toJsonText } from "../values.ts";
import {
  consistencyOf,
  type Metadata,
  metadataOf,
  optionsOf,
  type ReadOptions,
  type WriteOptions,
} from "./state-options.ts";
import type { FoundPage, StateQuery } from "./state-query.ts";

const { method: dapr } = Dapr;

/**
 * A stored value and its version.
 *
 * @example
 * ```ts
 * import { createClient, type StateEntry } from "@mecha/sdk";
 *
 * const entry: StateEntry<number> | undefined = await createClient().state<number>("stock").get("apples");
 * console.log(entry?.value, entry?.etag);
 * ```
 */
export interface StateEntry<T> {
  readonly value: T;
  /** Version for a conditional write; undefined when the store has none. */
  readonly etag: string | undefined;
  /** What the store tells besides, such as `ttlExpireTime`. */
  readonly metadata: Metadata;
}

/**
 * One result of a read of several keys.
 *
 * @example
 * ```ts
 * import { createClient, type FoundState } from "@mecha/sdk";
 *
 * const found: readonly FoundState<number>[] = await createClient().state<number>("stock").getMany(["apples", "pears"]);
 * for (const { key, entry, error } of found) console.log(key, entry?.value ?? error ?? "not there");
 * ```
 */
export interface FoundState<T> {
  readonly key: string;
  /** Undefined: not there, or not readable. */
  readonly entry: StateEntry<T> | undefined;
  /** Why this key could not be read. */
  readonly error: string | undefined;
}

/**
 * A key, its new value and the terms on which it is written.
 *
 * @example
 * ```ts
 * import { createClient, type StateItem } from "@mecha/sdk";
 *
 * const items: StateItem<number>[] = [{ key: "apples", value: 4, ttlSeconds: 60 }, { key: "pears", value: 0, etag: "7" }];
 * await createClient().state<number>("stock").setMany(items);
 * ```
 */
export interface StateItem<T> extends WriteOptions {
  readonly key: string;
  readonly value: T | Uint8Array;
}

/**
 * One step of a transaction.
 *
 * @example
 * ```ts
 * import { createClient, type StateOperation } from "@mecha/sdk";
 *
 * const move: StateOperation<number>[] = [
 *   { operation: "upsert", key: "pears", value: 4 },
 *   { operation: "delete", key: "apples", etag: "7" },
 * ];
 * await createClient().state<number>("stock").transact(move);
 * ```
 */
export type StateOperation<T> =
  | ({ readonly operation: "upsert" } & StateItem<T>)
  | ({ readonly operation: "delete"; readonly key: string } & WriteOptions);

type ItemInit = MessageInitShape<typeof StateItemSchema>;

/**
 * A state store. Values are JSON; bytes are stored as they are, for which a client over HTTP needs them to be JSON too.
 *
 * @example
 * ```ts
 * import { createClient, type StateStore } from "@mecha/sdk";
 *
 * interface Order { item: string; count: number }
 * const orders: StateStore<Order> = createClient().state<Order>("orders");
 * await orders.set("1", { item: "apple", count: 2 }, { ttlSeconds: 3600 });
 * const found = await orders.get("1");
 * if (found) await orders.set("1", { ...found.value, count: 3 }, { etag: found.etag });
 * for await (const key of orders.keys("2026-")) await orders.delete(key);
 * ```
 */
export class StateStore<T = unknown> {
  readonly #transport: Transport;
  readonly #store: string;

  /** @internal */
  constructor(transport: Transport, store: string) {
    this.#transport = transport;
    this.#store = store;
  }

  /** Reads one key; undefined when it is not there. Throws `data_loss` when the value is no JSON. */
  async get<V = T>(key: string, options: ReadOptions = {}): Promise<StateEntry<V> | undefined> {
    const entry = await this.getBytes(key, options);
    return entry && { ...entry, value: this.#decode<V>(key, entry.value) };
  }

  /** Reads one key without decoding it. */
  async getBytes(key: string, options: ReadOptions = {}): Promise<StateEntry<Uint8Array> | undefined> {
    const input = {
      storeName: this.#store,
      key,
      consistency: consistencyOf(options.consistency),
      metadata: metadataOf(options),
    };
    const { data, etag, metadata } = await this.#transport.unary(dapr.getState, input, callOf(options));
    return data.byteLength === 0 && etag === "" ? undefined : { value: data, etag: etag || undefined, metadata };
  }

  /** Reads several keys, `parallelism` at a time (default: as the sidecar sees fit); one result for each key. */
  async getMany<V = T>(
    keys: readonly string[],
    options: ReadOptions & { readonly parallelism?: number } = {},
  ): Promise<FoundState<V>[]> {
    const { parallelism = 0 } = options;
    const input = { storeName: this.#store, keys: [...keys], parallelism, metadata: metadataOf(options) };
    const { items } = await this.#transport.unary(dapr.getBulkState, input, callOf(options));
    return items.map(({ key, data, etag, metadata, error }) => ({
      key,
      entry:
        data.byteLength === 0 ? undefined : { value: this.#decode<V>(key, data), etag: etag || undefined, metadata },
      error: error || undefined,
    }));
  }

  /** Writes one key. With `etag` only if it is still that version, else throws `aborted`. */
  async set(key: string, value: T | Uint8Array, options: WriteOptions & CallOptions = {}): Promise<void> {
    await this.setMany([{ ...options, key, value }], options);
  }

  /** Writes several keys; they are not written together: see `transact`. */
  async setMany(items: readonly StateItem<T>[], call: CallOptions = {}): Promise<void> {
    const states = items.map((item) => this.#item(item));
    await this.#transport.unary(dapr.saveState, { storeName: this.#store, states }, callOf(call));
  }

  /** Removes one key; that it is not there is no error. With `etag` only if it is still that version. */
  async delete(key: string, options: Omit<WriteOptions, "ttlSeconds"> & CallOptions = {}): Promise<void> {
    const input = { storeName: this.#store, ...toItem(key, options) };
    await this.#transport.unary(dapr.deleteState, input, callOf(options));
  }

  /** Removes several keys. */
  async deleteMany(
    keys: readonly (string | ({ readonly key: string } & WriteOptions))[],
    call: CallOptions = {},
  ): Promise<void> {
    const states = keys.map((one) => (typeof one === "string" ? { key: one } : toItem(one.key, one)));
    await this.#transport.unary(dapr.deleteBulkState, { storeName: this.#store, states }, callOf(call));
  }

  /** Does all of it or nothing. */
  async transact(
    operations: readonly StateOperation<T>[],
    options: { readonly metadata?: Metadata } & CallOptions = {},
  ): Promise<void> {
    const input = {
      storeName: this.#store,
      operations: operations.map((one) => ({
        operationType: one.operation,
        request: one.operation === "upsert" ? this.#item(one) : toItem(one.key, one),
      })),
      metadata: metadataOf(options),
    };
    await this.#transport.unary(dapr.executeStateTransaction, input, callOf(options));
  }

  /** Finds entries by their values, page by page. */
  async query<V = T>(
    query: StateQuery,
    options: { readonly metadata?: Metadata } & CallOptions = {},
  ): Promise<FoundPage<V>> {
    const input = { storeName: this.#store, query: toJsonText(query, "the query"), metadata: metadataOf(options) };
    const { results, token } = await this.#transport.unary(dapr.queryStateAlpha1, input, callOf(options));
    return {
      results: results.map(({ key, data, etag }) => ({
        key,
        value: this.#decode<V>(key, data),
        etag: etag || undefined,
      })),
      token: token || undefined,
    };
  }

  /** Keys that start with `prefix`, in ascending order; asks for `pageSize` (1 to 1000, default 100) at a time. */
  async *keys(
    prefix = "",
    { pageSize = 0, ...call }: { readonly pageSize?: number } & CallOptions = {},
  ): AsyncGenerator<string, void> {
    let cursor = "";
    do {
      const input = { storeName: this.#store, prefix, cursor, limit: pageSize };
      const page = await this.#transport.unary(Mecha.method.listState, input, callOf(call));
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== "");
  }

  #decode<V>(key: string, data: MessageShape<typeof StateItemSchema>["value"]): V {
    return fromBytes<V>(data, `the value of ${JSON.stringify(key)} in ${this.#store}`, "read it by getBytes()");
  }

  #item(item: StateItem<T>): ItemInit {
    const what = `the value of ${JSON.stringify(item.key)} for ${this.#store}`;
    return { ...toItem(item.key, item), value: toBytes(item.value, what, this.#transport) };
  }
}

function toItem(key: string, options: WriteOptions) {
  const { etag } = options;
  return {
    key,
    ...(etag === undefined ? {} : { etag: { value: etag } }),
    metadata: metadataOf(options),
    options: optionsOf(options),
  };
}
