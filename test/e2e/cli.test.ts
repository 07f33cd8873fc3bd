import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { mecha, startMecha } from "../support/mecha-command.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** Serves HTTP on APP_PORT; answers with the path, subscribes to `orders`, and says what it gets. */
const server = `
import { createServer } from "node:http";
const subscriptions = [{ pubsubname: "pubsub", topic: "orders", route: "/orders" }];
const app = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk)).on("end", () => {
    if (request.url === "/dapr/subscribe") return response.end(JSON.stringify(subscriptions));
    if (request.url === "/orders") console.log("got", JSON.stringify(JSON.parse(body).data));
    if (request.url === "/broken") response.statusCode = 500;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ verb: request.method, path: request.url, body }));
  });
});
app.listen(Number(process.env.APP_PORT ?? 0), "127.0.0.1", () => console.log("listening"));
process.on("SIGTERM", () => { console.log("asked to stop"); process.exit(0); });
`;

/** Does not listen to SIGTERM. */
const stubborn = `process.on("SIGTERM", () => console.log("no")); setInterval(() => {}, 1000); console.log("here");`;

let home: string;
let cwd: string;

beforeEach(() => {
  home = tempFolder();
  cwd = tempFolder({ "server.mjs": server, "stubborn.mjs": stubborn });
});

const options = (more: { stdin?: string; env?: Record<string, string> } = {}) => ({ cwd, home, ...more });
const list = async () => JSON.parse((await mecha(["list", "--json"], options())).stdout) as Record<string, never>[];
const freePort = async () => {
  const { findFreePorts } = await import("../../sidecar/cli/run/free-ports.ts");
  return String((await findFreePorts(1))[0]);
};

test("run tells the app where its sidecar is and ends with the app's code, and so does the sidecar", async () => {
  const script = "console.log(JSON.stringify(process.env)); process.exit(7)";
  const { code, stdout } = await mecha(
    ["run", "-a", "orders", "-p", "8123", "--", "node", "-e", script],
    options({ env: { DAPR_API_TOKEN: "t0ken" } }),
  );
  expect(code).toBe(7);
  const env = JSON.parse(/app +│ (\{.*)/.exec(stdout)?.[1] ?? "{}") as Record<string, string>;
  for (const name of ["DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "DAPR_METRICS_PORT", "MECHA_HTTP_PORT", "MECHA_GRPC_PORT"]) {
    expect(Number(env[name]), name).toBeGreaterThan(1023);
  }
  expect(env).toMatchObject({
    APP_ID: "orders",
    APP_PORT: "8123",
    MECHA_APP_ID: "orders",
    DAPR_API_TOKEN: "t0ken",
    MECHA_API_TOKEN: "t0ken",
  });
  expect(stdout).toMatch(/sidecar │ .*dapr initialized\. Status: Running/);
  expect(stdout).toMatch(/mecha +│ orders ended with code 7/);
  await expect(fetch(`http://127.0.0.1:${env["DAPR_HTTP_PORT"]}/v1.0/healthz`)).rejects.toThrow();
  expect(await list()).toEqual([]);
});

test("the other commands find a running app: list, invoke, publish, state, logs, stop", async () => {
  const run = startMecha(
    ["run", "--app-id", "orders", "--app-port", await freePort(), "--", "node", "server.mjs"],
    options(),
  );
  await run.said(/listening/);
  await run.said(/subscribed/);
  expect(await list()).toMatchObject([
    { appId: "orders", status: "running", command: ["node", "server.mjs"], cliPid: run.pid },
  ]);
  expect(await mecha(["list", "-q"], options())).toMatchObject({ code: 0, stdout: "orders\n" });

  const reply = await mecha(["invoke", "orders", "new?x=1", "-d", '{"id":1}'], options());
  expect(reply).toMatchObject({ code: 0, stdout: '{"verb":"POST","path":"/new?x=1","body":"{\\"id\\":1}"}\n' });
  expect(await mecha(["invoke", "orders", "broken"], options())).toMatchObject({ code: 1, stdout: "" });
  expect((await mecha(["invoke", "orders", "new", "--json"], options())).stdout).toContain('"status": 200');

  expect(await mecha(["publish", "pubsub", "orders", "-d", "-"], options({ stdin: '{"n":42}' }))).toMatchObject({
    code: 0,
  });
  await run.said(/got \{"n":42\}/);

  expect((await mecha(["state", "set", "statestore", "cart", '{"n":12345678901234567890}'], options())).code).toBe(0);
  expect((await mecha(["state", "get", "statestore", "cart"], options())).stdout).toBe('{"n":12345678901234567890}\n');
  expect((await mecha(["state", "list", "statestore", "--prefix", "ca"], options())).stdout).toBe("cart\n");
  expect((await mecha(["state", "delete", "statestore", "cart"], options())).code).toBe(0);
  expect(await mecha(["state", "get", "statestore", "cart"], options())).toMatchObject({ code: 1, stdout: "" });

  expect((await mecha(["logs", "orders", "--app", "-n", "1"], options())).stdout).toMatch(/^app +│ got \{"n":42\}\n$/);
  const followed = startMecha(["logs", "orders", "-f", "--app"], options());
  await followed.said(/listening/);
  expect(await mecha(["stop", "orders"], options())).toMatchObject({ code: 0, stdout: "stopped orders\n" });
  expect((await run.ended).code).toBe(0);
  expect(await followed.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/asked to stop\n$/) });
  expect((await mecha(["logs", "orders", "--app"], options())).stdout).toContain("asked to stop");
});

