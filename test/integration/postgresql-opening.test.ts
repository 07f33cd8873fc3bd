import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Opened } from "../../components/contract/driver.ts";
import bindingDriver from "../../components/postgresql/bindings.ts";
import configurationDriver from "../../components/postgresql/configuration.ts";
import lockDriver from "../../components/postgresql/lock.ts";
import pubsubDriver from "../../components/postgresql/pubsub.ts";
import stateDriver from "../../components/postgresql/state.ts";
import stateV2Driver from "../../components/postgresql/state.v2.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { runSql } from "./postgresql-sql.ts";

const isMissing = !(await requireService("postgres"));
const server = () => startServer("postgres");

/** A database of the test's own on the shared server. */
async function database() {
  const { port } = await server();
  const name = `db${Math.random().toString(36).slice(2)}`;
  await runSql(port, `CREATE DATABASE ${name}`);
  const sql = (text: string, values?: readonly unknown[]) => runSql(port, text, values, name);
  return { port, name, sql, connectionString: `postgres://postgres@127.0.0.1:${port}/${name}?sslmode=disable` };
}

const opening = (settings: Given) => openDriver(stateV2Driver, settings);
const failing = (why: string | RegExp) => ({
  reason: "openFailed",
  message: typeof why === "string" ? expect.stringContaining(why) : expect.stringMatching(why),
});

