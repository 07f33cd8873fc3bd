import { join } from "node:path";
import { create, type DescService, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import { pluggableDriver } from "../../components/pluggable/driver.ts";
import { OutputBinding } from "../../specs/gen/dapr/proto/components/v1/bindings_pb.js";
import { PubSub } from "../../specs/gen/dapr/proto/components/v1/pubsub_pb.js";
import { SecretStore } from "../../specs/gen/dapr/proto/components/v1/secretstore_pb.js";
import {
  QueriableStateStore,
  StateStore,
  TransactionalStateStore,
  TransactionalStoreMultiMaxSize,
} from "../../specs/gen/dapr/proto/components/v1/state_pb.js";
import { BadRequestSchema } from "../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../specs/gen/google/rpc/status_pb.js";
import { FakeComponent, type Methods, Refusal } from "../support/fake-component.ts";
import { openDriver } from "../support/open-driver.ts";
import { tempFolder } from "../support/temp-folder.ts";

const accept = () => ({});

const transactional = [StateStore, TransactionalStateStore, TransactionalStoreMultiMaxSize];

async function openState(methods: Methods, services: readonly DescService[] = transactional) {
  const features = ["ETAG", "TTL", "TRANSACTIONAL"];
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services,
    methods: { "StateStore.Init": accept, "StateStore.Features": () => ({ features }), ...methods },
  });
  await component.start();
  const store = await openDriver(pluggableDriver("state", "state.fake", component.socket), {});
  return { component, store: store as OpenedByKind["state"] };
}

const refuse = (code: number, field?: string) => () => {
  if (field === undefined) throw new Refusal(code, "no");
  const detail = create(BadRequestSchema, { fieldViolations: [{ field, description: "no" }] });
  const details = [anyPack(BadRequestSchema, detail)];
  throw new Refusal(code, "no", toBinary(StatusSchema, create(StatusSchema, { code, message: "no", details })));
};

const data = Buffer.from("1");

test.each([
  ["FAILED_PRECONDITION with the field etag", refuse(status.FAILED_PRECONDITION, "etag"), "etagMismatch"],
  ["INVALID_ARGUMENT with the field etag", refuse(status.INVALID_ARGUMENT, "etag"), "etagInvalid"],
  ["FAILED_PRECONDITION without details", refuse(status.FAILED_PRECONDITION), "etagMismatch"],
  ["FAILED_PRECONDITION with another field", refuse(status.FAILED_PRECONDITION, "value"), undefined],
  ["INVALID_ARGUMENT without details", refuse(status.INVALID_ARGUMENT), "malformedRequest"],
  ["UNAVAILABLE", refuse(status.UNAVAILABLE), "backendUnavailable"],
  ["UNIMPLEMENTED", refuse(status.UNIMPLEMENTED), "unimplemented"],
  ["INTERNAL", refuse(status.INTERNAL), undefined],
])("%s of a conditional write becomes what callers of drivers know", async (_, answer, reason) => {
  const methods = { "StateStore.Set": answer, "StateStore.Delete": answer, "TransactionalStateStore.Transact": answer };
  const { store } = await openState(methods);
  const options = { etag: "1" };
  const failures = await Promise.all(
    [
      store.set("k", data, options, {}),
      store.delete("k", options, {}),
      store.transact?.([{ kind: "set", key: "k", data, options }], {}),
    ].map((done) => done?.then(() => "done").catch((error: unknown) => error)),
  );
  for (const failure of failures) {
    expect(failure).toBeInstanceOf(Error);
    expect((failure as { reason?: string }).reason).toBe(reason);
  }
});

test("FAILED_PRECONDITION of a write without a condition is no mismatch", async () => {
  const { store } = await openState({ "StateStore.Set": refuse(status.FAILED_PRECONDITION) });
  const failure = await store.set("k", data, {}, {}).catch((error: unknown) => error);
  expect(failure).toMatchObject({ message: "no" });
  expect(failure).not.toHaveProperty("reason");
});