test("the metadata of the sidecar names the command, the app and the process that started them", async () => {
  const run = startMecha(["run", "-a", "orders", "--", "node", "server.mjs"], options());
  await run.said(/listening/);
  const [record] = await list();
  const { extended } = (await (await fetch(`http://127.0.0.1:${record?.["httpPort"]}/v1.0/metadata`)).json()) as {
    extended: object;
  };
  expect(extended).toMatchObject({
    cliPID: String(run.pid),
    appPID: String(record?.["appPid"]),
    appCommand: "node server.mjs",
  });
});

test("Ctrl-C asks the app first, and the app's own code is the code", async () => {
  const run = startMecha(["run", "--", "node", "server.mjs"], options());
  await run.said(/listening/);
  run.kill("SIGINT");
  const { code, stdout } = await run.ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(/asked to stop/);
});

test("an app that Ctrl-C ends by the signal gives the code of Ctrl-C", async () => {
  const run = startMecha(["run", "--", "node", "-e", "console.log('here'); setInterval(() => {}, 1000)"], options());
  await run.said(/│ here/);
  run.kill("SIGINT");
  expect((await run.ended).code).toBe(130);
});

test("an app that does not listen is ended by force after --stop-timeout", async () => {
  const run = startMecha(["run", "--stop-timeout", "1", "--", "node", "stubborn.mjs"], options());
  await run.said(/here/);
  run.kill("SIGINT");
  await run.said(/│ no/);
  expect((await run.ended).code).toBe(137);
});

test("a second Ctrl-C waits for nothing", async () => {
  const run = startMecha(["run", "-a", "orders", "--stop-timeout", "100", "--", "node", "stubborn.mjs"], options());
  await run.said(/here/);
  const [record] = await list();
  run.kill("SIGINT");
  await run.said(/│ no/);
  run.kill("SIGINT");
  expect((await run.ended).code).toBe(130);
  const { isAlive, untilGone } = await import("../../sidecar/cli/processes.ts");
  const both = [{ pid: Number(record?.["appPid"]) }, { pid: Number(record?.["sidecarPid"]) }];
  expect(await untilGone(both, 5_000), JSON.stringify(both.map(isAlive))).toBe(true);
});

