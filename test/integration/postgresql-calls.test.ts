import { describe, expect, test } from "vitest";
import bindingDriver from "../../components/postgresql/bindings.ts";
import configurationDriver from "../../components/postgresql/configuration.ts";
import stateDriver from "../../components/postgresql/state.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { runSql, until } from "./postgresql-sql.ts";

const isMissing = !(await requireService("postgres"));

async function binding(more = {}) {
  const { port, settings } = await startServer("postgres");
  const opened = await openDriver(bindingDriver, { ...settings, ...more });
  const run = (operation: string, sql: string | undefined, params?: string, signal?: AbortSignal) =>
    opened.invoke?.(
      {
        operation,
        data: Buffer.alloc(0),
        metadata: { ...(sql === undefined ? {} : { sql }), ...(params === undefined ? {} : { params }) },
      },
      { signal },
    );
  const rows = async (sql: string, params?: string) =>
    JSON.parse(Buffer.from((await run("query", sql, params))?.data ?? []).toString());
  /** How many such statements the server runs. */
  const running = async (sql: string) =>
    (await runSql(port, "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1", [sql])).length;
  return { port, opened, run, rows, running };
}

describe.skipIf(isMissing)("bindings.postgresql", () => {
  test("exec tells how many rows it has changed, and about the call", async () => {
    const { run, rows } = await binding();
    const table = `t${Date.now()}`;
    await run("exec", `CREATE TABLE ${table} (id int, name text, data jsonb)`);
    const sql = `INSERT INTO ${table} VALUES ($1, $2, $3), ($1 + 1, $2, $3)`;
    const answer = await run("exec", sql, `[1, "it's", {"a": [1]}]`);
    expect(answer?.data).toBeUndefined();
    expect(answer?.metadata).toEqual({
      "rows-affected": "2",
      operation: "exec",
      sql,
      "start-time": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/),
      "end-time": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/),
      duration: expect.stringMatching(/^[\d.]+(µs|ms|s)$/),
    });
    expect(await rows(`SELECT * FROM ${table} ORDER BY id`)).toEqual([
      [1, "it's", { a: [1] }],
      [2, "it's", { a: [1] }],
    ]);
  });

  test("values come as JSON of their types, and parameters cannot become SQL", async () => {
    const { rows } = await binding();
    const sql = `SELECT 1::bigint, 1.50::numeric, true, NULL, '\\x00ff'::bytea, '{1,2}'::int[],
      '2026-01-31T12:00:00Z'::timestamptz, $1::text`;
    expect(await rows(sql, `["'; DROP TABLE x; --"]`)).toEqual([
      [1, 1.5, true, null, "AP8=", [1, 2], "2026-01-31T12:00:00Z", "'; DROP TABLE x; --"],
    ]);
  });

  test("what is missing or wrong in a request is named", async () => {
    const { run } = await binding();
    await expect(run("query", undefined)).rejects.toThrow("metadata sql: is required; it is the statement to run");
    await expect(run("query", "SELECT 1", "{}")).rejects.toThrow("metadata params: must be a JSON array");
    await expect(run("query", "SELECT 1", "[")).rejects.toThrow("metadata params: is not JSON");
    await expect(run("exec", "SELEKT 1")).rejects.toMatchObject({
      reason: "bindingFailed",
      message: expect.stringContaining('syntax error at or near "SELEKT"'),
    });
  });

  test("after close it says that it is closed", async () => {
    const { run } = await binding({ maxConns: 3 });
    expect(await run("close", undefined)).toBeUndefined();
    await expect(run("exec", "SELECT 1")).rejects.toThrow("the component is closed");
  });

  test("a call whose caller leaves is stopped at the server", async () => {
    const { run, rows, running } = await binding();
    const leaving = new AbortController();
    const sql = "SELECT pg_sleep(60), 'left'";
    const call = expect(run("query", sql, undefined, leaving.signal)).rejects.toThrow("I am gone");
    await until(async () => (await running(sql)) === 1);
    leaving.abort(new Error("I am gone"));
    await call;
    await until(async () => (await running(sql)) === 0);
    expect(await rows("SELECT 1")).toEqual([[1]]);
  });

  test("a call that takes longer than timeout is stopped at the server", async () => {
    const { run, running } = await binding({ timeout: 300 });
    const sql = "SELECT pg_sleep(60), 'late'";
    await expect(run("query", sql)).rejects.toMatchObject({
      reason: "deadlineExceeded",
      message: "the call to under-test did not finish within 300 ms",
    });
    await until(async () => (await running(sql)) === 0);
  });

  test("a call that finds all connections taken leaves with its caller, and takes none along", async () => {
    const { run, rows } = await binding({ maxConns: 1 });
    const long = run("query", "SELECT pg_sleep(0.5)");
    await expect(run("query", "SELECT 1", undefined, AbortSignal.timeout(100))).rejects.toMatchObject({
      name: "TimeoutError",
    });
    await long;
    expect(await rows("SELECT 1")).toEqual([[1]]);
  });
});

