import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import sqlite from "../../../../components/sqlite/name-resolution.ts";
import { isGone, ownMark } from "../../../../components/sqlite/process-mark.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Given, KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const orders = { appId: "orders", namespace: "default", address: "10.0.0.1:1" };

function shared() {
  const dataDir = join(tempFolder(), "data");
  const clock = new FakeClock();
  const log = new KeptLog();
  const open = (settings: Given = {}) => openDriver(sqlite, settings, openContext({ dataDir, clock, log }));
  const file = () => new DatabaseSync(join(dataDir, "mecha.db"));
  return { open, clock, log, file };
}

/** The mark of a process of this machine that has ended. */
function deadMark(): string {
  const { pid } = spawnSync(process.execPath, ["--version"]);
  return ownMark().replace(/^\d+/, String(pid));
}

test("a sidecar is found in its namespace only", async () => {
  const { open } = shared();
  const resolver = await open();
  await resolver.register(orders, {});
  await resolver.register({ ...orders, namespace: "prod", address: "10.0.0.2:1" }, {});
  expect(await resolver.resolve("orders", "default", {})).toEqual(["10.0.0.1:1"]);
  expect(await resolver.resolve("orders", "prod", {})).toEqual(["10.0.0.2:1"]);
  expect(await resolver.known?.({})).toEqual(["orders", "orders.prod"]);
});

test("a sidecar that goes on saying that it is there is found for ever, another for three intervals", async () => {
  const { open, clock, file } = shared();
  const resolver = await open();
  await resolver.register(orders, {});
  using database = file();
  const now = Math.floor(clock.now() / 1000);
  database.prepare("INSERT INTO hosts VALUES ('of-another-kind', 'x:1', 'silent', 'default', ?)").run(now);
  for (let i = 0; i < 3; i++) await clock.advance(5000);
  expect(await resolver.known?.({})).toEqual(["orders", "silent"]);
  await clock.advance(5000);
  expect(await resolver.known?.({})).toEqual(["orders"]);
  expect(await resolver.resolve("silent", "default", {})).toEqual([]);
});

test("a sidecar of this machine whose process has ended is not found at once", async () => {
  const { open, clock, file } = shared();
  const resolver = await open();
  using database = file();
  const insert = database.prepare("INSERT INTO hosts VALUES (?, ?, 'crashed', 'default', ?)");
  const now = Math.floor(clock.now() / 1000);
  insert.run(`1;${deadMark()}`, "dead:1", now);
  expect(await resolver.resolve("crashed", "default", {})).toEqual([]);
  expect(await resolver.known?.({})).toEqual([]);
  insert.run(`2;${deadMark()}-elsewhere`, "elsewhere:1", now);
  insert.run(`3;${ownMark()}`, "alive:1", now);
  expect([...(await resolver.resolve("crashed", "default", {}))].sort()).toEqual(["alive:1", "elsewhere:1"]);
});

test("an address that is taken again belongs to the new sidecar", async () => {
  const { open } = shared();
  const [first, second] = [await open(), await open()];
  await first.register(orders, {});
  await second.register({ ...orders, appId: "payments" }, {});
  expect(await first.known?.({})).toEqual(["payments"]);
});

test("rows of sidecars that are gone are deleted, and a sidecar that slept comes back", async () => {
  const { open, clock, file } = shared();
  const resolver = await open({ cleanupInterval: 60_000 });
  await resolver.register(orders, {});
  using database = file();
  database.prepare("INSERT INTO hosts VALUES ('old', 'x:1', 'old', 'default', 0)").run();
  await clock.advance(60_000);
  expect(database.prepare("SELECT app_id FROM hosts").all()).toEqual([{ app_id: "orders" }]);
  database.exec("DELETE FROM hosts");
  await clock.advance(5000);
  expect(await resolver.known?.({})).toEqual(["orders"]);
});

test("the row is gone and nothing is left running after close", async () => {
  const { open, clock, file } = shared();
  const resolver = await open();
  await resolver.register(orders, {});
  await resolver.close();
  using database = file();
  expect(database.prepare("SELECT count(*) AS n FROM hosts").get()).toEqual({ n: 0 });
  expect(clock.pending).toBe(0);
});

test("a file in which the sidecar cannot say that it is there is told in the log", async () => {
  const { open, clock, log, file } = shared();
  const resolver = await open();
  await resolver.register(orders, {});
  using database = file();
  database.exec("DROP TABLE hosts");
  await clock.advance(5000);
  expect(log.lines.join()).toMatch(/warn.*could not say that it is running/);
});

test("a mark tells a process that runs from one that has ended, on this machine only", () => {
  expect(isGone(ownMark())).toBe(false);
  expect(isGone(deadMark())).toBe(true);
  expect(isGone(`${deadMark()}-elsewhere`)).toBe(false);
  expect(isGone("nonsense")).toBe(false);
});
