import { describe, expect, test } from "vitest";
import type { IncomingMessage, Settle } from "../../components/contract/pubsub.ts";
import pubsubDriver from "../../components/postgresql/pubsub.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { runSql, until } from "./postgresql-sql.ts";

const isMissing = !(await requireService("postgres"));

/** Sidecars that share a database: each has connections of its own. */
async function sidecars(count: number, more = {}) {
  const { port, settings } = await startServer("postgres");
  const prefix = `m${Math.random().toString(36).slice(2)}_`;
  const open = (own: object) =>
    openDriver(pubsubDriver, { ...settings, tablePrefix: prefix, redeliverInterval: 100, ...more, ...own });
  const opened = await Promise.all(Array.from({ length: count }, (_, n) => open({ maxConns: n + 3 })));
  const rows = async (table: string) =>
    Number((await runSql(port, `SELECT count(*) FROM ${prefix}${table}`))[0]?.["count"]);
  return { opened, open, rows };
}

type Sidecar = Awaited<ReturnType<typeof sidecars>>["opened"][number];

const textOf = ({ data }: { readonly data: Uint8Array }) => Buffer.from(data).toString();
const publish = (to: Sidecar | undefined, text: string, key?: string) =>
  to?.publish({ topic: "t", data: Buffer.from(text), metadata: key === undefined ? {} : { partitionKey: key } }, {});
const subscribe = (to: Sidecar | undefined, handler: (message: IncomingMessage) => Promise<Settle>, concurrency = 10) =>
  to?.subscribe({ topic: "t", group: "g", metadata: {}, concurrency }, handler, {});