describe.skipIf(isMissing)("calls that get in each other's way", () => {
  test("transactions that would wait for each other for ever are tried again", async () => {
    const { settings } = await startServer("postgres");
    const store = await openDriver(stateDriver, { ...settings, tableName: "deadlocks" });
    const write = (key: string, n: number) =>
      ({ kind: "set", key, data: Buffer.from(String(n)), options: {} }) as const;
    const rounds = Array.from({ length: 8 }, (_, n) => {
      const keys = n % 2 === 0 ? ["a", "b", "c"] : ["c", "b", "a"];
      return store.transact?.(
        keys.map((key) => write(key, n)),
        {},
      );
    });
    await Promise.all(rounds);
    const values = await store.getMany?.(["a", "b", "c"], {}, {});
    expect(new Set(values?.map((one) => Buffer.from(one?.data ?? []).toString())).size).toBe(1);
  });

  test("a key with a NUL is refused as the caller's mistake", async () => {
    const { settings } = await startServer("postgres");
    const store = await openDriver(stateDriver, settings);
    await expect(store.set("a\0b", Buffer.from("1"), {}, {})).rejects.toMatchObject({ reason: "malformedRequest" });
  });

  test("any JSON comes back with the same meaning, whatever jsonb makes of it", async () => {
    const { settings } = await startServer("postgres");
    const store = await openDriver(stateDriver, settings);
    const texts = [
      '"\\u0000"',
      '"\\ud83d"',
      '"\\ud83d\\ude00"',
      "1e400",
      "-0.0",
      '{"b":1,"a":{"":[]}}',
      "12345678901234567890",
    ];
    for (const text of texts) {
      await store.set(text, Buffer.from(text), {}, {});
      const read = Buffer.from((await store.get(text, {}, {}))?.data ?? []).toString();
      expect(JSON.parse(read)).toEqual(text === "-0.0" ? 0 : JSON.parse(text));
    }
  });
});

describe.skipIf(isMissing)("configuration.postgresql", () => {
  test("the highest version counts, by number where it is one, and the metadata comes along", async () => {
    const { port, settings } = await startServer("postgres");
    await runSql(port, "CREATE TABLE versions (KEY VARCHAR, VALUE VARCHAR, VERSION VARCHAR, METADATA JSON)");
    await runSql(
      port,
      `INSERT INTO versions VALUES ('a', 'nine', '9', '{}'), ('a', 'ten', '10', '{"x": "y", "n": 1}'),
        ('b', 'old', 'v1', '{}'), ('b', 'new', 'v2', '{}')`,
    );
    const store = await openDriver(configurationDriver, { ...settings, table: "versions" });
    expect(await store.get([], {}, {})).toEqual({
      a: { value: "ten", version: "10", metadata: { x: "y", n: "1" } },
      b: { value: "new", version: "v2", metadata: {} },
    });
    await expect(store.subscribe([], {}, () => {}, {})).rejects.toThrow(/metadata pgNotifyChannel: is required/);
    await expect(store.subscribe([], { pgNotifyChannel: "No!" }, () => {}, {})).rejects.toThrow(
      /metadata pgNotifyChannel: must be lower-case letters, digits and _/,
    );
  });
});
