import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { type Client, openClient } from "../../../../components/sqlite/client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { KeptLog, openContext } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const defaults = {
  connectionString: "",
  timeout: 20_000,
  busyTimeout: 2000,
  disableWAL: false,
  synchronous: "full",
} as const;

const steps = ["CREATE TABLE t (name TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL)"];

async function opened(settings: Partial<Parameters<typeof openClient>[0]> = {}, dataDir = tempFolder()) {
  const clock = new FakeClock();
  const log = new KeptLog();
  const context = openContext({ dataDir, clock, log });
  const open = async () => {
    const client = await openClient({ ...defaults, ...settings }, context, (one) => one.migrate("t", steps));
    onTestFinished(() => client.close());
    return client;
  };
  return { client: await open(), open, clock, log, dataDir, path: join(dataDir, "mecha.db") };
}

/** A connection as another process has one. */
function stranger(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  return database;
}

const insert = (client: Client, name: string) => client.prepare("INSERT INTO t VALUES (?, 1)").run(name).changes;
const names = async (client: Client) =>
  (await client.read(() => client.prepare("SELECT name FROM t ORDER BY name").all(), {})).map((row) => row["name"]);

test("writes of one turn of the event loop are one transaction", async () => {
  const { client, path } = await opened();
  const other = stranger(path);
  const version = () => Number(other.prepare("PRAGMA data_version").get()?.["data_version"]);
  const before = version();
  await Promise.all(Array.from({ length: 50 }, (_, n) => client.write(() => insert(client, `n${n}`), {})));
  expect(version() - before).toBe(1);
  expect(await names(client)).toHaveLength(50);
});

