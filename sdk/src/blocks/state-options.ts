import {
  StateOptions_StateConcurrency as Concurrency,
  StateOptions_StateConsistency as Consistency,
} from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import type { CallOptions } from "../call.ts";

/**
 * Words for a component, as its documentation names them.
 *
 * @example
 * ```ts
 * import { createClient, type Metadata } from "@mecha/sdk";
 *
 * const metadata: Metadata = { partitionKey: "eu" };
 * await createClient().state("orders").get("1", { metadata });
 * ```
 */
export type Metadata = Readonly<Record<string, string>>;

/**
 * How to read state.
 *
 * @example
 * ```ts
 * import { createClient, type ReadOptions } from "@mecha/sdk";
 *
 * const fresh: ReadOptions = { consistency: "strong", timeoutMs: 1_000 };
 * await createClient().state("orders").get("1", fresh);
 * ```
 */
export interface ReadOptions extends CallOptions {
  readonly consistency?: "eventual" | "strong" | undefined;
  readonly metadata?: Metadata | undefined;
}

/**
 * On which terms to write state.
 *
 * @example
 * ```ts
 * import { createClient, type WriteOptions } from "@mecha/sdk";
 *
 * const once: WriteOptions = { concurrency: "first-write", ttlSeconds: 60 };
 * await createClient().state("orders").set("1", { item: "apple" }, once);
 * ```
 */
export interface WriteOptions {
  /** Only if the stored version is this one. */
  readonly etag?: string | undefined;
  /** Seconds until the key goes by itself; -1: never. */
  readonly ttlSeconds?: number | undefined;
  readonly concurrency?: "first-write" | "last-write" | undefined;
  readonly consistency?: "eventual" | "strong" | undefined;
  readonly metadata?: Metadata | undefined;
}

const consistencies = { eventual: Consistency.CONSISTENCY_EVENTUAL, strong: Consistency.CONSISTENCY_STRONG };
const concurrencies = {
  "first-write": Concurrency.CONCURRENCY_FIRST_WRITE,
  "last-write": Concurrency.CONCURRENCY_LAST_WRITE,
};

/** @internal */
export const consistencyOf = (name: ReadOptions["consistency"]): Consistency =>
  name ? consistencies[name] : Consistency.CONSISTENCY_UNSPECIFIED;

/** @internal */
export function optionsOf({ concurrency, consistency }: WriteOptions) {
  return {
    concurrency: concurrency ? concurrencies[concurrency] : Concurrency.CONCURRENCY_UNSPECIFIED,
    consistency: consistencyOf(consistency),
  };
}

/** Metadata with the options that travel in it. @internal */
export function metadataOf(options: {
  readonly metadata?: Metadata | undefined;
  readonly ttlSeconds?: number | undefined;
}): Record<string, string> {
  const { metadata, ttlSeconds } = options;
  return { ...metadata, ...(ttlSeconds === undefined ? {} : { ttlInSeconds: String(ttlSeconds) }) };
}
