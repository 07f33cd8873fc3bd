import {
  StateOptions_StateConcurrency as Concurrencies,
  StateOptions_StateConsistency as Consistencies,
} from "../../specs/gen/dapr/proto/components/v1/state_pb.js";
import type { Concurrency, Consistency, SetOptions, StateOperation, WriteOptions } from "../contract/state.ts";

export const consistencyOf = (consistency: Consistency | undefined) => {
  if (consistency === undefined) return Consistencies.CONSISTENCY_UNSPECIFIED;
  return consistency === "strong" ? Consistencies.CONSISTENCY_STRONG : Consistencies.CONSISTENCY_EVENTUAL;
};

const concurrencyOf = (concurrency: Concurrency | undefined) => {
  if (concurrency === undefined) return Concurrencies.CONCURRENCY_UNSPECIFIED;
  return concurrency === "first-write" ? Concurrencies.CONCURRENCY_FIRST_WRITE : Concurrencies.CONCURRENCY_LAST_WRITE;
};

const writeFields = ({ etag, concurrency, consistency, metadata }: WriteOptions) => ({
  ...(etag === undefined ? {} : { etag: { value: etag } }),
  options: { concurrency: concurrencyOf(concurrency), consistency: consistencyOf(consistency) },
  metadata: { ...metadata },
});

/** A write as the wire has it; the time to live goes along as the published metadata key. */
export function setRequest(key: string, value: Uint8Array, options: SetOptions) {
  const { ttlSeconds, contentType = "" } = options;
  const fields = writeFields(options);
  const ttl = ttlSeconds === undefined ? {} : { ttlInSeconds: String(ttlSeconds) };
  return { key, value, contentType, ...fields, metadata: { ...fields.metadata, ...ttl } };
}

export const deleteRequest = (key: string, options: WriteOptions) => ({ key, ...writeFields(options) });

export const operationRequest = (operation: StateOperation) =>
  operation.kind === "set"
    ? { request: { case: "set" as const, value: setRequest(operation.key, operation.data, operation.options) } }
    : { request: { case: "delete" as const, value: deleteRequest(operation.key, operation.options) } };
