import { describe, expect, test } from "vitest";
import bindingDriver from "../../components/mysql/bindings.ts";
import stateDriver from "../../components/mysql/state.ts";
import { fresh } from "../conformance/target.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { runSql } from "./mysql-sql.ts";

const isMissing = !(await requireService("mariadb"));

/** A binding to a database of the test's own; `parameters` are those of its URL. */
async function binding(parameters = "", more: Readonly<Record<string, unknown>> = {}) {
  const { port } = await startServer("mariadb");
  const schema = `db_${Math.random().toString(36).slice(2)}`;
  await runSql(port, `CREATE DATABASE ${schema}`);
  const url = `mecha:secret@tcp(127.0.0.1:${port})/${schema}${parameters}`;
  const opened = await openDriver(bindingDriver, { url, ...more });
  const run = (operation: string, sql: string | undefined, params?: string, signal?: AbortSignal) =>
    opened.invoke?.(
      {
        operation,
        data: Buffer.alloc(0),
        metadata: { ...(sql === undefined ? {} : { sql }), ...(params === undefined ? {} : { params }) },
      },
      { signal },
    );
  const text = async (sql: string, params?: string) =>
    Buffer.from((await run("query", sql, params))?.data ?? []).toString();
  const rows = async (sql: string, params?: string) => JSON.parse(await text(sql, params));
  /** How many sessions the binding has. */
  const sessions = async () =>
    (await runSql(port, `SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = '${schema}'`)).length;
  /** How many statements with this text the server runs. */
  const running = async (part: string) =>
    (
      await runSql(
        port,
        `SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = '${schema}' AND INFO LIKE '%${part}%'`,
      )
    ).length;
  return { port, opened, run, text, rows, sessions, running };
}

