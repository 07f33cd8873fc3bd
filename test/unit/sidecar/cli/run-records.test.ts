import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isAlive, markProcess, untilGone } from "../../../../sidecar/cli/processes.ts";
import {
  logFileOf,
  type RunRecord,
  readRecords,
  removeRecord,
  requireRecord,
  statusOf,
  writeRecord,
} from "../../../../sidecar/cli/run-records.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const self = markProcess(process.pid);
/** A process that has ended. */
const gone = { pid: spawnSync(process.execPath, ["--version"]).pid };

const record = (appId: string, about: Partial<RunRecord> = {}): RunRecord => ({
  appId,
  httpPort: 3500,
  command: ["node"],
  cwd: "/",
  created: "2026-01-31T12:00:00.000Z",
  logFile: "/log",
  cli: self,
  sidecar: self,
  app: self,
  ...about,
});

test("a record can be read until it is removed, whatever the id is made of", async () => {
  const env = { MECHA_HOME: tempFolder() };
  expect(await readRecords(env)).toEqual([]);
  for (const id of ["b", "a/b c"]) await writeRecord(record(id), env);
  expect((await readRecords(env)).map(({ appId }) => appId)).toEqual(["a/b c", "b"]);
  expect(await requireRecord("b", env)).toEqual(record("b"));
  await removeRecord("b", env);
  await removeRecord("b", env);
  expect((await readRecords(env)).map(({ appId }) => appId)).toEqual(["a/b c"]);
  expect(logFileOf("a/b c", env)).toBe(join(env.MECHA_HOME, "run/a%2Fb%20c.log"));
});

test("a record of which nothing runs is removed when somebody looks", async () => {
  const env = { MECHA_HOME: tempFolder() };
  await writeRecord(record("old", { cli: gone, sidecar: gone, app: gone }), env);
  expect(await readRecords(env)).toEqual([]);
  expect(readdirSync(join(env.MECHA_HOME, "run"))).toEqual([]);
});

test("what runs decides the status", () => {
  const { app: _, ...starting } = record("a");
  expect(statusOf(record("a"))).toBe("running");
  expect(statusOf(starting)).toBe("starting");
  expect(statusOf({ ...starting, command: [] })).toBe("running");
  expect(statusOf(record("a", { cli: gone, sidecar: gone }))).toBe("orphaned");
  expect(statusOf(record("a", { cli: gone, app: gone }))).toBe("orphaned");
  expect(statusOf(record("a", { cli: gone, sidecar: gone, app: gone }))).toBe("ended");
});

test("a process that got the number of an earlier one is not taken for it", () => {
  expect(isAlive(self)).toBe(true);
  expect(isAlive(gone)).toBe(false);
  if (self.birth !== undefined) expect(isAlive({ pid: process.pid, birth: "1" })).toBe(false);
});

test("waiting for processes ends when they are gone, or when it has taken too long", async () => {
  expect(await untilGone([gone], 1_000)).toBe(true);
  expect(await untilGone([self], 0)).toBe(false);
});

test("an app that does not run is answered with those that do", async () => {
  const env = { MECHA_HOME: tempFolder() };
  await expect(requireRecord("x", env)).rejects.toMatchObject({
    line: "no app with id x is running; nothing is running; start something with `mecha run`",
  });
  await writeRecord(record("orders"), env);
  await writeRecord(record("payments"), env);
  await expect(requireRecord("x", env)).rejects.toMatchObject({
    line: "no app with id x is running; running: orders, payments",
  });
  await expect(requireRecord("order", env)).rejects.toMatchObject({
    line: 'no app with id order is running; did you mean "orders"? running: orders, payments',
  });
});