describe.skipIf(isMissing)("opening a component of PostgreSQL", () => {
  test("both forms of the connection string and the settings beside it open the same database", async () => {
    const { port, name } = await database();
    const forms: Given[] = [
      { connectionString: `postgres://postgres@localhost:${port}/${name}` },
      { connectionString: `host=localhost port=${port} user=postgres dbname=${name} sslmode=prefer` },
      {
        connectionString: "",
        host: "nowhere.invalid",
        hostaddr: "127.0.0.1",
        port: String(port),
        user: "postgres",
        database: name,
      },
    ];
    for (const form of forms) {
      const store = await opening(form);
      await store.set("k", Buffer.from("1"), {}, {});
      await store.close();
    }
  });

  test("components with the same settings share their connections, others do not", async () => {
    const { sql, connectionString } = await database();
    const stores = await Promise.all([1, 2, 3].map(() => opening({ connectionString, maxConns: 1 })));
    const count = async () =>
      Number(
        (
          await sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mecha' AND datname = current_database()",
          )
        )[0]?.["count"],
      );
    expect(await count()).toBe(1);
    await opening({ connectionString, maxConns: 2 });
    expect(await count()).toBe(2);
    for (const store of stores) await store.close();
    expect(await count()).toBe(1);
  });

  test("a role that is not there and a database that is not there are named", async () => {
    const { port } = await server();
    const at = (user: string, db: string) => ({ connectionString: `postgres://${user}@127.0.0.1:${port}/${db}` });
    await expect(opening(at("nobody", "postgres"))).rejects.toMatchObject(failing("does not let user nobody in"));
    await expect(opening(at("postgres", "lost"))).rejects.toMatchObject(
      failing("database lost does not exist at 127.0.0.1:"),
    );
  });

  test("a wrong password and a missing one are told apart, and none is quoted", async () => {
    const own = await startServer("postgres", { own: true });
    await runSql(own.port, "CREATE ROLE ann LOGIN PASSWORD 'right'");
    const [{ hba_file }] = (await runSql(own.port, "SHOW hba_file")) as [{ hba_file: string }];
    await runSql(own.port, `COPY (SELECT 'host all ann 127.0.0.1/32 scram-sha-256') TO '${hba_file}'`);
    const admin = "SELECT pg_reload_conf()";
    // The reload itself still comes in by the old rules.
    await runSql(own.port, admin).catch(() => {});
    const address = `127.0.0.1:${own.port}/postgres`;
    const wrong = opening({ connectionString: `postgres://ann:hunter2@${address}` });
    await expect(wrong).rejects.toMatchObject(failing(/refuses the password of user ann; correct user or password$/));
    await expect(opening({ connectionString: `postgres://ann@${address}` })).rejects.toMatchObject(
      failing("asks for a password; give password of user ann"),
    );
  });

  test("a port where nobody listens, a host that is not known and a server without TLS are named", async () => {
    const { port } = await server();
    const free = await new Promise<number>((resolve) => {
      const taken = createServer().listen(0, "127.0.0.1", () => {
        const address = taken.address();
        taken.close(() => resolve(typeof address === "object" && address ? address.port : 0));
      });
    });
    await expect(opening({ connectionString: `postgres://a@127.0.0.1:${free}/a` })).rejects.toMatchObject(
      failing(`nothing listens at 127.0.0.1:${free}; start the server, or correct host and port`),
    );
    await expect(opening({ connectionString: "postgres://a@no-such-host.invalid/a" })).rejects.toMatchObject(
      failing("host no-such-host.invalid is not known"),
    );
    await expect(
      opening({ connectionString: `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=require` }),
    ).rejects.toMatchObject(failing("offers no TLS; write sslmode=disable"));
  });

  test("a server that takes connections and says nothing is given up in time", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void silent.close());
    const address = silent.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await expect(
      opening({ connectionString: `postgres://a@127.0.0.1:${port}/a?sslmode=disable`, timeout: 300 }),
    ).rejects.toMatchObject(failing(`127.0.0.1:${port} does not answer within 300 ms`));
  });

  test("a user who may not make tables is told so, and can use tables that are there", async () => {
    const { port, name, sql, connectionString } = await database();
    await sql("CREATE ROLE reader LOGIN").catch(() => {});
    const asReader = `postgres://reader@127.0.0.1:${port}/${name}?sslmode=disable`;
    await expect(opening({ connectionString: asReader })).rejects.toMatchObject(
      failing(/user reader may not do what the component needs: permission denied/),
    );
    await (await opening({ connectionString })).close();
    await sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO reader");
    const store = await opening({ connectionString: asReader });
    await store.set("k", Buffer.from("1"), {}, {});
  });

  test.each<[string, Given, string, RegExp]>([
    [
      "v1",
      { tableName: "other" },
      "CREATE TABLE other (key text PRIMARY KEY, value text, isbinary boolean)",
      /column value is text, not jsonb/,
    ],
    [
      "v2",
      { tablePrefix: "other_" },
      "CREATE TABLE other_state (id int)",
      /column key is missing, column value is missing/,
    ],
  ])("a table of another layout is named with what is wrong (%s)", async (version, settings, table, why) => {
    const { sql, connectionString } = await database();
    await sql(table);
    const opened =
      version === "v1"
        ? openDriver(stateDriver, { ...settings, connectionString })
        : openDriver(stateV2Driver, { ...settings, connectionString });
    await expect(opened).rejects.toMatchObject(failing(why));
  });

  test("a configuration table that is missing is named with how to make it", async () => {
    const { connectionString } = await database();
    await expect(openDriver(configurationDriver, { connectionString, table: "items" })).rejects.toMatchObject(
      failing(/^table: relation "items" does not exist; make it: CREATE TABLE items \(key VARCHAR NOT NULL/),
    );
    await expect(
      openDriver(configurationDriver, { connectionString, table: "items", notifyChannel: "Not good" }),
    ).rejects.toMatchObject(failing('notifyChannel: "Not good" must be lower-case letters, digits and _'));
  });

  test("parameters that mean nothing here are named in the log", async () => {
    const { connectionString } = await database();
    const log = new KeptLog();
    const more = "&target_session_attrs=any&default_query_exec_mode=simple_protocol";
    await openDriver(bindingDriver, { connectionString: connectionString + more }, openContext({ log }));
    expect(log.lines.join("\n")).toMatch(/target_session_attrs is ignored.*\n.*simple_protocol/s);
  });

  test("the tables of every component can be in a schema of their own", async () => {
    const { sql, connectionString } = await database();
    await sql("CREATE SCHEMA app");
    const open = [
      openDriver(stateDriver, { connectionString, tableName: "app.state", metadataTableName: "app.metadata" }),
      openDriver(stateV2Driver, { connectionString, tablePrefix: "app.v2_", metadataTableName: "app.metadata" }),
      openDriver(lockDriver, { connectionString, tableName: "app.locks", metadataTableName: "app.metadata" }),
      openDriver(pubsubDriver, { connectionString, tablePrefix: "app.", metadataTableName: "app.metadata" }),
    ];
    await Promise.all<Opened>(open);
    const tables = await sql(
      "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('app', 'public') ORDER BY 2",
    );
    expect(tables.map(({ schemaname, tablename }) => `${schemaname}.${tablename}`)).toEqual(
      ["deliveries", "groups", "locks", "messages", "metadata", "owners", "state", "v2_state"].map(
        (one) => `app.${one}`,
      ),
    );
  });
});

