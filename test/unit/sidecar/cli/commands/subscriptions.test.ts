import { beforeEach, expect, test } from "vitest";
import { runInside } from "../../../../support/cli-context.ts";
import { type Reply, startHttpServer } from "../../../../support/http-server.ts";

let lines: string[];
let bodies: string[];
let port: string;
let replies: Record<string, Reply>;

beforeEach(async () => {
  [lines, bodies, replies] = [[], [], {}];
  const url = await startHttpServer((request, body) => {
    const line = `${request.method} ${request.url}`;
    lines.push(line);
    bodies.push(body);
    return replies[line] ?? { status: 204 };
  });
  port = new URL(url).port;
});

const run = (...args: string[]) => runInside(["subscriptions", ...args, "--port", port], { cwd: "/", env: {} });
const root = "/v1.0-alpha1/subscriptions";
const parked = { id: "1-1", attempts: 3, error: "no", parkedAt: "2026-01-01T00:00:00.000Z", data: "YWJj" };

test("list shows every subscription and how it is", async () => {
  const subscriptions = [
    { pubsubName: "pubsub", topic: "orders", origin: "DECLARATIVE", state: "failed", why: "no route" },
  ];
  replies[`GET ${root}`] = { body: JSON.stringify({ subscriptions }) };
  const { stdout } = await run("list");
  expect(stdout).toMatch(/PUBSUB +TOPIC +STATE +ORIGIN +WHY\npubsub +orders +failed +declarative +no route\n/);
  expect(JSON.parse((await run("list", "--json")).stdout)).toEqual(subscriptions);
  replies[`GET ${root}`] = { body: "{}" };
  expect((await run("list")).stdout).toBe("the app has no subscription\n");
});

test("pause and resume name one subscription, whatever its topic holds", async () => {
  expect(await run("pause", "pubsub", "or/ders")).toMatchObject({ code: 0, stdout: "paused or/ders of pubsub\n" });
  expect(await run("resume", "pubsub", "orders")).toMatchObject({ code: 0, stdout: "resumed orders of pubsub\n" });
  expect(lines).toEqual([`POST ${root}/pubsub/or%2Fders/pause`, `POST ${root}/pubsub/orders/resume`]);
});

test("parked lists all pages", async () => {
  replies[`GET ${root}/pubsub/orders/parked?limit=1000`] = {
    body: JSON.stringify({ messages: [parked], cursor: "c" }),
  };
  replies[`GET ${root}/pubsub/orders/parked?limit=1000&cursor=c`] = {
    body: JSON.stringify({ messages: [{ ...parked, id: "1-2" }] }),
  };
  const { stdout } = await run("parked", "pubsub", "orders");
  expect(stdout).toMatch(/1-1 +2026-01-01T00:00:00.000Z +3 +3 +no\n1-2/);
  expect((await run("parked", "pubsub", "other")).stdout).toBe("no message of other is parked\n");
});

test("redrive tells what became of the messages, and ends with code 1 when some are left", async () => {
  replies[`POST ${root}/pubsub/orders/redrive`] = { body: JSON.stringify({ delivered: 2, failed: 1 }) };
  expect(await run("redrive", "pubsub", "orders", "a", "b")).toEqual({
    code: 1,
    stdout: "delivered 2, 1 failed again\n",
    stderr: "",
  });
  expect(JSON.parse(bodies[0] ?? "")).toEqual({ ids: ["a", "b"], from: "" });
  replies[`POST ${root}/pubsub/orders/redrive`] = { body: "{}" };
  expect(await run("redrive", "pubsub", "orders")).toMatchObject({ code: 0, stdout: "delivered 0\n" });
});

test("drop forgets all only when told so", async () => {
  expect(await run("drop", "pubsub", "orders")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("name the messages, or use --all"),
  });
  replies[`POST ${root}/pubsub/orders/parked/drop`] = { body: JSON.stringify({ dropped: 4 }) };
  expect(await run("drop", "pubsub", "orders", "--all")).toMatchObject({ code: 0, stdout: "dropped 4\n" });
  expect(lines).toEqual([`POST ${root}/pubsub/orders/parked/drop`]);
});
