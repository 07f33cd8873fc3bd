import { afterAll, beforeAll, expect, it } from "vitest";
import { type InProcessSidecar, startInProcess } from "../support/in-process-sidecar.ts";

/** The published routes with their verbs; those of our own behind them. What is neither is taken for an invocation. */

let bench: InProcessSidecar;
beforeAll(async () => {
  bench = await startInProcess();
});
afterAll(() => bench.stop());

const under = (versions: readonly string[], routes: Readonly<Record<string, string>>) =>
  versions.flatMap((version) => Object.entries(routes).map(([path, verbs]) => [`/${version}/${path}`, verbs] as const));
const subtle = ["getkey", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"];

const routes: readonly (readonly [path: string, verbs: string])[] = [
  ...under(["v1.0"], {
    healthz: "GET",
    "healthz/outbound": "GET",
    metadata: "GET",
    "metadata/key": "PUT",
    shutdown: "POST",
    "state/s/key": "GET DELETE",
    "state/s": "POST PUT GET",
    // A key may be named bulk or transaction.
    "state/s/bulk": "POST PUT GET DELETE",
    "state/s/transaction": "POST PUT GET DELETE",
    "publish/p/topic": "POST PUT",
    "publish/p/topic/with/slashes": "POST PUT",
    "publish/bulk/p/topic": "POST PUT",
    "bindings/b": "POST PUT",
    "secrets/s/key": "GET",
    "secrets/s/bulk": "GET",
    "actors/t/i/state": "POST PUT",
    "actors/t/i/state/key": "GET",
    "actors/t/i/method/m": "GET POST PUT DELETE",
    "actors/t/i/reminders/n": "GET POST PUT DELETE",
    "actors/t/i/timers/n": "POST PUT DELETE",
  }),
  ...under(["v1.0"], { "configuration/s": "GET POST PUT DELETE" }),
  ...under(["v1.0-alpha1"], { "configuration/s": "GET" }),
  ...under(["v1.0", "v1.0-alpha1"], {
    "configuration/s/subscribe": "GET",
    "configuration/s/id/unsubscribe": "GET",
    "jobs/n": "GET POST DELETE",
  }),
  ...under(["v1.0-alpha1"], {
    "state/s/query": "POST PUT",
    "publish/bulk/p/topic": "POST PUT",
    "lock/s": "POST",
    "lock/s/acquire": "POST",
    "lock/s/renew": "POST",
    "unlock/s": "POST",
    "crypto/c/encrypt": "PUT",
    "crypto/c/decrypt": "PUT",
    ...Object.fromEntries(subtle.map((operation) => [`subtlecrypto/c/${operation}`, "POST"])),
  }),
  ...under(["v1.0-alpha1", "v1.0-alpha2"], { "conversation/c/converse": "POST" }),
  ...under(["v1.0", "v1.0-beta1", "v1.0-alpha1"], {
    "workflows/c/i": "GET",
    "workflows/c/w/start": "POST",
    "workflows/c/i/pause": "POST",
    "workflows/c/i/resume": "POST",
    "workflows/c/i/terminate": "POST",
    "workflows/c/i/purge": "POST",
    "workflows/c/i/raiseEvent/e": "POST",
  }),
];

it.each(routes)("%s answers %s and no other verb", async (path, verbs) => {
  const answered: string[] = [];
  for (const verb of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]) {
    const { status, text } = await bench.http({ verb, path, body: verb === "GET" ? undefined : "{}" });
    const isInvocation = verb === "HEAD" ? status === 404 : text.includes("and no app is named");
    if (!isInvocation) answered.push(verb);
  }
  expect(answered.sort()).toEqual(verbs.split(" ").sort());
});
