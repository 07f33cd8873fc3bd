import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { StateOperation } from "../../../../../components/contract/state.ts";
import type { Outbox } from "../../../../../sidecar/blocks/state/outbox.ts";
import { commit } from "../../../../../sidecar/blocks/state/transaction.ts";
import { deliveryPrefix, markName, writeMark } from "../../../../../sidecar/kernel/dedupe-mark.ts";
import { Request } from "../../../../../sidecar/kernel/request.ts";
import { fail, type MechaError } from "../../../../../specs/errors.ts";
import {
  type TransactionalStateOperation,
  TransactionalStateOperationSchema,
} from "../../../../../specs/gen/dapr/proto/runtime/v1/state_pb.js";
import { type Given, openStores } from "./store-under-test.ts";

const request = new Request("http", {}, () => {});
const operation = (operationType: string, key: string, part: object = {}): TransactionalStateOperation =>
  create(TransactionalStateOperationSchema, { operationType, request: { key, value: Buffer.from("1"), ...part } });
const reasonOf = (running: Promise<unknown>) =>
  running.then(
    () => undefined,
    (error: MechaError) => error.reason,
  );

async function open(given: Given = {}) {
  const calls: (readonly StateOperation[])[] = [];
  const { store } = await openStores({
    ...given,
    opened: {
      transact: async (operations) => {
        calls.push(operations);
      },
      ...given.opened,
    },
  });
  const run = (operations: readonly TransactionalStateOperation[], metadata = {}, outbox?: Outbox) =>
    commit(store, operations, metadata, outbox, request);
  return { store, calls, run };
}

describe("a transaction", () => {
  it("gives all operations to the store at once", async () => {
    const { run, calls } = await open();
    await run([operation("upsert", "a"), operation("delete", "b", { etag: { value: "7" } })]);
    expect(calls).toMatchObject([
      [
        { kind: "set", key: "app||a", data: Buffer.from("1") },
        { kind: "delete", key: "app||b", options: { etag: "7" } },
      ],
    ]);
  });

  it("gives its metadata to each operation that does not say otherwise", async () => {
    const { run, calls } = await open();
    await run([operation("upsert", "a"), operation("upsert", "b", { metadata: { ttlInSeconds: "9" } })], {
      ttlInSeconds: "5",
      x: "y",
    });
    expect(calls[0]?.map(({ options }) => [(options as { ttlSeconds?: number }).ttlSeconds, options.metadata])).toEqual(
      [
        [5, { ttlInSeconds: "5", x: "y" }],
        [9, { ttlInSeconds: "9", x: "y" }],
      ],
    );
  });

  it("without operations does nothing", async () => {
    const { run, calls } = await open();
    await run([]);
    expect(calls).toEqual([]);
  });

  it("is checked as a whole before anything happens", async () => {
    const { run, calls } = await open();
    expect(await reasonOf(run([operation("upsert", "a"), operation("increment", "b")]))).toBe(
      "stateOperationUnsupported",
    );
    expect(await reasonOf(run([operation("upsert", "a"), operation("upsert", "b||c")]))).toBe("stateKeyIllegal");
    expect(
      await reasonOf(
        run([operation("upsert", "a"), create(TransactionalStateOperationSchema, { operationType: "delete" })]),
      ),
    ).toBe("stateKeyEmpty");
    expect(await reasonOf(run([operation("upsert", "a", { metadata: { ttlInSeconds: "soon" } })]))).toBe(
      "requestMetadataInvalid",
    );
    expect(calls).toEqual([]);
  });

  it("needs a store that has them, and keeps to its limit", async () => {
    const without = await openStores();
    const { transact: _, ...opened } = without.store.opened;
    const running = commit({ ...without.store, opened }, [operation("upsert", "a")], {}, undefined, request);
    expect(await reasonOf(running)).toBe("stateTransactionUnsupported");
    const { run } = await open({ opened: { maxOperations: 2 } });
    const three = ["a", "b", "c"].map((key) => operation("upsert", key));
    await expect(run(three)).rejects.toThrow("contains 3 operations, more than what the state store store supports: 2");
    await run(three.slice(1));
  });

  it.each([
    [fail("etagMismatch", { key: "a" }), "stateTransaction"],
    [fail("etagInvalid", { key: "a" }), "stateTransaction"],
    [fail("backendUnavailable", { name: "x", cause: "y" }), "stateTransaction"],
    [new Error("disk"), "stateTransaction"],
    [fail("requestMetadataInvalid", { key: "x", why: "y" }), "requestMetadataInvalid"],
  ])("that fails by %s is told as %s", async (thrown, reason) => {
    const { run } = await open({ opened: { transact: () => Promise.reject(thrown) } });
    expect(await reasonOf(run([operation("upsert", "a")]))).toBe(reason);
  });
});

