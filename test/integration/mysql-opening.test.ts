import { describe, expect, test } from "vitest";
import bindingDriver from "../../components/mysql/bindings.ts";
import stateDriver from "../../components/mysql/state.ts";
import { authority, client } from "../support/certificates.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { runSql } from "./mysql-sql.ts";

const isMissing = !(await requireService("mariadb"));
const opening = (settings: Given) => openDriver(stateDriver, settings);
const failing = (why: string | RegExp) => ({
  reason: "openFailed",
  message: typeof why === "string" ? expect.stringContaining(why) : expect.stringMatching(why),
});
const schemaName = () => `s_${Math.random().toString(36).slice(2)}`;
const textOf = (entry: { readonly data: Uint8Array } | undefined) => entry && Buffer.from(entry.data).toString();

describe.skipIf(isMissing)("opening a component of MySQL", () => {
  test("both forms of the connection string lead to the same tables", async () => {
    const { port } = await startServer("mariadb");
    const schema = schemaName();
    let last: string | undefined;
    for (const connectionString of [
      `mecha:secret@tcp(127.0.0.1:${port})/`,
      `mecha:secret@tcp(localhost:${port})/mysql?allowNativePasswords=true&parseTime=true`,
      `mysql://mecha:secret@127.0.0.1:${port}/mysql`,
    ]) {
      const store = await opening({ connectionString, schemaName: schema });
      expect(textOf(await store.get("k", {}, {}))).toBe(last);
      await store.set("k", Buffer.from(connectionString), {}, {});
      last = connectionString;
      await store.close();
    }
    const tables = await runSql(port, `SHOW TABLES FROM ${schema}`);
    expect(tables.flatMap(Object.values).sort()).toEqual(["dapr_metadata", "state"]);
  });

  test("what is wrong is named with the setting and the fix, and no secret", async () => {
    const { port } = await startServer("mariadb");
    const at = (place: string, more = {}) => opening({ connectionString: `mecha:secret@${place}/`, ...more });
    const wrong = opening({ connectionString: `mecha:hush@tcp(127.0.0.1:${port})/` });
    await expect(wrong).rejects.toMatchObject(
      failing(
        /^connectionString: the server at 127\.0\.0\.1:\d+ does not let user mecha in: .*; correct user and password/,
      ),
    );
    await expect(wrong).rejects.not.toThrow(/hush/);
    const { port: closed } = await startTcpProxy(1);
    await expect(at("tcp(127.0.0.1:1)")).rejects.toMatchObject(
      failing("connectionString: nothing listens at 127.0.0.1:1; start the server, or correct host and port"),
    );
    await expect(at(`tcp(127.0.0.1:${closed})`)).rejects.toMatchObject(failing("cannot use the server at"));
    await expect(at("tcp(nowhere.invalid:3306)")).rejects.toMatchObject(
      failing("connectionString: host nowhere.invalid is not known to the name service; correct host"),
    );
    await expect(at("unix(/nowhere/my.sock)")).rejects.toMatchObject(failing("nothing listens at /nowhere/my.sock"));
    await expect(opening({ connectionString: `mecha:secret@tcp(127.0.0.1:${port})/lost` })).rejects.toMatchObject(
      failing("connectionString: database lost does not exist"),
    );
    await expect(opening({ connectionString: `mecha:secret@tcp(127.0.0.1:${port})/?conect=1` })).rejects.toMatchObject(
      failing("connectionString: Unknown system variable 'conect'"),
    );
    await expect(at(`tcp(127.0.0.1:${port})`, { tableName: "" })).rejects.toMatchObject(
      failing('tableName: "" is no name for the server'),
    );
    await expect(at(`tcp(127.0.0.1:${port})`, { pemPath: "/nowhere.pem" })).rejects.toMatchObject(
      failing("pemPath: is neither PEM text nor a readable file (ENOENT)"),
    );
    await expect(opening({ connectionString: `mecha:secret@tcp(127.0.0.1:${port})/?tls=true` })).rejects.toMatchObject(
      failing("offers no TLS; write tls=false, or switch TLS on there"),
    );
  });

  test("a server that does not answer is given up after the time that the connection string says", async () => {
    const { port } = await startServer("mariadb");
    const proxy = await startTcpProxy(port);
    proxy.hold(true);
    const connectionString = `mecha:secret@tcp(127.0.0.1:${proxy.port})/?timeout=300ms`;
    await expect(opening({ connectionString })).rejects.toMatchObject(failing("does not answer within 300 ms"));
    const leaving = openDriver(
      stateDriver,
      { connectionString: `mecha:secret@tcp(127.0.0.1:${proxy.port})/?timeout=300ms` },
      openContext({ signal: AbortSignal.timeout(50) }),
    );
    await expect(leaving).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("TLS is as the connection string and pemPath say, and the certificate is checked where it should be", async () => {
    const { port } = await startServer("mariadb", { variant: "tls" });
    const cipher = async (parameters: string, more: Given = {}, host = "127.0.0.1") => {
      const url = `mecha:secret@tcp(${host}:${port})/${parameters}`;
      const opened = await openDriver(bindingDriver, { url, ...more });
      const metadata = { sql: "SHOW STATUS LIKE 'Ssl_cipher'" };
      const answer = await opened.invoke?.({ operation: "query", data: Buffer.alloc(0), metadata }, {});
      return JSON.parse(Buffer.from(answer?.data ?? []).toString())[0].Value;
    };
    const trusted = { pemPath: authority.certificate };
    expect(await cipher("?tls=custom", trusted)).toMatch(/./);
    expect(await cipher("", trusted)).toMatch(/./);
    expect(await cipher("?tls=true", trusted)).toMatch(/./);
    expect(await cipher("?tls=skip-verify")).toMatch(/./);
    expect(await cipher("?tls=preferred")).toMatch(/./);
    await expect(cipher("?tls=custom")).rejects.toMatchObject(failing("pemPath: tls=custom needs the authority"));
    await expect(cipher("?tls=true")).rejects.toMatchObject(failing(/^pemPath: the certificate of .* is not accepted/));
    await expect(cipher("", { pemPath: client.certificate })).rejects.toMatchObject(failing("is not accepted"));
    // Its certificate is for the address only.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(cipher("", trusted, "localhost")).rejects.toMatchObject(failing(/is not accepted: .*localhost/));
    }
    await expect(cipher("")).rejects.toMatchObject(failing(/does not let user mecha in/));
  });

  test("a preferred TLS goes without where the server offers none", async () => {
    const { port } = await startServer("mariadb");
    const store = await opening({ connectionString: `mecha:secret@tcp(127.0.0.1:${port})/?tls=preferred` });
    await store.set("k", Buffer.from("1"), {}, {});
  });
});

describe.skipIf(isMissing)("tables of state.mysql", () => {
  const own = async () => {
    const { port, settings } = await startServer("mariadb");
    const schema = schemaName();
    const sql = (...statements: readonly string[]) =>
      runSql(port, `CREATE DATABASE IF NOT EXISTS ${schema} CHARACTER SET utf8mb4`, `USE ${schema}`, ...statements);
    const log = new KeptLog();
    const open = (more: Given = {}) =>
      openDriver(stateDriver, { ...settings, schemaName: schema, ...more }, openContext({ log }));
    return { port, schema, sql, open, log };
  };

  test("rows that other implementations have written are read, and ours have their form", async () => {
    const { sql, open, log } = await own();
    // As the published layout has it, with the server's own collation.
    await sql(
      `CREATE TABLE state (id VARCHAR(255) NOT NULL PRIMARY KEY, value JSON NOT NULL, isbinary BOOLEAN NOT NULL,
        insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        eTag VARCHAR(36) NOT NULL, expiredate TIMESTAMP NULL, INDEX expiredate_idx(expiredate))`,
      `INSERT INTO state (id, value, isbinary, eTag) VALUES ('app||a', '{"n":1}', FALSE, 'e1'),
        ('app||b', '"AP8="', TRUE, 'e2'), ('app||c', '"text"', FALSE, 'e3')`,
      `INSERT INTO state (id, value, isbinary, eTag, expiredate) VALUES
        ('app||d', '1', FALSE, 'e4', CURRENT_TIMESTAMP - INTERVAL 1 SECOND),
        ('app||e', '1', FALSE, 'e5', CURRENT_TIMESTAMP + INTERVAL 1 HOUR)`,
    );
    const store = await open();
    const get = (key: string) => store.get(key, {}, {});
    expect(await get("app||a")).toEqual({ data: Buffer.from('{"n":1}'), etag: "e1" });
    expect(await get("app||b")).toEqual({ data: Buffer.from([0, 255]), etag: "e2" });
    expect(textOf(await get("app||c"))).toBe('"text"');
    expect(await get("app||d")).toBeUndefined();
    expect((await get("app||e"))?.expiresAt).toBeGreaterThan(Date.now() + 3_500_000);
    expect((await store.list({ prefix: "app||", limit: 10 }, {})).keys).toEqual(
      ["a", "b", "c", "e"].map((k) => `app||${k}`),
    );
    await store.set("app||a", Buffer.from('{"n":2}'), { etag: "e1" }, {});
    await store.set("app||f", Buffer.from([1]), { ttlSeconds: 60 }, {});
    const rows = await sql(
      "SELECT id, value, isbinary, LENGTH(eTag) AS len, expiredate IS NULL AS lasts FROM state WHERE id IN ('app||a', 'app||f')",
    );
    expect(rows).toEqual([
      { id: "app||a", value: '{"n":2}', isbinary: 0, len: 36, lasts: 1 },
      { id: "app||f", value: '"AQ=="', isbinary: 1, len: 36, lasts: 0 },
    ]);
    expect(log.lines.join("\n")).toMatch(
      /warn .*keys that utf8mb4_\w+ takes for equal are one key; tell them apart by ALTER TABLE/,
    );
  });

  test("a table whose keys are compared by letters still lists by bytes and reads several at once", async () => {
    const { sql, open } = await own();
    await sql(
      `CREATE TABLE state (id VARCHAR(255) NOT NULL PRIMARY KEY, value JSON NOT NULL, isbinary BOOLEAN NOT NULL,
        eTag VARCHAR(36) NOT NULL, expiredate TIMESTAMP NULL)`,
    );
    const store = await open();
    const keys = ["B", "a", "ä", "é"];
    for (const key of keys) await store.set(`x${key}`, Buffer.from("1"), {}, {});
    await store.delete("xä", {}, {});
    const first = await store.list({ prefix: "x", limit: 1 }, {});
    const second = await store.list({ prefix: "x", limit: 10, cursor: first.cursor }, {});
    expect([...first.keys, ...second.keys]).toEqual(["xB", "xé"]);
    expect((await store.getMany?.(["xb", "xB", "y"], {}, {}))?.map(textOf)).toEqual(["1", "1", undefined]);
  });

  test("a table from before times to live gets them", async () => {
    const { sql, open } = await own();
    await sql(
      "CREATE TABLE state (id VARCHAR(255) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY, value JSON NOT NULL, isbinary BOOLEAN NOT NULL, eTag VARCHAR(36) NOT NULL)",
      "INSERT INTO state VALUES ('k', '1', FALSE, 'e')",
    );
    const store = await open();
    expect(textOf(await store.get("k", {}, {}))).toBe("1");
    await store.set("k", Buffer.from("2"), { ttlSeconds: 60 }, {});
    expect((await store.get("k", {}, {}))?.expiresAt).toBeGreaterThan(Date.now());
  });

  test("a table with another layout is refused by its columns", async () => {
    const { sql, open } = await own();
    await sql("CREATE TABLE state (id INT PRIMARY KEY, value TEXT, expiredate INT)");
    await expect(open()).rejects.toMatchObject(
      failing(
        /has another layout: column id is int, not varchar, column value is text, not json, column isbinary is missing/,
      ),
    );
  });

  test("a user who may only use the tables can open them when they are there, else is told", async () => {
    const { port, schema, sql, open } = await own();
    const user = `u${schema.slice(2)}`.slice(0, 16);
    await sql(`CREATE USER ${user} IDENTIFIED BY 'pw'`);
    const limited = { connectionString: `${user}:pw@tcp(127.0.0.1:${port})/` };
    await sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.* TO ${user}`);
    await expect(open(limited)).rejects.toMatchObject(
      failing(/user \w+ may not do what the component needs .*CREATE command denied/),
    );
    await (await open()).close();
    const store = await open(limited);
    await store.set("k", Buffer.from("1"), {}, {});
    await sql(`REVOKE INSERT ON ${schema}.* FROM ${user}`);
    await expect(store.set("l", Buffer.from("1"), {}, {})).rejects.toThrow(/INSERT command denied/);
  });

  test("several sidecars make the tables at the same time, and one of them sweeps ended values", async () => {
    const { sql, open } = await own();
    const stores = await Promise.all([1, 2, 3, 4].map(() => open({ cleanupInterval: 200, tableName: "own" })));
    await stores[0]?.set("gone", Buffer.from("1"), { ttlSeconds: 1 }, {});
    await stores[1]?.set("stays", Buffer.from("1"), { ttlSeconds: 60 }, {});
    await stores[2]?.set("lasts", Buffer.from("1"), {}, {});
    const ids = async () => (await sql("SELECT id FROM own ORDER BY id")).map(({ id }) => id);
    await expect.poll(ids, { timeout: 5000 }).toEqual(["lasts", "stays"]);
    expect(await sql("SELECT id FROM dapr_metadata")).toEqual([{ id: "last-cleanup-own" }]);
  });
});