describe.skipIf(isMissing)("pubsub.postgresql among sidecars", () => {
  test("a message of another sidecar arrives by notification, long before anybody looks", async () => {
    const { opened } = await sidecars(2, { pollInterval: 3_600_000 });
    const got: string[] = [];
    await subscribe(opened[0], async (message) => {
      got.push(textOf(message));
      return "ack";
    });
    await publish(opened[1], "1");
    await until(() => got.length === 1, 5000);
  });

  test("messages of one key are handled one after the other and in their order, whoever handles them", async () => {
    const { opened } = await sidecars(3);
    const [keys, each] = [7, 60];
    const active = new Map<string, number>();
    const got: { key: string; n: number; by: number }[] = [];
    let most = 0;
    for (const [by, sidecar] of opened.entries()) {
      await subscribe(sidecar, async (message) => {
        const [key = "", n] = textOf(message).split(":");
        const now = (active.get(key) ?? 0) + 1;
        active.set(key, now);
        most = Math.max(most, now);
        got.push({ key, n: Number(n), by });
        await new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 3));
        active.set(key, (active.get(key) ?? 0) - 1);
        return "ack";
      });
    }
    for (let n = 0; n < each; n += 1) {
      await Promise.all(Array.from({ length: keys }, (_, key) => publish(opened[n % 3], `${key}:${n}`, `k${key}`)));
    }
    await until(() => got.length === keys * each);
    expect(most).toBe(1);
    for (let key = 0; key < keys; key += 1) {
      const numbers = got.filter((one) => one.key === String(key)).map(({ n }) => n);
      expect(numbers).toEqual(Array.from({ length: each }, (_, n) => n));
    }
  });

  test("a message that is to come again holds up those of its key, and no others", async () => {
    const { opened } = await sidecars(2);
    const got: string[] = [];
    for (const sidecar of opened) {
      await subscribe(sidecar, async (message) => {
        got.push(textOf(message));
        return textOf(message) === "a1" && message.attempt < 3 ? "retry" : "ack";
      });
    }
    for (const text of ["a1", "a2", "b1", "a3", "-", "b2"]) {
      await publish(opened[0], text, text === "-" ? undefined : text.slice(0, 1));
    }
    await until(() => got.length === 8);
    const of = (start: string) => got.filter((text) => text.startsWith(start));
    expect(of("a")).toEqual(["a1", "a1", "a1", "a2", "a3"]);
    expect(of("b")).toEqual(["b1", "b2"]);
    expect(got.indexOf("b2")).toBeLessThan(got.lastIndexOf("a1"));
    expect(got.indexOf("-")).toBeLessThan(got.lastIndexOf("a1"));
  });

  test("messages that wait for their key go to another member when the one that held it leaves", async () => {
    const { opened } = await sidecars(2);
    const [first, second]: string[][] = [[], []];
    let finish = () => {};
    const one = await subscribe(opened[0], (message) => {
      first?.push(textOf(message));
      return new Promise((resolve) => (finish = () => resolve("ack")));
    });
    for (const n of [1, 2, 3, 4]) await publish(opened[0], String(n), "k");
    await until(() => first?.length === 1);
    await subscribe(opened[1], async (message) => {
      second?.push(textOf(message));
      return "ack";
    });
    const closing = one?.close();
    finish();
    await closing;
    await until(() => second?.length === 3, 5000);
    expect([first, second]).toEqual([["1"], ["2", "3", "4"]]);
  });

  test("what a member held that has gone without a word comes to others when its lease ends, in order", async () => {
    const { port } = await startServer("postgres");
    const proxy = await startTcpProxy(port);
    const { opened, open } = await sidecars(1, { processingTimeout: 1000 });
    const gone = await open({
      connectionString: `postgres://postgres@127.0.0.1:${proxy.port}/postgres?sslmode=disable`,
    });
    const seen: string[] = [];
    let finish = () => {};
    const finished = new Promise<Settle>((resolve) => (finish = () => resolve("ack")));
    await subscribe(gone, (message) => {
      seen.push(textOf(message));
      return finished;
    });
    for (const text of ["k1", "k2", "l1", "l2"]) await publish(gone, text, text.slice(0, 1));
    await until(() => seen.length === 2);
    proxy.refuse(true);
    const got: [string, number][] = [];
    await subscribe(opened[0], async (message) => {
      got.push([textOf(message), message.attempt]);
      return "ack";
    });
    await until(() => got.length === 4, 10_000);
    finish();
    const of = (key: string) => got.filter(([text]) => text.startsWith(key));
    expect(of("k")).toEqual([
      ["k1", 2],
      ["k2", expect.any(Number)],
    ]);
    expect(of("l").map(([text]) => text)).toEqual(["l1", "l2"]);
    expect(seen).toEqual(["k1", "l1"]);
  });

  test("settled messages are deleted, and those of a topic without groups are kept", async () => {
    const { opened, rows } = await sidecars(1);
    await opened[0]?.publish({ topic: "nobody", data: Buffer.from("1"), metadata: {} }, {});
    let count = 0;
    await subscribe(opened[0], async () => {
      count += 1;
      return "ack";
    });
    await Promise.all(Array.from({ length: 500 }, (_, n) => publish(opened[0], String(n))));
    await until(() => count === 500);
    await until(async () => (await rows("messages")) === 1, 10_000);
    expect(await rows("deliveries")).toBe(0);
  });

  test("a message is dropped after as many further attempts as maxRetries says", async () => {
    const { opened, rows } = await sidecars(1, { maxRetries: 2, redeliverInterval: 10 });
    const attempts: number[] = [];
    await subscribe(opened[0], async ({ attempt }) => {
      attempts.push(attempt);
      return "retry";
    });
    await publish(opened[0], "1");
    await until(async () => attempts.length === 3 && (await rows("deliveries")) === 0);
    expect(attempts).toEqual([1, 2, 3]);
  });

  test("of many publications at once those that are wrong are refused, and no others", async () => {
    const { opened } = await sidecars(1);
    const failed = await opened[0]?.publishMany?.(
      ["1", "2", "3"].map((text, n) => ({
        topic: "t",
        data: Buffer.from(text),
        metadata: n === 1 ? { partitionKey: "a\0" } : {},
      })),
      {},
    );
    expect(failed).toMatchObject([{ index: 1, cause: { reason: "malformedRequest" } }]);
  });

  test("a caller that has left before its message is on its way publishes nothing", async () => {
    const { opened, rows } = await sidecars(1);
    const call = { signal: AbortSignal.abort(new Error("left")) };
    await expect(opened[0]?.publish({ topic: "t", data: Buffer.from("1"), metadata: {} }, call)).rejects.toThrow(
      "left",
    );
    expect(await rows("messages")).toBe(0);
  });
});