test("a sidecar that dies takes the app with it, and its last lines are said again", async () => {
  const run = startMecha(["run", "--", "node", "server.mjs"], options());
  await run.said(/listening/);
  const [record] = await list();
  process.kill(Number(record?.["sidecarPid"]), "SIGKILL");
  const { code, stdout, stderr } = await run.ended;
  expect(code).toBe(137);
  expect(stdout).toMatch(/asked to stop/);
  expect(stderr).toMatch(/ended by SIGKILL; its last lines:[\s\S]*dapr initialized/);
});

test("a sidecar that cannot start says why, and the app is not started", async () => {
  const component =
    "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\nspec: {type: state.sqlight}\n";
  cwd = tempFolder({ "components/store.yaml": component });
  const { code, stdout, stderr } = await mecha(["run", "--", "node", "-e", "console.log('app is here')"], options());
  expect(code).toBe(1);
  expect(stdout).not.toMatch(/app is here/);
  expect(stderr).toMatch(/mecha: the sidecar of .* ended with code 1; its last lines:/);
  expect(stderr).toMatch(/did you mean "state\.sqlite"/);
  expect(await list()).toEqual([]);
});

test("the app reads what the command is given, and its lines keep their streams", async () => {
  const script = "process.stdin.pipe(process.stdout); console.error('aside')";
  const { code, stdout, stderr } = await mecha(["run", "--", "node", "-e", script], options({ stdin: "one\ntwo" }));
  expect(code).toBe(0);
  expect(stdout).toMatch(/app +│ one\napp +│ two\n/);
  expect(stderr).toMatch(/app +│ aside\n/);
});

test("a sidecar on sockets serves the other commands as well", async () => {
  const run = startMecha(["run", "-a", "orders", "-u", "sockets"], options());
  await run.said(/initialized/);
  expect((await mecha(["state", "set", "statestore", "k", "v"], options())).code).toBe(0);
  expect((await mecha(["state", "get", "statestore", "k"], options())).stdout).toBe('"v"\n');
  expect(existsSync(join(cwd, "sockets/dapr-orders-http.socket"))).toBe(true);
});

test("a port that is taken is said", async () => {
  const run = startMecha(["run", "-a", "orders"], options());
  await run.said(/initialized/);
  const [record] = await list();
  const second = await mecha(["run", "-a", "other", "-H", String(record?.["httpPort"])], options());
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(new RegExp(`EADDRINUSE.*${record?.["httpPort"]}|${record?.["httpPort"]}.*in use`));
});

test("a program that is not there is named, with the code of a shell", async () => {
  const { code, stderr } = await mecha(["run", "--", "no-such-program"], options());
  expect(code).toBe(127);
  expect(stderr).toMatch(/no-such-program is not found/);
});

test("an id that is running cannot be taken again", async () => {
  const run = startMecha(["run", "-a", "orders"], options());
  await run.said(/initialized/);
  const second = await mecha(["run", "-a", "orders", "--", "node", "-e", "0"], options());
  expect(second).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/an app with id orders is already running.*mecha stop orders/),
  });
  expect(await mecha(["stop", "orders"], options())).toMatchObject({ code: 0 });
  expect((await run.ended).code).toBe(0);
});

test("commands that need an app say which ones run", async () => {
  expect(await mecha(["stop", "orders"], options())).toMatchObject({
    code: 1,
    stderr: "mecha: no app with id orders is running; nothing is running; start something with `mecha run`\n",
  });
  const run = startMecha(["run", "-a", "orders"], options());
  await run.said(/initialized/);
  const { stderr } = await mecha(["stop", "order"], options());
  expect(stderr).toBe('mecha: no app with id order is running; did you mean "orders"? running: orders\n');
  const { stderr: publish } = await mecha(["publish", "pubsup", "t", "-d", "x"], options());
  expect(publish).toBe('mecha: no running sidecar has a pub/sub called pubsup; did you mean "pubsub"?\n');
});

