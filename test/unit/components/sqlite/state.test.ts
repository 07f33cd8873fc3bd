import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import driver from "../../../../components/sqlite/state.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Given, openContext, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const start = Date.UTC(2030, 0, 1);

async function opened(settings: Given = {}, prepare: (file: DatabaseSync) => void = () => {}) {
  const dataDir = tempFolder();
  const clock = new FakeClock(start);
  const file = new DatabaseSync(join(dataDir, "mecha.db"));
  onTestFinished(() => file.close());
  prepare(file);
  const open = (more: Given = {}) => openDriver(driver, { ...settings, ...more }, openContext({ dataDir, clock }));
  return { store: await open(), open, clock, file };
}

test("values lie in the published layout, readable for other programs", async () => {
  const { store, file } = await opened();
  await store.set("app||json", Buffer.from('{"a":1}'), { ttlSeconds: 90 }, {});
  await store.set("app||bytes", Buffer.from([0, 255]), {}, {});
  const rows = file.prepare("SELECT * FROM state ORDER BY key DESC").all();
  expect(rows.map((row) => ({ ...row }))).toEqual([
    {
      key: "app||json",
      value: '{"a":1}',
      is_binary: 0,
      etag: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      expiration_time: "2030-01-01 00:01:30.000",
      update_time: "2030-01-01 00:00:00.000",
    },
    expect.objectContaining({ key: "app||bytes", value: "AP8=", is_binary: 1, expiration_time: null }),
  ]);
  expect({ ...file.prepare("SELECT * FROM metadata").get() }).toEqual({ key: "migrations", value: "1" });
});

test("values that another program wrote in that layout are read", async () => {
  const { store, file, clock } = await opened();
  const insert = file.prepare("INSERT INTO state VALUES (?, ?, ?, 'v1', datetime(?, 'unixepoch'), datetime('now'))");
  insert.run("text", '"x"', 0, null);
  insert.run("bytes", "AP8=", 1, null);
  insert.run("short", "1", 0, start / 1000 + 5);
  const get = async (key: string) => await store.get(key, {}, {});
  expect(await get("text")).toEqual({ data: Buffer.from('"x"'), etag: "v1" });
  expect(await get("bytes")).toEqual({ data: Buffer.from([0, 255]), etag: "v1" });
  expect(await get("short")).toMatchObject({ expiresAt: start + 5000 });
  await clock.advance(5000);
  expect(await get("short")).toBeUndefined();
  expect((await store.list({ prefix: "", limit: 10 }, {})).keys).toEqual(["bytes", "text"]);
});

test("a table of another layout is refused with its name", async () => {
  const prepare = (file: DatabaseSync) =>
    file.exec("CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT, expiration_time)");
  await expect(opened({}, prepare)).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringContaining("table state has another layout"),
  });
});

test("stores with tables of their own share a file without seeing each other", async () => {
  const { store, open } = await opened();
  const other = await open({ tableName: 'odd "name"', metadataTableName: "about" });
  await store.set("k", Buffer.from("1"), {}, {});
  expect(await other.get("k", {}, {})).toBeUndefined();
  await other.set("k", Buffer.from("2"), {}, {});
  expect(await store.get("k", {}, {})).toMatchObject({ data: Buffer.from("1") });
});

test("ended values are deleted from the file at every cleanupInterval", async () => {
  const { store, clock, file } = await opened({ cleanupInterval: 60_000 });
  for (let n = 0; n < 1200; n += 1) void store.set(`k${n}`, Buffer.from("1"), { ttlSeconds: 1 }, {});
  await store.set("kept", Buffer.from("1"), {}, {});
  const count = () => file.prepare("SELECT count(*) AS count FROM state").get()?.["count"];
  expect(count()).toBe(1201);
  for (let step = 0; count() !== 1 && step < 100; step += 1) await clock.advance(1000);
  expect(count()).toBe(1);
});

test("ended values of a named database stay until they are overwritten, unless asked for", async () => {
  const { store, clock } = await opened({ connectionString: join(tempFolder(), "named.db") });
  await store.set("k", Buffer.from("1"), { ttlSeconds: 1 }, {});
  expect(clock.pending).toBe(0);
});
