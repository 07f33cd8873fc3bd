import { beforeEach, expect, test } from "vitest";
import { type RunRecord, writeRecord } from "../../../../../sidecar/cli/run-records.ts";
import { runInside } from "../../../../support/cli-context.ts";
import { type Reply, startHttpServer } from "../../../../support/http-server.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

interface Seen {
  readonly line: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

let home: string;
let seen: Seen[];

beforeEach(() => {
  home = tempFolder();
  seen = [];
});

/** Something that answers as the sidecar of an app would, and is registered as one. */
async function fakeSidecar(
  appId: string,
  components: Record<string, string>,
  replies: Record<string, Reply> = {},
): Promise<number> {
  const url = await startHttpServer((request, body) => {
    const line = `${request.method} ${request.url}`;
    if (line === "GET /v1.0/metadata") {
      const list = Object.entries(components).map(([name, type]) => ({ name, type, version: "v1" }));
      return { body: JSON.stringify({ id: appId, components: list }) };
    }
    seen.push({ line, headers: request.headers, body });
    return replies[line] ?? { status: 204 };
  });
  const httpPort = Number(new URL(url).port);
  const self = { pid: process.pid };
  const record: RunRecord = {
    appId,
    httpPort,
    command: [],
    cwd: "/",
    created: new Date().toISOString(),
    logFile: "",
    cli: self,
    sidecar: self,
  };
  await writeRecord(record, { MECHA_HOME: home });
  return httpPort;
}

const call = (args: readonly string[], about: { stdin?: string; env?: Record<string, string>; cwd?: string } = {}) =>
  runInside(args, { cwd: "/", ...about, env: { MECHA_HOME: home, ...about.env } });

test("invoke calls the app through its own sidecar, with GET, or with POST when there is data", async () => {
  await fakeSidecar("orders", {}, { "GET /v1.0/invoke/orders/method/items/1?full=true": { body: '{"id":1}' } });
  expect(await call(["invoke", "orders", "/items/1?full=true"])).toEqual({ code: 0, stdout: '{"id":1}\n', stderr: "" });
  await call(["invoke", "orders", "new", "-d", '{"id":2}', "-H", "x-trace=7"], { env: { DAPR_API_TOKEN: "t" } });
  await call(["invoke", "orders", "new", "-v", "put", "-d", "-"], { stdin: "plain" });
  expect(seen.slice(1)).toMatchObject([
    {
      line: "POST /v1.0/invoke/orders/method/new",
      body: '{"id":2}',
      headers: { "content-type": "application/json", "x-trace": "7", "dapr-api-token": "t" },
    },
    { line: "PUT /v1.0/invoke/orders/method/new", body: "plain", headers: { "content-type": "text/plain" } },
  ]);
});

test("invoke of an app that runs elsewhere goes through any sidecar; an answer that is no success is an error", async () => {
  const body = JSON.stringify({ errorCode: "ERR_DIRECT_INVOKE", message: "failed to invoke, id: other" });
  await fakeSidecar("orders", {}, { "GET /v1.0/invoke/other/method/x": { status: 500, body } });
  expect(await call(["invoke", "other", "x"])).toEqual({
    code: 1,
    stdout: "",
    stderr: "mecha: failed to invoke, id: other (500 ERR_DIRECT_INVOKE)\n",
  });
  const json = await call(["invoke", "other", "x", "--json"]);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({ status: 500, body: { errorCode: "ERR_DIRECT_INVOKE" } });
});

test("publish goes through a sidecar that has the component", async () => {
  await fakeSidecar("a", { other: "pubsub.in-memory", pubsub: "state.in-memory" });
  await fakeSidecar("b", { pubsub: "pubsub.in-memory" });
  const { code, stdout } = await call([
    "publish",
    "pubsub",
    "or/ders",
    "-d",
    "hi",
    "-m",
    "rawPayload=true",
    "-m",
    "a=b c",
  ]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "published 2 bytes to or/ders of pubsub through b\n" });
  expect(seen).toMatchObject([
    {
      line: "POST /v1.0/publish/pubsub/or%2Fders?metadata.rawPayload=true&metadata.a=b+c",
      body: "hi",
      headers: { "content-type": "text/plain" },
    },
  ]);
});