test("orphans of a command that was killed can still be stopped", async () => {
  const run = startMecha(["run", "-a", "orders", "--", "node", "server.mjs"], options());
  await run.said(/listening/);
  run.kill("SIGKILL");
  await run.ended;
  expect(await list()).toMatchObject([{ appId: "orders", status: "orphaned" }]);
  expect(await mecha(["stop", "orders"], options())).toMatchObject({ code: 0 });
  expect(await list()).toEqual([]);
});

test("init makes components that lint and run take", async () => {
  const first = await mecha(["init"], options());
  expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining("made  .mecha/components/statestore.yaml") });
  expect((await mecha(["init"], options())).stdout).not.toContain("made  ");
  expect(await mecha(["lint"], options())).toMatchObject({ code: 0, stdout: expect.stringContaining("no problems") });
  const { code, stdout } = await mecha(["run", "--", "node", "-e", "0"], options());
  expect(code).toBe(0);
  expect(stdout).toContain(`components: ${join(cwd, ".mecha/components")}`);
  expect(stdout).not.toContain("level=error");
});

const pair = (second: string) => `
version: 1
common:
  env: { GREETING: hello }
apps:
  - appID: callee
    appDirPath: callee
    appPort: PORT
    command: [node, ../server.mjs]
  - appID: caller
    appDirPath: caller
    command: ${second}
`;

test("run -f starts the apps of a file side by side, so that one can call the other", async () => {
  const script = `
    const base = "http://127.0.0.1:" + process.env.DAPR_HTTP_PORT + "/v1.0/invoke/callee/method/" + process.env.GREETING;
    for (let reply; !reply?.ok; ) { reply = await fetch(base); if (reply.ok) console.log("answer", await reply.text()); }
    setInterval(() => {}, 1000);`;
  cwd = tempFolder({
    "server.mjs": server,
    "callee/.keep": "",
    "caller/call.mjs": script,
    "mecha.yaml": pair("[node, call.mjs]").replace("PORT", await freePort()),
  });
  const run = startMecha(["run", "-f", "."], options());
  await run.said(/caller +│ answer \{"verb":"GET","path":"\/hello"/);
  await run.said(/APP +HTTP +GRPC/);
  expect(await list()).toMatchObject([
    { appId: "callee", runFile: join(cwd, "mecha.yaml") },
    { appId: "caller", runFile: join(cwd, "mecha.yaml") },
  ]);
  const logs = readdirSync(join(cwd, "caller/.dapr/logs")).sort();
  expect(logs.map((name) => name.replace(/\d{14}/, "<time>"))).toEqual([
    "caller_app_<time>.log",
    "caller_daprd_<time>.log",
  ]);
  expect(readFileSync(join(cwd, "caller/.dapr/logs", logs[1] ?? ""), "utf8")).toContain("dapr initialized");
  // One goes, the other stays.
  expect(await mecha(["stop", "caller"], options())).toMatchObject({ code: 0 });
  expect(await list()).toMatchObject([{ appId: "callee" }]);
  expect(await mecha(["stop", "-f", "."], options())).toMatchObject({ code: 0, stdout: "stopped callee\n" });
  const { code, stdout } = await run.ended;
  expect(code).toBe(143);
  // The sidecars write to their files only.
  expect(stdout).not.toContain("dapr initialized");
});

test("run -f stops everything when one app cannot be started", async () => {
  cwd = tempFolder({
    "server.mjs": server,
    "callee/.keep": "",
    "caller/.keep": "",
    "dapr.yaml": pair("[no-such-program]").replace("PORT", await freePort()),
  });
  const { code, stderr } = await mecha(["run", "-f", "dapr.yaml"], options());
  expect(code).toBe(127);
  expect(stderr).toMatch(/caller: no-such-program is not found/);
  expect(await list()).toEqual([]);
  expect(existsSync(join(cwd, ".mecha"))).toBe(true);
});
