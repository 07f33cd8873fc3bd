import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import dynamodbBinding from "../../components/aws.dynamodb/bindings.ts";
import dynamodbState from "../../components/aws.dynamodb/state.ts";
import { type AwsPlace, awsClient, awsReply, awsSettings, awsThrough, operationOf, ownAws } from "../support/aws.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const isMissing = !(await requireService("moto"));
const bytes = (text: string) => Buffer.from(text);
const toText = (data: Uint8Array | undefined) => data && Buffer.from(data).toString();

async function table(name = "items") {
  const place = await ownAws();
  const client = awsClient(DynamoDBClient, place);
  const create = new CreateTableCommand({
    TableName: name,
    KeySchema: [{ AttributeName: "key", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }],
    BillingMode: "PAY_PER_REQUEST",
  });
  await client.send(create);
  const item = async (key: string) =>
    (await client.send(new GetItemCommand({ TableName: name, Key: { key: { S: key } } }))).Item;
  return { place, client, item, open: (more: object = {}, clock = new FakeClock()) => openState(place, more, clock) };
}

const openState = (place: AwsPlace, more: object = {}, clock = new FakeClock()) =>
  openDriver(dynamodbState, { ...awsSettings(place), table: "items", ...more }, openContext({ clock }));

describe.skipIf(isMissing)("state in DynamoDB", () => {
  test("text is kept as text and bytes as bytes, with etag and end, in the layout that other sidecars read", async () => {
    const { open, item } = await table();
    const clock = new FakeClock();
    const store = await open({}, clock);
    await store.set("text", bytes('{"n":1}'), { ttlSeconds: 60 }, {});
    await store.set("bytes", Buffer.from([0xff, 0]), {}, {});
    const end = String(Math.ceil(clock.now() / 1000) + 60);
    expect(await item("text")).toEqual({
      key: { S: "text" },
      value: { S: '{"n":1}' },
      etag: { S: expect.stringMatching(/^[0-9a-f]{16}$/) },
      expiresAt: { N: end },
    });
    expect(await item("bytes")).toMatchObject({ value: { B: Uint8Array.from([0xff, 0]) } });
    expect((await store.get("text", {}, {}))?.expiresAt).toBe(Number(end) * 1000);
  });

  test("the attribute for the end has the name that the component gives it", async () => {
    const { open, item } = await table();
    const store = await open({ ttlAttributeName: "ttl" });
    await store.set("k", bytes("1"), { ttlSeconds: 60 }, {});
    expect(Object.keys((await item("k")) ?? {}).sort()).toEqual(["etag", "key", "ttl", "value"]);
  });

  test("an ended value is gone although DynamoDB has not swept it yet", async () => {
    const { open, item } = await table();
    const clock = new FakeClock();
    const store = await open({}, clock);
    await store.set("k", bytes("1"), { ttlSeconds: 10 }, {});
    const { etag } = (await store.get("k", {}, {})) ?? {};
    await clock.advance(11_000);
    expect(await item("k")).toBeDefined();
    expect(await store.get("k", {}, {})).toBeUndefined();
    expect(await store.getMany?.(["k"], {}, {})).toEqual([undefined]);
    expect((await store.list({ prefix: "", limit: 10 }, {})).keys).toEqual([]);
    await expect(store.set("k", bytes("2"), { etag }, {})).rejects.toMatchObject({ reason: "etagMismatch" });
    await expect(store.delete("k", { etag }, {})).rejects.toMatchObject({ reason: "etagMismatch" });
    await store.set("k", bytes("2"), { concurrency: "first-write" }, {});
    expect(toText((await store.get("k", {}, {}))?.data)).toBe("2");
  });

  test("values that other programs wrote are read where they are texts, numbers or booleans", async () => {
    const { open, client } = await table();
    const put = (key: string, value: object) =>
      client.send(new PutItemCommand({ TableName: "items", Item: { key: { S: key }, value } as never }));
    await put("n", { N: "12.5" });
    await put("b", { BOOL: true });
    await put("none", { NULL: true });
    await put("m", { M: {} });
    const store = await open();
    const read = async (key: string) => toText((await store.get(key, {}, {}))?.data);
    expect([await read("n"), await read("b"), await read("none")]).toEqual(["12.5", "true", ""]);
    expect((await store.get("n", {}, {}))?.etag).toBeUndefined();
    await expect(read("m")).rejects.toThrow(/the attribute "value" is of type M/);
  });

  test("a partition key in the request takes the place of the key", async () => {
    const { open, item } = await table();
    const store = await open();
    const metadata = { partitionKey: "pk" };
    await store.set("k", bytes("1"), { metadata }, {});
    expect(await item("pk")).toMatchObject({ value: { S: "1" } });
    expect(await store.get("k", {}, {})).toBeUndefined();
    expect(toText((await store.get("k", { metadata }, {}))?.data)).toBe("1");
    await store.delete("k", { metadata }, {});
    expect(await item("pk")).toBeUndefined();
  });

  test("what is too large for an item is refused with the limit", async () => {
    const { open } = await table();
    const store = await open();
    const data = Buffer.alloc(401 * 1024, "x");
    await expect(store.set("k", data, {}, {})).rejects.toMatchObject({
      reason: "badRequest",
      message: expect.stringMatching(/the value of k has 410624 bytes; DynamoDB takes items of at most 409600/),
    });
    expect(store.maxOperations).toBe(100);
  });

  test("a transaction takes as many operations as it says", async () => {
    const { open } = await table();
    const store = await open();
    const operations = Array.from({ length: 100 }, (_, n) => {
      return { kind: "set", key: `k${n}`, data: bytes(String(n)), options: {} } as const;
    });
    await store.transact?.(operations, {});
    const entries = await store.getMany?.([...operations.map(({ key }) => key), "absent"], {}, {});
    expect(entries?.map((entry) => toText(entry?.data))).toEqual([...operations.map((_, n) => String(n)), undefined]);
  });

  test.each([
    ["a deletion behind a write, with an etag", [{ kind: "set" }, { kind: "delete", options: { etag: "1" } }]],
    ["a first write behind a write", [{ kind: "set" }, { kind: "set", options: { concurrency: "first-write" } }]],
  ] as const)("in a transaction %s cannot succeed and changes nothing", async (_, parts) => {
    const { open, item } = await table();
    const store = await open();
    const operations = parts.map((part) => ({ key: "k", data: bytes("1"), options: {}, ...part }));
    await expect(store.transact?.(operations, {})).rejects.toMatchObject({ reason: "etagMismatch" });
    expect(await item("k")).toBeUndefined();
  });

  test("in a transaction a deletion makes way for a first write", async () => {
    const { open } = await table();
    const store = await open();
    await store.set("k", bytes("old"), {}, {});
    const write = { kind: "set", key: "k", data: bytes("new"), options: { concurrency: "first-write" } } as const;
    await store.transact?.([{ kind: "delete", key: "k", options: {} }, write], {});
    expect(toText((await store.get("k", {}, {}))?.data)).toBe("new");
  });

  test("keys are listed from tables of more than one page", async () => {
    const { open } = await table();
    const store = await open();
    const keys = Array.from({ length: 12 }, (_, n) => `k${String(n).padStart(2, "0")}`);
    await Promise.all(keys.map((key) => store.set(key, Buffer.alloc(200 * 1024, "x"), {}, {})));
    expect((await store.list({ prefix: "k", limit: 100 }, {})).keys).toEqual(keys);
  });

  test("an item of the binding keeps its types, and one without the table's key is refused by name", async () => {
    const { place, item } = await table();
    const binding = await openDriver(dynamodbBinding, { ...awsSettings(place), table: "items" });
    const create = (data: string) => binding.invoke?.({ operation: "create", data: bytes(data), metadata: {} }, {});
    await create('{"key":"1","n":12345678901234567890,"tags":["a"]}');
    expect(await item("1")).toEqual({ key: { S: "1" }, n: { N: "12345678901234567890" }, tags: { L: [{ S: "a" }] } });
    await expect(create('{"id":"1"}')).rejects.toThrow(/the data does not fit the table: it must have the table's key/);
  });
});

describe.skipIf(isMissing)("calls to AWS", () => {
  test("what AWS leaves out of a bulk read is asked for again", async () => {
    const { place, open } = await table();
    const store = await open();
    for (const key of ["a", "b", "c"]) await store.set(key, bytes(key), {}, {});
    let reads = 0;
    const hidden = await awsThrough(place, (request) => {
      if (operationOf(request) !== "BatchGetItem" || ++reads > 1) return "pass";
      return awsReply({
        Responses: { items: [] },
        UnprocessedKeys: { items: { Keys: [{ key: { S: "a" } }, { key: { S: "b" } }] } },
      });
    });
    // Its pause between the two is a real one.
    const through = await openDriver(dynamodbState, { ...awsSettings(hidden), table: "items" });
    const entries = await through.getMany?.(["a", "b", "c"], {}, {});
    expect(entries?.map((entry) => toText(entry?.data))).toEqual(["a", "b", undefined]);
    expect(reads).toBe(2);
  });

  test("a write whose answer is lost is not taken for somebody else's", async () => {
    const { place } = await table();
    let isLost = false;
    const through = await awsThrough(place, (request) => {
      if (operationOf(request) !== "PutItem" || isLost) return "pass";
      isLost = true;
      return "lose";
    });
    const store = await openState(through);
    await store.set("k", bytes("1"), { concurrency: "first-write" }, {});
    expect(isLost).toBe(true);
    isLost = false;
    const { etag } = (await store.get("k", {}, {})) ?? {};
    await store.set("k", bytes("2"), { etag }, {});
    expect(toText((await store.get("k", {}, {}))?.data)).toBe("2");
    await expect(store.set("k", bytes("3"), { etag }, {})).rejects.toMatchObject({ reason: "etagMismatch" });
  });

  test("an item that a transaction holds is waited for", async () => {
    const { place } = await table();
    let conflicts = 0;
    const through = await awsThrough(place, (request) => {
      if (operationOf(request) !== "TransactWriteItems" || ++conflicts > 2) return "pass";
      const body = { __type: "TransactionCanceledException", CancellationReasons: [{ Code: "TransactionConflict" }] };
      return awsReply(body, 400);
    });
    const store = await openDriver(dynamodbState, { ...awsSettings(through), table: "items" });
    const set = (key: string) => ({ kind: "set", key, data: bytes("1"), options: {} }) as const;
    await store.transact?.([set("a"), set("b")], {});
    expect(conflicts).toBe(3);
    expect(toText((await store.get("b", {}, {}))?.data)).toBe("1");
  });

  test("throttled calls are tried again, then answered with the backend's name, and end with their caller", async () => {
    const { place } = await table();
    let attempts = 0;
    const through = await awsThrough(place, (request) => {
      if (operationOf(request) !== "GetItem") return "pass";
      attempts += 1;
      return awsReply({ __type: "ProvisionedThroughputExceededException", message: "slow down" }, 400);
    });
    const store = await openState(through);
    await expect(store.get("k", {}, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/^under-test does not answer: the service refuses more requests for now/),
    });
    expect(attempts).toBe(3);
    const began = performance.now();
    const reason = new Error("left");
    const leaving = new AbortController();
    const call = store.get("k", {}, { signal: leaving.signal });
    setImmediate(() => leaving.abort(reason));
    await expect(call).rejects.toBe(reason);
    expect(performance.now() - began).toBeLessThan(100);
  });

  test("an outage is named, and the next call after it succeeds", async () => {
    const { place } = await table();
    const { port } = await startServer("moto");
    const proxy = await startTcpProxy(port);
    const store = await openState({ ...place, endpoint: `http://127.0.0.1:${proxy.port}` });
    await store.set("k", bytes("1"), {}, {});
    proxy.refuse(true);
    await expect(store.set("k", bytes("2"), {}, {})).rejects.toMatchObject({ reason: "backendUnavailable" });
    proxy.refuse(false);
    expect(toText((await store.get("k", {}, {}))?.data)).toBe("1");
  });

  test("a call to a server that is silent ends with its caller, and does not hold up the component's end", async () => {
    const { place } = await table();
    const { port } = await startServer("moto");
    const proxy = await startTcpProxy(port);
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    const store = await openDriver(dynamodbState, { ...awsSettings({ ...place, endpoint }), table: "items" });
    proxy.hold(true);
    const leaving = new AbortController();
    const call = store.get("k", {}, { signal: leaving.signal });
    const waiting = store.get("k", {}, {});
    leaving.abort(new Error("left"));
    await expect(call).rejects.toThrow("left");
    const closing = store.close();
    await expect(waiting).rejects.toMatchObject({ reason: "backendUnavailable" });
    await closing;
    await expect(store.get("k", {}, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/the component is closed/),
    });
  });
});