describe("with an outbox, a transaction", () => {
  const outboxOf = (parts: { settle?: (refused: boolean) => void; refuse?: boolean }): Outbox => ({
    of: () => ({
      async prepare(operations) {
        if (parts.refuse) throw fail("outboxPublish", { name: "store", cause: "no" });
        const marks = [{ kind: "set", key: "app||outbox-1", data: Buffer.from("0"), options: {} }] as const;
        return { writes: operations.slice(0, 1), marks, settle: (refused) => parts.settle?.(refused) };
      },
    }),
    close: async () => {},
  });

  it("writes the marks with it", async () => {
    const { run, calls } = await open();
    await run([operation("upsert", "a"), operation("upsert", "only a message")], {}, outboxOf({}));
    expect(calls[0]?.map(({ key }) => key)).toEqual(["app||a", "app||outbox-1"]);
  });

  it.each([
    ["it commits", undefined, false],
    ["a stale etag refuses it", fail("etagMismatch", { key: "a" }), true],
    ["its request is refused", fail("badRequest", { why: "no" }), true],
    ["its answer is lost, as it may have committed", new Error("disk"), false],
    ["the backend is gone", fail("backendUnavailable", { name: "store", cause: "gone" }), false],
  ])("says whether its messages may be forgotten: %s", async (_, error, refused) => {
    const settled: boolean[] = [];
    const { run } = await open(error ? { opened: { transact: () => Promise.reject(error) } } : {});
    await run([operation("upsert", "a")], {}, outboxOf({ settle: (one) => settled.push(one) })).catch(() => {});
    expect(settled).toEqual([refused]);
  });

  it("does not happen when the messages cannot be kept", async () => {
    const { run, calls } = await open();
    expect(await reasonOf(run([operation("upsert", "a")], {}, outboxOf({ refuse: true })))).toBe("outboxPublish");
    expect(calls).toEqual([]);
  });
});

describe("a transaction with the mark of a delivery", () => {
  const mark = writeMark({ store: "store", key: `${deliveryPrefix("app")}handled||ps||t||app||1`, ttlSeconds: 60 });

  it("commits once; the second time it changes nothing and succeeds", async () => {
    const { store, opened } = await openStores();
    const run = (value: string) =>
      commit(
        store,
        [operation("upsert", "a", { value: Buffer.from(value) })],
        { [markName]: mark },
        undefined,
        request,
      );
    await run("1");
    await run("2");
    expect(toText(await opened.get("app||a", {}, {}))).toBe("1");
  });

  it("that fails by the etag of another key has failed, and may be tried again", async () => {
    const { store, opened } = await openStores();
    await opened.set("app||a", Buffer.from("0"), {}, {});
    const stale = operation("upsert", "a", { etag: { value: "no" } });
    const run = (one: TransactionalStateOperation) => commit(store, [one], { [markName]: mark }, undefined, request);
    expect(await reasonOf(run(stale))).toBe("stateTransaction");
    await run(operation("upsert", "a"));
    expect(toText(await opened.get("app||a", {}, {}))).toBe("1");
  });
});

const toText = (entry: { readonly data: Uint8Array } | undefined) => entry && Buffer.from(entry.data).toString();
