import { findSeconds, longestSeconds } from "../../../components/contract/seconds.ts";
import type {
  Concurrency,
  Consistency,
  SetOptions,
  StateOperation,
  WriteOptions,
} from "../../../components/contract/state.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import {
  type StateItem,
  StateOptions_StateConcurrency,
  StateOptions_StateConsistency,
} from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { payloadOf } from "../../kernel/content-type.ts";
import { decodeText, parseJson } from "../../kernel/json.ts";
import { type Store, storedKey } from "./stores.ts";

/** The parts of a StateItem that a write reads; both wires fill them. */
export type Item = Pick<StateItem, "key" | "value" | "etag" | "metadata" | "options">;

/** An operation of a transaction with the item it came from. */
export interface Planned {
  readonly type: "upsert" | "delete";
  readonly item: Item;
}

const concurrencies: Readonly<Record<number, Concurrency | undefined>> = {
  [StateOptions_StateConcurrency.CONCURRENCY_FIRST_WRITE]: "first-write",
  [StateOptions_StateConcurrency.CONCURRENCY_LAST_WRITE]: "last-write",
};
const consistencies: Readonly<Record<number, Consistency | undefined>> = {
  [StateOptions_StateConsistency.CONSISTENCY_EVENTUAL]: "eventual",
  [StateOptions_StateConsistency.CONSISTENCY_STRONG]: "strong",
};

/** Consistency as a driver reads it. */
export const consistencyOf = (value: number): Consistency | undefined => consistencies[value];

/** Seconds to live from `ttlInSeconds`; undefined: none. 0 and negative numbers take an earlier end off. */
export function ttlSecondsOf(store: Store, metadata: Readonly<Record<string, string>>): number | undefined {
  const text = metadata["ttlInSeconds"];
  if (text === undefined) return undefined;
  const seconds = findSeconds(text);
  if (seconds === undefined) {
    const limit = /^\+?\d+$/.test(text) ? ` up to ${longestSeconds}` : "";
    throw fail("requestMetadataInvalid", {
      key: "ttlInSeconds",
      why: `${JSON.stringify(text)} is not a whole number of seconds${limit}`,
    });
  }
  if (seconds <= 0) return undefined;
  if (!store.has("ttl")) {
    throw fail("requestMetadataInvalid", {
      key: "ttlInSeconds",
      why: `state store ${store.name} does not keep a time to live`,
    });
  }
  return seconds;
}

function writeOptions(store: Store, item: Item): WriteOptions {
  const etag = item.etag?.value;
  const concurrency = concurrencies[item.options?.concurrency ?? 0];
  if ((etag !== undefined || concurrency === "first-write") && !store.has("etag")) {
    throw fail("requestMetadataInvalid", { key: "etag", why: `state store ${store.name} has no versions to compare` });
  }
  return { etag, concurrency, consistency: consistencies[item.options?.consistency ?? 0], metadata: item.metadata };
}

/** A write of one item, its key, value and options as the driver takes them. */
export function setOperation(store: Store, item: Item): StateOperation & { kind: "set" } {
  const options: SetOptions = {
    ...writeOptions(store, item),
    ttlSeconds: ttlSecondsOf(store, item.metadata),
    contentType: item.metadata["contentType"],
  };
  const key = storedKey(store, item.key);
  checkContent(item);
  return { kind: "set", key, data: store.cipher ? store.cipher.encrypt(item.value) : item.value, options };
}

/** A value that says that it is JSON must be: queries read it. HTTP brings nothing else, so this is for gRPC. */
function checkContent({ key, value, metadata }: Item): void {
  const { contentType } = metadata;
  if (contentType === undefined || payloadOf(contentType) !== "json") return;
  const what = `the value of ${key}, whose contentType is ${contentType},`;
  parseJson(decodeText(value, what), what);
}

/** A deletion of one item. */
export function deleteOperation(store: Store, item: Item): StateOperation & { kind: "delete" } {
  return { kind: "delete", key: storedKey(store, item.key), options: writeOptions(store, item) };
}

type Doing = "save" | "delete";

/** What the driver threw, in the words of the method that called it. */
export function writeFailure(store: Store, doing: Doing, key: string, error: unknown): MechaError {
  const at = { name: store.name, key };
  const options = { cause: error };
  if (error instanceof MechaError) {
    if (error.reason === "etagMismatch")
      return fail(doing === "save" ? "stateSaveEtagMismatch" : "stateDeleteEtagMismatch", at, options);
    if (error.reason === "etagInvalid")
      return fail(doing === "save" ? "stateSaveEtagInvalid" : "stateDeleteEtagInvalid", at, options);
    if (error.row.code === "invalid_argument") return error;
  }
  const cause = causeText(error);
  return doing === "save"
    ? fail("stateSave", { name: store.name, cause }, options)
    : fail("stateDelete", { ...at, cause }, options);
}