test("state is asked of the one app that has the store; of several, one must be named", async () => {
  const replies = {
    "GET /v1.0/state/store/a%2Fb": { body: '"x"', headers: { etag: "7" } },
    "GET /v1.0/state/store?prefix=p&limit=1000": { body: '{"keys":["p1"],"cursor":"next"}' },
    "GET /v1.0/state/store?prefix=p&limit=1000&cursor=next": { body: '{"keys":["p2"]}' },
  };
  await fakeSidecar("a", { store: "state.in-memory" }, replies);
  expect(await call(["state", "get", "store", "a/b"])).toMatchObject({ code: 0, stdout: '"x"\n' });
  expect(JSON.parse((await call(["state", "get", "store", "a/b", "--json"])).stdout)).toEqual({
    key: "a/b",
    value: "x",
    etag: "7",
  });
  expect((await call(["state", "list", "store", "--prefix", "p"])).stdout).toBe("p1\np2\n");
  expect(JSON.parse((await call(["state", "list", "store", "--prefix", "p", "--json"])).stdout)).toEqual({
    keys: ["p1", "p2"],
  });
  expect((await call(["state", "get", "store", "gone"])).stderr).toBe(
    "mecha: store holds no gone; `mecha state list store` lists the keys\n",
  );
  await fakeSidecar("b", { store: "state.in-memory" });
  expect((await call(["state", "get", "store", "x"])).stderr).toBe(
    "mecha: several running apps have the state store store; choose one with --app-id: a, b\n",
  );
  expect(await call(["state", "delete", "store", "x", "-a", "b", "--etag", "3"])).toMatchObject({ code: 0 });
  expect(seen.at(-1)).toMatchObject({ line: "DELETE /v1.0/state/store/x", headers: { "if-match": "3" } });
});

test("state set keeps JSON as it was written, and anything else as a text", async () => {
  await fakeSidecar("a", { store: "state.in-memory" });
  await call(["state", "set", "store", 'k"', '{"n":12345678901234567890}', "--ttl", "60"]);
  await call(["state", "set", "store", "k", "hello", "--etag", "1"]);
  expect(seen.map(({ body }) => body)).toEqual([
    '[{"key":"k\\"","value":{"n":12345678901234567890},"metadata":{"ttlInSeconds":"60"}}]',
    '[{"key":"k","value":"hello","etag":"1"}]',
  ]);
});

test("the sidecar's own words are the error", async () => {
  const body = JSON.stringify({ errorCode: "ERR_STATE_SAVE", message: "failed saving state" });
  await fakeSidecar("a", { store: "state.in-memory" }, { "POST /v1.0/state/store": { status: 409, body } });
  expect(await call(["state", "set", "store", "k", "v"])).toMatchObject({
    code: 1,
    stderr: "mecha: failed saving state (409 ERR_STATE_SAVE)\n",
  });
});

test("a component that nobody has is answered with those there are", async () => {
  await fakeSidecar("a", { orders: "pubsub.in-memory", carts: "pubsub.in-memory" });
  expect((await call(["publish", "order", "t", "-d", "x"])).stderr).toBe(
    'mecha: no running sidecar has a pub/sub called order; did you mean "orders"?\n',
  );
  expect((await call(["publish", "zzz", "t", "-d", "x"])).stderr).toBe(
    "mecha: no running sidecar has a pub/sub called zzz; known: orders, carts\n",
  );
  expect((await call(["state", "get", "s", "k"])).stderr).toBe(
    "mecha: no running sidecar has a state store called s; none of a has one\n",
  );
});