test("a write carries all that was said about it", async () => {
  const { component, store } = await openState({ "StateStore.Set": accept, "StateStore.Delete": accept });
  const metadata = { partitionKey: "p" };
  const options = { etag: "", concurrency: "first-write", consistency: "strong", metadata } as const;
  await store.set("k", data, { ...options, ttlSeconds: 5, contentType: "application/json" }, {});
  await store.delete("k", { consistency: "eventual", concurrency: "last-write" }, {});
  const [set, remove] = component.calls.slice(-2).map(({ request }) => request);
  expect(set).toMatchObject({
    key: "k",
    etag: { value: "" },
    contentType: "application/json",
    options: { concurrency: 1, consistency: 2 },
    metadata: { partitionKey: "p", ttlInSeconds: "5" },
  });
  expect(remove).toMatchObject({ key: "k", options: { concurrency: 2, consistency: 1 } });
  expect(remove.etag).toBeUndefined();
});

test("the largest transaction is what the process says, and transactions need its feature", async () => {
  const { store } = await openState({ "TransactionalStoreMultiMaxSize.MultiMaxSize": () => ({ maxSize: 7n }) });
  expect(store.maxOperations).toBe(7);
  const unlimited = await openState({}, [StateStore, TransactionalStateStore]);
  expect(unlimited.store.maxOperations).toBeUndefined();
  const without = await openState({ "StateStore.Features": () => ({ features: ["ETAG"] }) });
  expect(without.store.transact).toBeUndefined();
});

test("where a process reads no keys in bulk they are read one by one", async () => {
  const get = ({ key }: { key: string }) => (key === "b" ? {} : { data: Buffer.from(key), etag: { value: "1" } });
  const { component, store } = await openState({ "StateStore.Get": get });
  for (let round = 0; round < 2; round += 1) {
    const entries = await store.getMany?.(["a", "b", "c"], {}, {});
    expect(entries?.map((entry) => entry?.data.toString())).toEqual(["a", undefined, "c"]);
  }
  expect(component.names().filter((name) => name === "StateStore.BulkGet")).toHaveLength(1);
});

test("an item that a process could not read fails the whole read", async () => {
  const { store } = await openState({ "StateStore.BulkGet": () => ({ items: [{ key: "a", error: "torn" }] }) });
  await expect(store.getMany?.(["a"], {}, {})).rejects.toThrow("a: torn");
});

test("keys cannot be listed where the process does not query, and the error says so", async () => {
  const { store } = await openState({});
  expect(store.query).toBeUndefined();
  await expect(store.list({ prefix: "", limit: 1 }, {})).rejects.toMatchObject({
    reason: "unimplemented",
    message: expect.stringContaining("whose process offers no QueriableStateStore"),
  });
});

test("a query goes out in the published form, and items under other prefixes do not count", async () => {
  const keys = ["x||1", "y||1", "x||2", "y||2", "x||3"];
  const query = ({ query: { pagination } }: { query: { pagination: { limit: bigint; token: string } } }) => {
    const start = Number(pagination.token || 0);
    const end = Math.min(start + Number(pagination.limit), keys.length);
    const items = keys.slice(start, end).map((key) => ({ key, data, etag: { value: "1" } }));
    return { items, token: end < keys.length ? String(end) : "" };
  };
  const { component, store } = await openState({ "QueriableStateStore.Query": query }, [
    StateStore,
    QueriableStateStore,
  ]);
  const filter = {
    op: "AND",
    filters: [
      { op: "EQ", key: "a", value: 1 },
      { op: "IN", key: "b", values: [2] },
    ],
  } as const;
  const asked = { prefix: "x||", filter, sort: [{ key: "a", order: "DESC" }], limit: 2, metadata: { m: "1" } } as const;
  const first = await store.query?.(asked, {});
  expect(first).toMatchObject({ entries: [{ key: "x||1", etag: "1" }, { key: "x||2" }], token: "3" });
  const second = await store.query?.({ ...asked, token: first?.token }, {});
  expect(second).toEqual({ entries: [expect.objectContaining({ key: "x||3" })] });
  const { request } = component.calls.find(({ method }) => method === "QueriableStateStore.Query") ?? {};
  expect(request).toMatchObject({ query: { sort: [{ key: "a", order: 1 }] }, metadata: { m: "1" } });
  expect(JSON.parse(Buffer.from(request.query.filter.AND.value).toString())).toEqual([
    { EQ: { a: 1 } },
    { IN: { b: [2] } },
  ]);
});

