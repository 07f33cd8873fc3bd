import { describe, expect, onTestFinished, test } from "vitest";
import pubsubDriver from "../../components/postgresql/pubsub.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { runSql, until } from "./postgresql-sql.ts";

const isMissing = !(await requireService("postgres"));

describe.skipIf(isMissing)("order over PostgreSQL", () => {
  test.each(["key", "topic"] as const)(
    "in the order of the %s a crash of the server gives to no other member what one holds",
    {
      timeout: 60_000,
    },
    async (order) => {
      const server = await startServer("postgres", { own: true });
      const count = async (from: string) => (await runSql(server.port, `SELECT count(*) FROM ${from}`))[0]?.["count"];
      // Only what somebody waits for comes to the disk.
      await runSql(server.port, "ALTER SYSTEM SET wal_writer_delay = 10000");
      await runSql(server.port, "ALTER SYSTEM SET wal_writer_flush_after = '1GB'");
      await runSql(server.port, "SELECT pg_reload_conf()");
      const proxy = await startTcpProxy(server.port);
      const open = (name: string, port: number) => {
        const to = `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=disable&application_name=${name}`;
        return openDriver(pubsubDriver, { connectionString: to, pollInterval: 200 });
      };
      const [one, two] = [await open("one", proxy.port), await open("two", server.port)];
      const send = (...texts: string[]) =>
        two.publishMany?.(
          texts.map((text) => ({ topic: "t", data: Buffer.from(text), metadata: { partitionKey: "k" } })),
          {},
        );
      const arrivals: string[] = [];
      let release = () => {};
      const held = new Promise<void>((resolve) => (release = resolve));
      onTestFinished(() => release());
      const member = (name: string) => async (message: { readonly data: Uint8Array }) => {
        const text = Buffer.from(message.data).toString();
        arrivals.push(`${name} ${text}`);
        if (text === "1") await held;
        return "ack" as const;
      };
      const options = { topic: "t", group: "g", metadata: {}, concurrency: 8, order };
      await one.subscribe(options, member("one"), {});
      // Its lease is on the disk, and nothing else is left to be written.
      await send("0");
      await until(async () => (await count("mecha_messages")) === "0");
      await send("1", "2", "3");
      await until(() => arrivals.includes("one 1"));
      await server.kill9();
      proxy.refuse(true);
      await server.restart();
      expect(await count("mecha_deliveries WHERE owner IS NOT NULL")).toBe("3");

      await two.subscribe(options, member("two"), {});
      proxy.refuse(false);
      release();
      await until(() => arrivals.length >= 4);
      await until(async () => (await count("mecha_deliveries")) === "0");
      expect(arrivals).toEqual(["one 0", "one 1", "one 2", "one 3"]);
    },
  );
});