test("a sidecar that this command did not start is reached by its port, given or in the environment", async () => {
  const port = await fakeSidecar("a", {});
  home = tempFolder();
  expect((await call(["publish", "p", "t", "-d", "x"])).stderr).toBe(
    "mecha: no sidecar is running; start one with `mecha run`, or name its port with --port\n",
  );
  expect((await call(["publish", "p", "t", "-d", "x", "--port", String(port)])).stdout).toBe(
    "published 1 bytes to t of p\n",
  );
  expect((await call(["publish", "p", "t", "-d", "x"], { env: { DAPR_HTTP_PORT: String(port) } })).code).toBe(0);
  expect((await call(["publish", "p", "t", "-d", "x", "--port", "1"])).stderr).toMatch(
    /^mecha: the sidecar at port 1 does not answer: .*; see `mecha list`\n$/,
  );
});

test.each([
  [["publish", "p", "t"], "mecha: there is nothing to publish; give the event with --data\n"],
  [
    ["publish", "p", "t", "-d", "x", "-m", "novalue"],
    'mecha: --metadata "novalue" has no value; write --metadata novalue=value\n',
  ],
  [["state", "set", "s", "k", "v", "--ttl", "soon"], 'mecha: --ttl must be a whole number of 1 or more, got "soon"\n'],
  [["stop"], "mecha: nothing to stop is named; name an app id, or a run file with -f; see `mecha list`\n"],
  [
    ["run", "-f", ".", "--app-id", "x"],
    "mecha: run -f takes everything from the file, not --app-id; write it into .\n",
  ],
  [
    ["run", "-f", ".", "--", "node"],
    'mecha: run -f takes everything from the file, not the command "node"; write it into .\n',
  ],
])("%j is a wrong command line and ends with code 2", async (args, stderr) => {
  expect(await call(args)).toEqual({ code: 2, stdout: "", stderr });
});

test("list says that nothing runs, and shows what does as a table, as ids or as JSON", async () => {
  expect((await call(["list"])).stdout).toBe("nothing is running; start something with `mecha run`\n");
  const port = await fakeSidecar("orders", {});
  expect((await call(["list"])).stdout).toMatch(
    new RegExp(`^APP ID +STATUS +HTTP +AGE +CLI PID +SIDECAR\norders +running +${port} +0s +${process.pid}`),
  );
  expect((await call(["ls", "-q"])).stdout).toBe("orders\n");
  expect(JSON.parse((await call(["list", "--json"])).stdout)).toMatchObject([
    { appId: "orders", httpPort: port, status: "running", cliPid: process.pid },
  ]);
});

test("logs of an app that never ran names those that do", async () => {
  await fakeSidecar("orders", {});
  expect((await call(["logs", "order"])).stderr).toBe(
    'mecha: no app with id order has run here; did you mean "orders"? running: orders\n',
  );
});

test("configuration items are listed, written and removed", async () => {
  const items = JSON.stringify({ theme: { value: "dark", version: "3", metadata: {} } });
  await fakeSidecar(
    "a",
    { settings: "configuration.in-memory" },
    {
      "GET /v1.0/configuration/settings": { body: items },
      "GET /v1.0/configuration/settings?key=theme": { body: items },
    },
  );
  expect((await call(["configuration", "list", "settings"])).stdout).toBe("KEY    VALUE  VERSION\ntheme  dark   3\n");
  expect((await call(["config", "get", "settings", "theme"])).stdout).toBe("dark\n");
  expect(JSON.parse((await call(["config", "get", "settings", "theme", "--json"])).stdout)).toEqual(JSON.parse(items));
  expect((await call(["config", "set", "settings", "theme", "light", "--item-version", "v9"])).code).toBe(0);
  expect(seen.at(-1)).toMatchObject({
    line: "POST /v1.0/configuration/settings",
    body: '{"items":{"theme":{"value":"light","version":"v9"}}}',
  });
  expect((await call(["config", "delete", "settings", "theme", "size"])).code).toBe(0);
  expect(seen.at(-1)?.line).toBe("DELETE /v1.0/configuration/settings?key=theme&key=size");
});