test("a caller that leaves is told so, and so is the process", async () => {
  let cancelled = false;
  const get = (_: unknown, call: { on(name: "cancelled", run: () => void): void }) => {
    call.on("cancelled", () => {
      cancelled = true;
    });
    return new Promise<object>(() => {});
  };
  const { component, store } = await openState({ "StateStore.Get": get });
  const leaving = new AbortController();
  const reading = store.get("k", {}, { signal: leaving.signal });
  await expect.poll(() => component.names()).toContain("StateStore.Get");
  leaving.abort(new Error("left"));
  await expect(reading).rejects.toThrow("left");
  await expect.poll(() => cancelled).toBe(true);
});

test("messages of several topics are published in bulk, and each failure is told of its message", async () => {
  const bulk = ({ topic }: { topic: string }) => {
    if (topic === "down") throw new Refusal(status.UNAVAILABLE, "full");
    return { failedEntries: [{ entryId: "2", error: "too large" }] };
  };
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [PubSub],
    methods: {
      "PubSub.Init": accept,
      "PubSub.Features": () => ({ features: ["BULK_PUBLISH", "MESSAGE_TTL"] }),
      "PubSub.BulkPublish": bulk,
    },
  });
  await component.start();
  const broker = (await openDriver(
    pluggableDriver("pubsub", "pubsub.fake", component.socket),
    {},
  )) as OpenedByKind["pubsub"];
  const failed = await broker.publishMany?.(
    [
      { topic: "t", data, metadata: {} },
      { topic: "down", data, metadata: {} },
      { topic: "t", data, metadata: {} },
      { topic: "t", data, metadata: { ttlInSeconds: "soon" } },
    ],
    {},
  );
  const told = [...(failed ?? [])].sort((a, b) => a.index - b.index);
  expect(told.map(({ index, cause }) => [index, String((cause as { reason?: string }).reason ?? cause)])).toEqual([
    [1, "backendUnavailable"],
    [2, "Error: too large"],
    [3, "requestMetadataInvalid"],
  ]);
});

test("a secret that the process does not find, or finds without values, is absent", async () => {
  const get = ({ key }: { key: string }) => {
    if (key === "none") throw new Refusal(status.NOT_FOUND, "there is none");
    return { data: {} };
  };
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [SecretStore],
    methods: { "SecretStore.Init": accept, "SecretStore.Get": get },
  });
  await component.start();
  const opened = await openDriver(pluggableDriver("secretstores", "secretstores.fake", component.socket), {});
  const store = opened as OpenedByKind["secretstores"];
  for (const name of ["none", "empty"]) {
    await expect(store.get(name, {}, {})).rejects.toMatchObject({ reason: "secretNotFound", params: { name } });
  }
});

test("a binding gives what its process answers, and passes on what it refuses", async () => {
  const invoke = ({ data: given, metadata }: { data: Uint8Array; metadata: Record<string, string> }) => {
    if (given.length === 0) throw new Refusal(status.INTERNAL, "nothing to do");
    return { data: given, metadata: { ...metadata, b: "2" } };
  };
  const component = new FakeComponent(join(tempFolder(), "fake.sock"), {
    services: [OutputBinding],
    methods: {
      "OutputBinding.Init": accept,
      "OutputBinding.ListOperations": () => ({ operations: ["create"] }),
      "OutputBinding.Invoke": invoke,
    },
  });
  await component.start();
  const opened = await openDriver(pluggableDriver("bindings", "bindings.fake", component.socket), {});
  const binding = opened as OpenedByKind["bindings"];
  const request = { operation: "create", data, metadata: { a: "1" } };
  expect(await binding.invoke?.(request, {})).toMatchObject({ data: Buffer.from("1"), metadata: { a: "1", b: "2" } });
  await expect(binding.invoke?.({ ...request, data: Buffer.alloc(0) }, {})).rejects.toThrow("nothing to do");
});
