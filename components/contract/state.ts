import { type TObject, Type } from "typebox";
import type { All, Call, Definition, Open, Opened } from "./driver.ts";
import type { Journal } from "./journal.ts";
import { flag, secret, text } from "./settings.ts";

/** A stored value. */
export interface StateEntry {
  readonly data: Uint8Array;
  /** Version of the value; absent when the store has none. */
  readonly etag?: string | undefined;
  /** Milliseconds since 1970 at which the value ends; absent: never. */
  readonly expiresAt?: number | undefined;
}

export type Consistency = "eventual" | "strong";
export type Concurrency = "first-write" | "last-write";

export interface GetOptions {
  readonly consistency?: Consistency | undefined;
  /** Request metadata as the caller gave it. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface WriteOptions {
  /** The write succeeds only when the stored version is this one. */
  readonly etag?: string | undefined;
  /** `first-write` without etag: only when the key is absent. */
  readonly concurrency?: Concurrency | undefined;
  readonly consistency?: Consistency | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface SetOptions extends WriteOptions {
  /** Seconds to live, over 0; absent: the value does not end, and an earlier end is taken off. */
  readonly ttlSeconds?: number | undefined;
  /** Media type that the caller named, for stores that keep JSON as documents. */
  readonly contentType?: string | undefined;
}

export type StateOperation =
  | { readonly kind: "set"; readonly key: string; readonly data: Uint8Array; readonly options: SetOptions }
  | { readonly kind: "delete"; readonly key: string; readonly options: WriteOptions };

export interface ListRequest {
  readonly prefix: string;
  /** From an earlier answer; absent: from the start. */
  readonly cursor?: string | undefined;
  /** At most so many keys, 1 to 1000. */
  readonly limit: number;
}

export interface ListPage {
  /** In ascending order of bytes where the store can order. */
  readonly keys: readonly string[];
  /** Absent at the end. */
  readonly cursor?: string | undefined;
}

/** A condition of the query API. */
export type Filter =
  | { readonly op: "EQ" | "NEQ" | "GT" | "GTE" | "LT" | "LTE"; readonly key: string; readonly value: unknown }
  | { readonly op: "IN"; readonly key: string; readonly values: readonly unknown[] }
  | { readonly op: "AND" | "OR"; readonly filters: readonly Filter[] };

export interface QueryRequest {
  /** Only keys with this prefix. */
  readonly prefix: string;
  readonly filter?: Filter | undefined;
  readonly sort: readonly { readonly key: string; readonly order: "ASC" | "DESC" }[];
  /** 0: no limit. */
  readonly limit: number;
  readonly token?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface QueryPage {
  readonly entries: readonly { readonly key: string; readonly data: Uint8Array; readonly etag?: string | undefined }[];
  readonly token?: string | undefined;
}

/**
 * A store of values by key. All methods may be called concurrently; keys arrive with their prefix.
 * A stale etag rejects with `etagMismatch`, an etag of a foreign form with `etagInvalid`; both change nothing.
 */
export interface StateStore extends Opened {
  /** The value, or undefined when the key is absent or expired. */
  get(key: string, options: GetOptions, call: Call): Promise<StateEntry | undefined>;
  /** Durable when it resolves, as far as the backend promises durability. */
  set(key: string, data: Uint8Array, options: SetOptions, call: Call): Promise<void>;
  /** Deleting an absent key is a success, unless an etag is given. */
  delete(key: string, options: WriteOptions, call: Call): Promise<void>;
  /** Live keys with a prefix, page by page. */
  list(request: ListRequest, call: Call): Promise<ListPage>;
}

export interface StateCapabilities {
  /** Versions on every value; concurrent writes with the same etag: one wins. */
  etag: object;
  /** ttlSeconds is kept. */
  ttl: object;
  /** Several writes, all or none. */
  transaction: {
    transact(operations: readonly StateOperation[], call: Call): Promise<void>;
    /** Absent: no limit. */
    readonly maxOperations?: number;
  };
  /** Several reads in one round trip; the answer has the order of the keys. */
  bulkGet: {
    getMany(keys: readonly string[], options: GetOptions, call: Call): Promise<readonly (StateEntry | undefined)[]>;
  };
  /** The query API over JSON values. */
  query: { query(request: QueryRequest, call: Call): Promise<QueryPage> };
  /** What durable execution is kept in: actors, workflows, jobs. */
  journal: { readonly journal: Journal };
}
export type StateCapability = keyof StateCapabilities;

/** Metadata keys of every state component that the sidecar itself reads. */
export const stateRuntimeSettings = Type.Object({
  actorStateStore: flag({ default: false, description: "Keeps actors, workflows and jobs in this store." }),
  keyPrefix: text({ default: "appid", description: "appid, name, namespace, none, or a text put before every key." }),
  primaryEncryptionKey: Type.Optional(
    secret({ description: "AES key in hex (16, 24 or 32 bytes); values are encrypted before they leave the sidecar." }),
  ),
  secondaryEncryptionKey: Type.Optional(
    secret({ description: "Former key in hex, for reading while keys are rotated." }),
  ),
  outboxPublishPubsub: Type.Optional(text({ description: "Pubsub to which the outbox publishes." })),
  outboxPublishTopic: Type.Optional(text({ description: "Topic to which the outbox publishes." })),
  outboxPubsub: Type.Optional(
    text({ description: "Pubsub of the outbox's internal topic; default: outboxPublishPubsub." }),
  ),
  outboxDiscardWhenMissingState: flag({
    default: false,
    description: "Drops an outbox message whose transaction never committed.",
  }),
});

export interface StateDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "state";
  readonly capabilities: readonly StateCapability[];
  readonly open: Open<M, StateStore & Partial<All<StateCapabilities, StateCapability>>>;
}

/** Defines a state driver; a declared capability whose methods `open` does not return does not compile. */
export function defineStateStore<M extends TObject, const C extends StateCapability>(
  driver: Definition<M> & {
    readonly capabilities: readonly C[];
    readonly open: Open<M, StateStore & All<StateCapabilities, C>>;
  },
): StateDriver<M> {
  return { kind: "state", ...driver } as unknown as StateDriver<M>;
}
