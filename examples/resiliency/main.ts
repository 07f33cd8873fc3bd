// An app that fails in three ways, and calls of it that never notice, or that fail without troubling it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createClient, MechaClientError } from "@mecha/sdk";

const calls: Record<string, number> = {};
let isBroken = true;

const app = createServer((request, response) => {
  const path = request.url ?? "";
  const call = (calls[path] ?? 0) + 1;
  calls[path] = call;
  // the first two fail
  if (path === "/flaky") response.writeHead(call <= 2 ? 503 : 200).end();
  // the first one hangs
  else if (path === "/slow") call > 1 && response.end();
  // fails until it is repaired
  else if (path === "/broken") response.writeHead(isBroken ? 500 : 200).end();
  else response.writeHead(404).end();
});
await once(app.listen(Number(process.env["APP_PORT"]), "127.0.0.1"), "listening");

await using client = createClient();
await client.sidecar.waitUntilReady();
const call = async (path: string) => (await client.invoke("resiliency", path)).text();

await call("flaky");
assert.equal(calls["/flaky"], 3);
console.log("retry: two failures, and the caller saw none");

await call("slow");
assert.equal(calls["/slow"], 2);
console.log("timeout: given up after 500 ms, and the second try was quick");

// Four failures in a row blow the fuse. From then on the app is left alone, and callers are told at once.
const failed = await call("broken").catch((error) => error);
assert.ok(failed instanceof MechaClientError);
assert.equal(calls["/broken"], 4);
await assert.rejects(call("broken"));
assert.equal(calls["/broken"], 4);
console.log("circuit breaker: open, the app is not called any more");

// After a second it lets one call through, and closes because that one succeeds.
isBroken = false;
const repaired = Date.now();
while (
  !(await call("broken").then(
    () => true,
    () => false,
  ))
) {
  assert.ok(Date.now() - repaired < 10_000, "the circuit breaker did not close");
  await new Promise((later) => setTimeout(later, 100));
}
assert.equal(calls["/broken"], 5);
console.log("circuit breaker: closed again");

app.closeAllConnections();
app.close();