test("a write that throws leaves nothing behind and its neighbours untouched", async () => {
  const { client } = await opened();
  const failing = client.write(
    () => {
      insert(client, "half");
      throw new Error("no");
    },
    {},
    { atomic: true },
  );
  const results = await Promise.allSettled([
    client.write(() => insert(client, "a"), {}),
    failing,
    client.write(() => insert(client, "a"), {}),
    client.write(() => insert(client, "b"), {}),
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(await names(client)).toEqual(["a", "b"]);
});

test("a write waits for another process's lock without holding up the event loop", async () => {
  const { client, clock, path } = await opened();
  const other = stranger(path);
  other.exec("BEGIN IMMEDIATE");
  let isDone = false;
  const write = client
    .write(() => insert(client, "a"), {})
    .then(() => {
      isDone = true;
    });
  await clock.advance(500);
  expect(isDone).toBe(false);
  expect(await names(client)).toEqual([]);
  other.exec("COMMIT");
  await clock.advance(50);
  await write;
});

test("a lock that stays for longer than busyTimeout makes the write unavailable", async () => {
  const { client, clock, path } = await opened({ busyTimeout: 1000 });
  stranger(path).exec("BEGIN IMMEDIATE");
  const write = client.write(() => insert(client, "a"), {});
  const refused = expect(write).rejects.toMatchObject({ reason: "backendUnavailable" });
  await clock.advance(1100);
  await refused;
});

test("a write whose caller leaves while it waits is not done", async () => {
  const { client, clock, path } = await opened();
  const other = stranger(path);
  other.exec("BEGIN IMMEDIATE");
  const caller = new AbortController();
  const write = client.write(() => insert(client, "a"), { signal: caller.signal });
  const refused = expect(write).rejects.toThrow("left");
  await clock.advance(100);
  caller.abort(new Error("left"));
  other.exec("COMMIT");
  await clock.advance(100);
  await refused;
  expect(await names(client)).toEqual([]);
});

test("components that name the same file share a connection, which ends with the last of them", async () => {
  const { client, open, path } = await opened();
  const second = await open();
  expect(second.prepare("SELECT 1")).toBe(client.prepare("SELECT 1"));
  await client.close();
  expect(await names(second)).toEqual([]);
  expect(existsSync(`${path}-wal`)).toBe(true);
  await second.close();
  // SQLite removes the log when no connection is left.
  expect(existsSync(`${path}-wal`)).toBe(false);
  await expect(second.read(() => 1, {})).rejects.toMatchObject({ reason: "backendUnavailable" });
  await expect(second.write(() => 1, {})).rejects.toMatchObject({ reason: "backendUnavailable" });
});

test("a full disk makes the writes of its transaction unavailable, and later ones succeed when there is room", async () => {
  const { client } = await opened();
  const pages = (most: number) => client.prepare(`PRAGMA max_page_count=${most}`).get();
  pages(8);
  const large = "x".repeat(20_000);
  const results = await Promise.allSettled([
    client.write(() => insert(client, "small"), {}),
    client.write(() => insert(client, `a${large}`), {}),
    client.write(() => insert(client, `b${large}`), {}),
  ]);
  const refused = results.filter((result) => result.status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) expect(reason).toMatchObject({ reason: "backendUnavailable" });
  expect((await names(client)).length).toBe(results.length - refused.length);
  pages(1000);
  await client.write(() => insert(client, `c${large}`), {});
  expect(await names(client)).toContain(`c${large}`);
});

test("closing waits for what is being written", async () => {
  const { client, open } = await opened();
  const write = client.write(() => insert(client, "a"), {});
  await client.close();
  await write;
  expect(await names(await open())).toEqual(["a"]);
});

test("a step of the layout is run once on a file, whoever opens it", async () => {
  const { client, open, dataDir } = await opened();
  await client.write(() => insert(client, "a"), {});
  await open();
  await client.close();
  const later = await openClient({ ...defaults }, openContext({ dataDir }), (one) =>
    one.migrate("t", [...steps, "ALTER TABLE t ADD COLUMN more TEXT"]),
  );
  onTestFinished(() => later.close());
  const rows = await later.read(() => later.prepare("SELECT * FROM t").all(), {});
  expect(rows.map((row) => ({ ...row }))).toEqual([{ name: "a", n: 1, more: null }]);
});

test("a watcher is woken by a commit on its channel at once, and by another process within the interval", async () => {
  const { client, clock, path } = await opened();
  let woken = 0;
  const stop = client.watch("c", 50, () => {
    woken += 1;
  });
  await client.write(() => insert(client, "a"), {}, { wakes: ["other"] });
  expect(woken).toBe(0);
  await client.write(() => insert(client, "b"), {}, { wakes: ["c"] });
  expect(woken).toBe(1);
  await clock.advance(200);
  expect(woken).toBe(1);
  stranger(path).exec("INSERT INTO t VALUES ('c', 1)");
  await clock.advance(50);
  expect(woken).toBe(2);
  stop();
  stranger(path).exec("INSERT INTO t VALUES ('d', 1)");
  await clock.advance(200);
  expect(woken).toBe(2);
  expect(clock.pending).toBe(0);
});

test("a database in memory belongs to its component alone", async () => {
  const { client, open } = await opened({ connectionString: ":memory:" });
  await client.write(() => insert(client, "a"), {});
  expect(await names(await open())).toEqual([]);
});

test("without a write-ahead log, writes are durable and readers of other processes are waited for", async () => {
  const { client, clock, path } = await opened({ disableWAL: true });
  const other = stranger(path);
  other.exec("BEGIN; SELECT * FROM t");
  const reading = other.prepare("SELECT * FROM t").all();
  expect(reading).toEqual([]);
  const write = client.write(() => insert(client, "a"), {});
  await clock.advance(100);
  other.exec("COMMIT");
  await clock.advance(100);
  await write;
  expect(existsSync(`${path}-wal`)).toBe(false);
});

test("a folder that is missing is told with the file's name", async () => {
  const connectionString = join(tempFolder(), "missing", "app.db");
  await expect(opened({ connectionString })).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringContaining("missing must exist"),
  });
});

test("a file that is no database is refused, and the next attempt can succeed", async () => {
  const dataDir = tempFolder();
  const connectionString = join(dataDir, "app.db");
  writeFileSync(connectionString, "no database".repeat(1000));
  await expect(opened({ connectionString }, dataDir)).rejects.toMatchObject({ reason: "openFailed" });
  writeFileSync(connectionString, "");
  await opened({ connectionString }, dataDir);
});

test("parameters of the connection string that are ignored are logged", async () => {
  const dataDir = tempFolder();
  const { log } = await opened({ connectionString: `file:${join(dataDir, "app.db")}?_pragma=x` }, dataDir);
  expect(log.lines.join()).toContain("_pragma is ignored");
});
