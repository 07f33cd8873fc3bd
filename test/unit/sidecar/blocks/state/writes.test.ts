import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  deleteOperation,
  setOperation,
  ttlSecondsOf,
  writeFailure,
} from "../../../../../sidecar/blocks/state/writes.ts";
import { fail } from "../../../../../specs/errors.ts";
import { StateItemSchema } from "../../../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { openStores } from "./store-under-test.ts";

const item = (init: Parameters<typeof create<typeof StateItemSchema>>[1] = {}) =>
  create(StateItemSchema, { key: "k", ...init });

describe("a write", () => {
  it("has the stored key and what the item asks for", async () => {
    const { store } = await openStores();
    const asked = item({
      value: Buffer.from("1"),
      etag: { value: "7" },
      metadata: { ttlInSeconds: "5", contentType: "application/json" },
      options: { concurrency: 1, consistency: 2 },
    });
    expect(setOperation(store, asked)).toEqual({
      kind: "set",
      key: "app||k",
      data: Buffer.from("1"),
      options: {
        etag: "7",
        concurrency: "first-write",
        consistency: "strong",
        metadata: asked.metadata,
        ttlSeconds: 5,
        contentType: "application/json",
      },
    });
    expect(deleteOperation(store, asked)).toMatchObject({ kind: "delete", key: "app||k", options: { etag: "7" } });
  });

  it("with an empty etag has an etag", async () => {
    const { store } = await openStores();
    expect(setOperation(store, item({ etag: { value: "" } })).options.etag).toBe("");
    expect(setOperation(store, item()).options.etag).toBeUndefined();
  });

  it("is encrypted where the store has a key", async () => {
    const { store } = await openStores({ runtime: { primaryEncryptionKey: "00".repeat(16) } });
    const { data } = setOperation(store, item({ value: Buffer.from("secret") }));
    expect(Buffer.from(data).toString()).toMatch(/\|\|primaryEncryptionKey$/);
  });

  it("that asks for what the store has not is refused", async () => {
    const { store } = await openStores({ capabilities: [] });
    expect(() => setOperation(store, item({ etag: { value: "1" } }))).toThrow(
      "metadata etag: state store store has no versions to compare",
    );
    expect(() => deleteOperation(store, item({ options: { concurrency: 1 } }))).toThrow("has no versions to compare");
    expect(() => setOperation(store, item({ metadata: { ttlInSeconds: "5" } }))).toThrow(
      "does not keep a time to live",
    );
    expect(setOperation(store, item({ options: { concurrency: 2 } })).options.concurrency).toBe("last-write");
  });
});

describe("a value", () => {
  const set = async (value: string, metadata: Record<string, string>) => {
    const { store } = await openStores();
    const { data } = setOperation(store, item({ value: Buffer.from(value), metadata }));
    return Buffer.from(data).toString();
  };

  it("is written as it is", async () => {
    expect(await set("not { JSON", {})).toBe("not { JSON");
    expect(await set("not { JSON", { contentType: "text/plain" })).toBe("not { JSON");
    expect(await set(' { "a" : 1 } ', { contentType: "application/json" })).toBe(' { "a" : 1 } ');
  });

  it("that says that it is JSON must be", async () => {
    for (const contentType of ["application/json", "Application/JSON; charset=utf-8"]) {
      await expect(set("not { JSON", { contentType })).rejects.toMatchObject({ reason: "malformedRequest" });
    }
  });
});

describe("a time to live", () => {
  it.each([
    ["5", 5],
    ["-1", undefined],
    ["0", undefined],
    ["-7", undefined],
    [undefined, undefined],
  ])("of %j is %j seconds", async (text, seconds) => {
    const { store } = await openStores();
    expect(ttlSecondsOf(store, text === undefined ? {} : { ttlInSeconds: text })).toBe(seconds);
  });

  it.each(["", " ", "5s", "1.5", "abc", "1e400", "9007199254740993", "NaN"])("of %j is refused", async (text) => {
    const { store } = await openStores();
    expect(() => ttlSecondsOf(store, { ttlInSeconds: text })).toThrow("metadata ttlInSeconds:");
  });
});

describe("what a driver throws", () => {
  it.each([
    ["save", fail("etagMismatch", { key: "x" }), "stateSaveEtagMismatch"],
    ["save", fail("etagInvalid", { key: "x" }), "stateSaveEtagInvalid"],
    ["save", new Error("disk"), "stateSave"],
    ["save", fail("backendUnavailable", { name: "x", cause: "y" }), "stateSave"],
    ["save", fail("requestMetadataInvalid", { key: "x", why: "y" }), "requestMetadataInvalid"],
    ["delete", fail("etagMismatch", { key: "x" }), "stateDeleteEtagMismatch"],
    ["delete", fail("etagInvalid", { key: "x" }), "stateDeleteEtagInvalid"],
    ["delete", new Error("disk"), "stateDelete"],
  ] as const)("at a %s is told in the method's words: %s", async (doing, thrown, reason) => {
    const { store } = await openStores();
    const failure = writeFailure(store, doing, "k", thrown);
    expect(failure.reason).toBe(reason);
    if (failure !== thrown) expect(failure.cause).toBe(thrown);
  });
});
