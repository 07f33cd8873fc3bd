import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Value } from "typebox/value";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConfigurationStore } from "../../components/contract/configuration.ts";
import sqliteConfiguration from "../../components/sqlite/configuration.ts";
import {
  type BulkEvent,
  type CloudEvent,
  type ConfigurationUpdate,
  createApp,
  createClient,
  type MechaClient,
  type RunningApp,
  reply,
} from "../../sdk/src/index.ts";
import { openContext } from "../support/open-driver.ts";
import { sdkResources, writeSdkFiles } from "../support/sdk-resources.ts";
import { type RunningSidecar, startSidecar } from "../support/sidecar.ts";

// Our SDK against our sidecar: an app and its clients, the same cases over both transports.

/** What the app was told, to be waited for. */
class Inbox<T> {
  readonly #items: T[] = [];
  #wake = () => {};

  add(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** The first item that fits, taken out; the test's own time limit is the only one. */
  async take(fits: (item: T) => boolean): Promise<T> {
    while (true) {
      const at = this.#items.findIndex(fits);
      if (at >= 0) return this.#items.splice(at, 1)[0] as T;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

interface Order {
  readonly id: string;
  readonly item: string;
}

const orders = new Inbox<CloudEvent<Order>>();
const difficult = new Inbox<string>();
const bulks = new Inbox<readonly BulkEvent<Order>[]>();
const changes = new Inbox<ConfigurationUpdate>();
const tries = new Map<string, number>();

function startApp(): Promise<RunningApp> {
  return createApp({
    subscriptions: [
      {
        ...{ pubsub: "memorypubsub", topic: "orders" },
        rules: [
          {
            match: 'event.type == "order.difficult"',
            handle({ data: { id } }: CloudEvent<Order>) {
              tries.set(id, (tries.get(id) ?? 0) + 1);
              difficult.add(id);
              return tries.get(id) === 1 ? "retry" : "success";
            },
          },
        ],
        handle: (event: CloudEvent<Order>) => orders.add(event),
      },
      {
        ...{ pubsub: "memorypubsub", topic: "many", bulk: { maxMessages: 2, maxAwaitMs: 50 } },
        handleBulk: (events: readonly BulkEvent<Order>[]) => bulks.add(events),
      },
    ],
    configuration: { configstore: (update) => changes.add(update) },
    invoke: {
      "POST orders/:id": async (request) => ({
        id: request.params["id"],
        got: await request.json(),
        x: request.query.get("x"),
      }),
      "GET stream": async function* () {
        yield Buffer.from("first,");
        yield Buffer.from("second");
      },
      "DELETE orders/:id": () => reply(404, { errorCode: "NO_ORDER", message: "no such order" }),
    },
  }).listen({ port: 0 });
}

let folder: string;
let app: RunningApp;
let sidecar: RunningSidecar;
let outside: ConfigurationStore;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mecha-own-sdk-"));
  writeSdkFiles(folder);
  app = await startApp();
  sidecar = await startSidecar({ appId: "shop", appPort: app.port, resources: sdkResources(folder, "shop"), folder });
  const settings = Value.Default(sqliteConfiguration.metadata, { connectionString: join(folder, "mecha.db") });
  // The defaults make it whole.
  outside = await sqliteConfiguration.open(
    settings as Parameters<typeof sqliteConfiguration.open>[0],
    openContext({ dataDir: folder }),
  );
}, 30_000);

afterAll(async () => {
  await outside?.close();
  await sidecar?.stop();
  await app?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(["http", "grpc"] as const)("the SDK over %s", (transport) => {
  let client: MechaClient;

  beforeAll(async () => {
    const { httpPort, grpcPort } = sidecar;
    client = createClient({ transport, httpEndpoint: `127.0.0.1:${httpPort}`, grpcEndpoint: `127.0.0.1:${grpcPort}` });
    await client.sidecar.waitUntilReady({ timeoutMs: 20_000 });
  });
  afterAll(() => client.close());

  test("knows its sidecar", async () => {
    await client.sidecar.setMetadata("transport", transport);
    const metadata = await client.sidecar.metadata();
    expect(metadata).toMatchObject({
      appId: "shop",
      app: { port: app.port, protocol: "http" },
      extended: { transport },
    });
    expect(metadata.components).toContainEqual(expect.objectContaining({ name: "statestore", type: "state.sqlite" }));
    expect(metadata.subscriptions).toContainEqual(
      expect.objectContaining({ pubsubName: "memorypubsub", topic: "orders", type: "PROGRAMMATIC" }),
    );
    expect(await client.sidecar.isReady({ outbound: true })).toBe(true);
  });

  test.each(["statestore", "memorystate"])("keeps state in %s", async (name) => {
    const store = client.state<Order>(name);
    const key = (id: string) => `${transport}-${id}`;
    const value = { id: "1", item: "äpfel" };
    expect(await store.get(key("a/1"))).toBeUndefined();
    await store.set(key("a/1"), value);
    const first = await store.get(key("a/1"), { consistency: "strong" });
    expect(first?.value).toEqual(value);
    await store.set(key("a/1"), { ...value, item: "pear" }, { etag: first?.etag });
    await expect(store.set(key("a/1"), value, { etag: first?.etag })).rejects.toMatchObject({
      ...{ code: "aborted", reason: "DAPR_STATE_ETAG_MISMATCH", httpStatus: 409, retryable: false },
    });
    await store.setMany([
      { key: key("a/2"), value },
      { key: key("b"), value, ttlSeconds: 60 },
    ]);
    expect((await store.get(key("b")))?.metadata).toHaveProperty("ttlExpireTime");
    expect((await store.getMany([key("a/2"), key("none")])).map(({ entry }) => entry?.value)).toEqual([
      value,
      undefined,
    ]);
    await store.transact([
      { operation: "upsert", key: key("c"), value: { id: "3", item: "fig" } },
      { operation: "delete", key: key("b") },
    ]);
    const found: string[] = [];
    for await (const one of store.keys(`${transport}-`, { pageSize: 2 })) found.push(one);
    expect(found).toEqual([key("a/1"), key("a/2"), key("c")]);
    const { results } = await store.query({ filter: { EQ: { item: "fig" } } });
    expect(results).toContainEqual(expect.objectContaining({ key: key("c"), value: { id: "3", item: "fig" } }));
    await store.delete(key("c"));
    await store.deleteMany([key("a/1"), { key: key("a/2") }]);
    expect((await store.getMany(found)).every(({ entry }) => entry === undefined)).toBe(true);
  });

  test("publishes to its app, by rules and again after a retry", async () => {
    const bus = client.pubsub("memorypubsub");
    const order = { id: `${transport}-1`, item: "apple" };
    await bus.publish("orders", order, { cloudEvent: { type: "order.created" } });
    const event = await orders.take(({ data }) => data.id === order.id);
    expect(event).toMatchObject({ ...{ type: "order.created", topic: "orders", source: "shop" }, data: order });
    const id = `${transport}-difficult`;
    await bus.publish("orders", { ...order, id }, { cloudEvent: { type: "order.difficult" } });
    for (const _ of ["refused", "done"]) await difficult.take((one) => one === id);
    expect(tries.get(id)).toBe(2);
  });

  test("publishes several at once and gets them as a bulk", async () => {
    const entries = ["a", "b"].map((id) => ({ data: { id: `${transport}-${id}`, item: "apple" } }));
    await client.pubsub("memorypubsub").publishMany("many", entries);
    const seen: string[] = [];
    while (seen.length < 2) {
      const bulk = await bulks.take(([first]) => first?.data.id.startsWith(transport) === true);
      seen.push(...bulk.map(({ data }) => data.id));
    }
    expect(seen.sort()).toEqual([`${transport}-a`, `${transport}-b`]);
  });

  test("subscribes by a stream", async () => {
    const bus = client.pubsub("pubsub");
    const events = await bus.subscribe<Order>(`streamed-${transport}`);
    await bus.publish(`streamed-${transport}`, { id: "1", item: "apple" });
    const seen: string[] = [];
    for await (const event of events) {
      seen.push(event.data.item);
      // Taken back once, it comes again.
      if (seen.length === 1) event.retry();
      else {
        event.ack();
        break;
      }
    }
    expect(seen).toEqual(["apple", "apple"]);
  });

  test("invokes an app", async () => {
    const response = await client.invoke("shop", "orders/a b?x=1", { body: { item: "äpfel" } });
    expect(await response.json()).toEqual({ id: "a b", got: { item: "äpfel" }, x: "1" });
    expect(response.headers["content-type"]).toBe("application/json");
    expect(await (await client.invoke("shop", "stream")).text()).toBe("first,second");
    await expect(client.invoke("shop", "orders/1", { verb: "DELETE" })).rejects.toMatchObject({
      ...{ code: "not_found", httpStatus: 404, reason: "NO_ORDER", message: "no such order" },
    });
    await expect(client.invoke("nobody", "orders", { timeoutMs: 20_000 })).rejects.toMatchObject({ httpStatus: 500 });
  });

  test("uses a binding", async () => {
    const files = client.binding("files");
    const metadata = { fileName: `${transport}.json` };
    await files.invoke("create", { hello: "world" }, { metadata });
    expect((await files.invoke("get", undefined, { metadata })).json()).toEqual({ hello: "world" });
    await expect(files.invoke("explode")).rejects.toMatchObject({
      code: "internal",
      reason: "ERR_INVOKE_OUTPUT_BINDING",
    });
  });

  test("reads secrets", async () => {
    const secrets = client.secrets("secretstore");
    expect(await secrets.get("password")).toEqual({ password: "hush" });
    expect(await secrets.getAll()).toMatchObject({ password: { password: "hush" } });
    await expect(client.secrets("none").get("a")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("hears of changes of configuration", async () => {
    expect(await client.configuration("memoryconfig").get(["limit"])).toEqual({
      limit: { value: "10", version: "3", metadata: {} },
    });
    const key = `color-${transport}`;
    const updates = await client.configuration("configstore").subscribe([key]);
    await outside.put?.({ [key]: { value: "red" } }, {});
    for await (const { id, items } of updates) {
      expect([id, items[key]?.value]).toEqual([updates.id, "red"]);
      break;
    }
  });

  test("takes locks one at a time", async () => {
    const locks = client.locks("lockstore");
    const resource = `report-${transport}`;
    {
      await using lock = await locks.tryLock(resource, { expirySeconds: 30 });
      expect(lock?.resource).toBe(resource);
      expect(await locks.tryLock(resource, { expirySeconds: 30 })).toBeUndefined();
      expect(await lock?.renew(60)).toBe(true);
      expect(await locks.unlock(resource, "somebody else")).toBe(false);
    }
    const waited = await locks.acquire(resource, { expirySeconds: 30, waitSeconds: 1 });
    expect(typeof waited?.fencingToken).toBe("bigint");
    expect([await waited?.release(), await waited?.release()]).toEqual([true, false]);
  });

  test("encrypts and decrypts", async () => {
    const vault = client.crypto("cryptostore");
    const large = Buffer.alloc(300_000, transport);
    const secret = await vault.encrypt(large, { keyName: "rsa", keyWrapAlgorithm: "RSA" }).bytes();
    expect(Buffer.from(secret).includes(transport.repeat(10))).toBe(false);
    expect(Buffer.compare(await vault.decrypt(secret).bytes(), large)).toBe(0);
    const unknown = vault.encrypt("x", { keyName: "none", keyWrapAlgorithm: "RSA" });
    await expect(unknown.bytes()).rejects.toMatchObject({ httpStatus: 500 });
  });

  test("converses", async () => {
    const { choices } = await client.conversation("echo").converse([{ role: "user", content: "hello" }]);
    expect(choices[0]?.content).toContain("hello");
  });

  test("tells the same of what is not there", async () => {
    await expect(client.state("none").get("k")).rejects.toMatchObject({
      ...{ code: "invalid_argument", reason: "DAPR_STATE_NOT_FOUND", httpStatus: 400 },
    });
    await expect(client.pubsub("none").publish("t", 1)).rejects.toMatchObject({
      ...{ code: "invalid_argument", reason: "DAPR_PUBSUB_NOT_FOUND", httpStatus: 404 },
    });
  });
});

test("the app is told of changes of configuration that a client asks for", async () => {
  await using client = createClient({ httpEndpoint: `127.0.0.1:${sidecar.httpPort}` });
  const store = client.configuration("configstore");
  const id = await store.notifyApp(["size"]);
  await outside.put?.({ size: { value: "9" } }, {});
  const update = await changes.take((one) => one.id === id);
  expect(update.items["size"]?.value).toBe("9");
  expect([await store.unsubscribe(id), await store.unsubscribe(id)]).toEqual([true, false]);
});

test("a token that is wanted is sent", async () => {
  await using guarded = await startSidecar({ appId: "guarded", env: { DAPR_API_TOKEN: "secret" } });
  const places = { httpEndpoint: guarded.url, grpcEndpoint: `127.0.0.1:${guarded.grpcPort}` };
  for (const transport of ["http", "grpc"] as const) {
    await using right = createClient({ transport, ...places, apiToken: "secret" });
    expect((await right.sidecar.metadata()).appId).toBe("guarded");
    await using wrong = createClient({ transport, ...places, apiToken: "wrong" });
    await expect(wrong.sidecar.metadata()).rejects.toMatchObject({ code: "unauthenticated", httpStatus: 401 });
  }
});