describe.skipIf(isMissing)("bindings.mysql", () => {
  test("exec tells how many rows it has changed, and about the call", async () => {
    const { run, rows } = await binding();
    await run("exec", "CREATE TABLE t (id int, name varchar(20), data json)");
    const sql = "INSERT INTO t VALUES (?, ?, ?), (2, 'b', NULL)";
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
    expect(await rows("SELECT * FROM t ORDER BY id")).toEqual([
      { id: 1, name: "it's", data: { a: [1] } },
      { id: 2, name: "b", data: null },
    ]);
  });

  test("values come as JSON of their types, and parameters cannot become SQL", async () => {
    const { text, run } = await binding();
    await run("exec", "CREATE TABLE t (bits bit(10), year_ year, kind enum('a', 'b'))");
    await run("exec", "INSERT INTO t VALUES (b'1000000101', 2026, 'b')");
    expect(await text("SELECT * FROM t")).toBe('[{"bits":517,"year_":2026,"kind":"b"}]');
    const sql = `SELECT 18446744073709551615 AS big, 1.50 AS dec_, 1e300 AS float_, TRUE AS yes, NULL AS none, x'00ff' AS bytes,
      DATE '2026-01-31' AS day, TIMESTAMP '2026-01-31 12:00:00.5' AS at_, TIME '-12:00:01' AS time_,
      POINT(1, 2) AS place, ? AS given`;
    const answer =
      '[{"big":18446744073709551615,"dec_":1.50,"float_":1e+300,"yes":1,"none":null,"bytes":"AP8=","day":"2026-01-31","at_":"2026-01-31 12:00:00.5","time_":"-12:00:01","place":{"x":1,"y":2},"given":"\'; DROP TABLE x; --"}]';
    expect(await text(sql, `["'; DROP TABLE x; --"]`)).toBe(answer);
  });

  test("parameters keep their types, and count rows in LIMIT too", async () => {
    const { rows, text } = await binding();
    const all = "SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 ORDER BY n LIMIT ?";
    expect(await rows(all, "[2]")).toHaveLength(2);
    expect(await text("SELECT ? AS a, ? AS b, ? AS c, ? AS d", '[1.5, true, null, "x"]')).toBe(
      '[{"a":1.5,"b":1,"c":null,"d":"x"}]',
    );
  });

  test("parameters of the URL hold: times, several statements, found rows, system variables", async () => {
    const { run, rows } = await binding(
      "?parseTime=true&multiStatements=true&clientFoundRows=true&max_statement_time=3&time_zone=%27%2B02:00%27",
    );
    await run("exec", "CREATE TABLE t (id int, at_ datetime(3)); INSERT INTO t VALUES (1, '2026-01-31 12:00:00.250')");
    expect(await rows("SELECT at_, DATE '2026-01-31' AS day FROM t")).toEqual([
      { at_: "2026-01-31T12:00:00.250Z", day: "2026-01-31T00:00:00Z" },
    ]);
    expect((await run("exec", "UPDATE t SET id = 1"))?.metadata?.["rows-affected"]).toBe("1");
    expect(await rows("SELECT @@time_zone AS zone, @@max_statement_time AS seconds")).toEqual([
      { zone: "+02:00", seconds: 3 },
    ]);
    const { run: runWithout } = await binding();
    await expect(runWithout("exec", "DO 1; DO 2")).rejects.toThrow(/error in your SQL syntax/);
    await runWithout("exec", "CREATE TABLE t (id int)");
    await runWithout("exec", "INSERT INTO t VALUES (1)");
    expect((await runWithout("exec", "UPDATE t SET id = 1"))?.metadata?.["rows-affected"]).toBe("0");
  });

  test("a procedure answers with its rows", async () => {
    const { run, rows } = await binding();
    await run("exec", "CREATE PROCEDURE p(a int) SELECT a AS n");
    expect(await rows("CALL p(?)", "[7]")).toEqual([{ n: 7 }]);
    expect(await rows("CALL p(8)")).toEqual([{ n: 8 }]);
  });

  test("what is missing or wrong in a request is named", async () => {
    const { run } = await binding();
    await expect(run("query", undefined)).rejects.toThrow("metadata sql: is required; it is the statement to run");
    await expect(run("query", "SELECT 1", "{}")).rejects.toThrow("metadata params: must be a JSON array");
    await expect(run("query", "SELECT 1", "[")).rejects.toThrow("metadata params: is not JSON");
    await expect(run("query", "SELECT ?", "[1, 2]")).rejects.toMatchObject({
      reason: "bindingFailed",
      message: expect.stringContaining("the statement has 1 question marks, and 2 values are given"),
    });
    await expect(run("exec", "SELEKT 1")).rejects.toMatchObject({
      reason: "bindingFailed",
      message: expect.stringContaining("error in your SQL syntax"),
    });
  });

  test("after close it says that it is closed", async () => {
    const { run } = await binding();
    expect(await run("close", undefined)).toBeUndefined();
    await expect(run("exec", "SELECT 1")).rejects.toThrow("the component is closed");
  });

  test("a call whose caller leaves is stopped at the server", async () => {
    const { run, rows, running } = await binding();
    const leaving = new AbortController();
    const call = expect(run("query", "SELECT SLEEP(60), 'left'", undefined, leaving.signal)).rejects.toThrow(
      "I am gone",
    );
    await expect.poll(() => running("SLEEP(60)")).toBe(1);
    leaving.abort(new Error("I am gone"));
    await call;
    await expect.poll(() => running("SLEEP(60)")).toBe(0);
    expect(await rows("SELECT 1 AS n")).toEqual([{ n: 1 }]);
  });

  test("connections are as many, as old and as idle as the settings say", async () => {
    const { run, rows, sessions } = await binding("", { maxOpenConns: 2, connMaxIdleTime: 300 });
    const long = [run("query", "SELECT SLEEP(0.3)"), run("query", "SELECT SLEEP(0.3)")];
    await expect(run("query", "SELECT 1", undefined, AbortSignal.timeout(100))).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(await sessions()).toBe(2);
    await Promise.all(long);
    await expect.poll(sessions).toBe(0);
    expect(await rows("SELECT 1 AS n")).toEqual([{ n: 1 }]);
    const short = await binding("", { connMaxLifetime: 1 });
    const id = () => short.rows("SELECT CONNECTION_ID() AS id");
    expect(await id()).not.toEqual(await id());
    const none = await binding("", { maxIdleConns: -1 });
    await none.rows("SELECT 1");
    await expect.poll(none.sessions).toBe(0);
  });
});