describe.skipIf(isMissing)("the layout of PostgreSQL", () => {
  test("an older table gets what it lacks and keeps what it holds", async () => {
    const { sql, connectionString } = await database();
    await sql(`CREATE TABLE state (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT NULL,
      insertdate TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(), updatedate TIMESTAMP WITH TIME ZONE NULL)`);
    await sql("CREATE TABLE dapr_metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL)");
    await sql("INSERT INTO dapr_metadata VALUES ('migrations', '1')");
    await sql(`INSERT INTO state (key, value, isbinary) VALUES ('a', '{"n": 1}', false), ('b', '"AAEC"', true)`);
    const store = await openDriver(stateDriver, { connectionString });
    const read = async (key: string) => (await store.get(key, {}, {}))?.data;
    expect(Buffer.from((await read("a")) ?? []).toString()).toBe('{"n": 1}');
    expect(await read("b")).toEqual(Buffer.from([0, 1, 2]));
    await store.set("a", Buffer.from("2"), { ttlSeconds: 100 }, {});
    expect((await store.get("a", {}, {}))?.expiresAt).toBeGreaterThan(Date.now() + 90_000);
    // Its key has the order of the database; listing needs that of bytes.
    await store.set("B", Buffer.from("3"), {}, {});
    expect((await store.list({ prefix: "", limit: 10 }, {})).keys).toEqual(["B", "a", "b"]);
    expect(await sql("SELECT value FROM dapr_metadata WHERE key = 'migrations'")).toEqual([{ value: "2" }]);
    expect(await sql("SELECT indexname FROM pg_indexes WHERE indexname = 'state_key_bytes'")).toHaveLength(1);
  });

  test("a table that others have taken further is used as it is", async () => {
    const { sql, connectionString } = await database();
    await (await openDriver(stateDriver, { connectionString })).close();
    await sql("ALTER TABLE state ADD COLUMN row_id bigint GENERATED ALWAYS AS IDENTITY");
    await sql("UPDATE dapr_metadata SET value = '7' WHERE key = 'migrations'");
    const store = await openDriver(stateDriver, { connectionString });
    await store.set("k", Buffer.from("1"), {}, {});
    expect(await sql("SELECT value FROM dapr_metadata WHERE key = 'migrations'")).toEqual([{ value: "7" }]);
  });

  test("values are kept as the published layouts say", async () => {
    const { sql, connectionString } = await database();
    const v1 = await openDriver(stateDriver, { connectionString });
    await v1.set("json", Buffer.from('{"a":[1,2]}'), {}, {});
    await v1.set("bytes", Buffer.from([1, 2, 255]), { ttlSeconds: 60 }, {});
    expect(
      await sql(
        "SELECT key, value::text, isbinary, expiredate > now() AS ends, insertdate <= now() AS made FROM state ORDER BY key",
      ),
    ).toEqual([
      { key: "bytes", value: '"AQL/"', isbinary: true, ends: true, made: true },
      { key: "json", value: '{"a": [1, 2]}', isbinary: false, ends: null, made: true },
    ]);
    const [{ xmin }] = (await sql("SELECT xmin FROM state WHERE key = 'json'")) as [{ xmin: number }];
    expect((await v1.get("json", {}, {}))?.etag).toBe(String(xmin));
    await expect(v1.set("json", Buffer.from("1"), { etag: "x" }, {})).rejects.toMatchObject({ reason: "etagInvalid" });

    const v2 = await openDriver(stateV2Driver, { connectionString, tablePrefix: "v2_" });
    await v2.set("k", Buffer.from([1, 2, 255]), {}, {});
    const [row] = await sql("SELECT value, etag FROM v2_state");
    expect(row).toEqual({ value: Buffer.from([1, 2, 255]), etag: (await v2.get("k", {}, {}))?.etag });
    await expect(v2.set("k", Buffer.from("1"), { etag: "x" }, {})).rejects.toMatchObject({ reason: "etagMismatch" });
  });

  test("many that open a new database at once make its tables once", async () => {
    const { connectionString } = await database();
    const open = Array.from({ length: 8 }, (_, n) => [
      openDriver(stateDriver, { connectionString, maxConns: n + 1 }),
      openDriver(stateV2Driver, { connectionString, maxConns: n + 1, tablePrefix: "v2_" }),
      openDriver(pubsubDriver, { connectionString, maxConns: n + 1 }),
      openDriver(lockDriver, { connectionString, maxConns: n + 1 }),
    ]);
    await Promise.all<Opened>(open.flat());
  });

  test("ended values are deleted by one of those that share the table, once per interval", async () => {
    const { sql, connectionString } = await database();
    const stores = await Promise.all(
      [1, 2].map((maxConns) => openDriver(stateDriver, { connectionString, maxConns, cleanupInterval: 100 })),
    );
    await stores[0]?.set("k", Buffer.from("1"), { ttlSeconds: 1 }, {});
    await stores[0]?.set("stays", Buffer.from("1"), {}, {});
    await expect.poll(() => sql("SELECT key FROM state"), { timeout: 10_000 }).toEqual([{ key: "stays" }]);
    expect(await sql("SELECT key FROM dapr_metadata WHERE key = 'last-cleanup'")).toHaveLength(1);
  });
});