describe.skipIf(isMissing)("state.mysql", () => {
  const open = async (more: Readonly<Record<string, unknown>> = {}) =>
    openDriver(stateDriver, { ...(await startServer("mariadb")).settings, ...more });
  const write = (key: string, text: string) => ({ kind: "set", key, data: Buffer.from(text), options: {} }) as const;

  test("transactions that would wait for each other for ever are tried again", async () => {
    const store = await open();
    const keys = ["a", "b", "c"].map(fresh);
    const rounds = Array.from({ length: 8 }, (_, n) =>
      store.transact?.(
        (n % 2 === 0 ? keys : keys.toReversed()).map((key) => write(key, String(n))),
        {},
      ),
    );
    await Promise.all(rounds);
    const values = await store.getMany?.(keys, {}, {});
    expect(new Set(values?.map((one) => Buffer.from(one?.data ?? []).toString())).size).toBe(1);
  });

  test("what the server does not hold is refused with the key and the way out", async () => {
    const store = await open();
    const set = (key: string, data: Uint8Array, ttlSeconds?: number) => store.set(key, data, { ttlSeconds }, {});
    await expect(set("k".repeat(256), Buffer.from("1"))).rejects.toMatchObject({
      reason: "badRequest",
      message: `key ${"k".repeat(256)} has 256 characters; the table holds at most 255`,
    });
    await set("🔑".repeat(255), Buffer.from("1"));
    await expect(set("large", Buffer.alloc(13_000_000))).rejects.toMatchObject({
      reason: "badRequest",
      message:
        "the value of large has 13000000 bytes, a third more in base64; the server takes statements of at most 16777216: raise its max_allowed_packet, or store less",
    });
    await set("nearly", Buffer.alloc(12_000_000));
    await expect(set("late", Buffer.from("1"), 3_000_000_000)).rejects.toMatchObject({
      reason: "requestMetadataInvalid",
      message: expect.stringContaining("the value of late would end after 2038"),
    });
  });

  test("any JSON comes back as it was written, however the server reads it", async () => {
    const store = await open();
    const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
    for (const text of ['"\\u0000"', '"\\ud83d"', "1e400", ' {"b":1, "a":1,"b":2} ', "12345678901234567890", deep]) {
      const key = fresh("k");
      await store.set(key, Buffer.from(text), {}, {});
      expect(Buffer.from((await store.get(key, {}, {}))?.data ?? []).toString()).toBe(text);
    }
  });

  test("more keys than one statement reads are all found", async () => {
    const store = await open();
    const prefix = fresh("many");
    const keys = Array.from({ length: 1500 }, (_, n) => `${prefix}${n}`);
    for (let at = 0; at < keys.length; at += 500) {
      await store.transact?.(
        keys.slice(at, at + 500).map((key) => write(key, `"${key}"`)),
        {},
      );
    }
    const entries = await store.getMany?.(keys, {}, {});
    expect(entries?.map((entry) => JSON.parse(Buffer.from(entry?.data ?? []).toString()))).toEqual(keys);
  });

  test("a call that takes longer than timeoutInSeconds says so", async () => {
    const { port } = await startServer("mariadb");
    const store = await open({ timeoutInSeconds: 1 });
    await store.set("locked", Buffer.from("1"), {}, {});
    const holding = runSql(
      port,
      "START TRANSACTION",
      "SELECT * FROM dapr_state_store.state WHERE id = 'locked' FOR UPDATE",
      "DO SLEEP(2)",
    );
    const held = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO = 'DO SLEEP(2)'";
    await expect.poll(async () => (await runSql(port, held)).length).toBe(1);
    await expect(store.set("locked", Buffer.from("2"), {}, {})).rejects.toMatchObject({
      reason: "deadlineExceeded",
      message: "the call to under-test did not finish within 1000 ms",
    });
    await holding;
    await store.set("locked", Buffer.from("3"), {}, {});
  });
});
