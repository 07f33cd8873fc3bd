import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import jwks from "../../../../components/dapr.jwks/crypto.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { startHttpServer } from "../../../support/http-server.ts";
import { KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const set = (...kids: string[]) => JSON.stringify({ keys: kids.map((kid) => ({ kty: "oct", kid, k: "AQ" })) });

test("the set is given as JSON, in base64, as a file or as a URL", async () => {
  const file = join(tempFolder({ "set.json": set("a") }), "set.json");
  const url = await startHttpServer(() => ({ body: set("a") }));
  for (const given of [set("a"), Buffer.from(set("a")).toString("base64"), file, url]) {
    const store = await openDriver(jwks, { jwks: given });
    expect(await store.key("a", {})).toMatchObject({ kid: "a" });
  }
});

test("a set that became old is read again: a known key is given at once, an unknown one is waited for", async () => {
  let served = set("a");
  let readings = 0;
  const url = await startHttpServer(() => {
    readings++;
    return { body: served };
  });
  const clock = new FakeClock();
  const store = await openDriver(jwks, { jwks: url, minRefreshInterval: 60_000 }, openContext({ clock }));
  served = set("b");
  await expect(store.key("b", {})).rejects.toMatchObject({ reason: "cryptoKey" });
  expect(readings).toBe(1);
  await clock.advance(60_000);
  expect(await store.key("a", {})).toMatchObject({ kid: "a" });
  expect(await store.key("b", {})).toMatchObject({ kid: "b" });
  await expect(store.key("a", {})).rejects.toMatchObject({ reason: "cryptoKey" });
  expect(readings).toBe(2);
});

test("a file that changed is read again too", async () => {
  const file = join(tempFolder({ "set.json": set("a") }), "set.json");
  const clock = new FakeClock();
  const store = await openDriver(jwks, { jwks: file, minRefreshInterval: 1000 }, openContext({ clock }));
  writeFileSync(file, set("b"));
  await clock.advance(1000);
  expect(await store.key("b", {})).toMatchObject({ kid: "b" });
});

test("when the server fails later, the keys read before stay in use", async () => {
  let status = 200;
  const url = await startHttpServer(() => ({ status, body: set("a") }));
  const clock = new FakeClock();
  const log = new KeptLog();
  const store = await openDriver(jwks, { jwks: url, minRefreshInterval: 1000 }, openContext({ clock, log }));
  status = 500;
  await clock.advance(1000);
  await expect(store.key("b", {})).rejects.toMatchObject({ reason: "cryptoKey" });
  expect(await store.key("a", {})).toMatchObject({ kid: "a" });
  expect(log.lines.join()).toMatch(/warn.*answered 500/);
});

test.each([
  ["{", "not JSON"],
  ['{"keys": 1}', 'array "keys"'],
  ['{"keys": [{"kid": "s3cret"}]}', "no key type"],
  ["nowhere.json", "nowhere.json"],
  ["http://127.0.0.1:2/", "ECONNREFUSED"],
])("the set %j stops the component from opening", async (given, why) => {
  const failure = await openDriver(jwks, { jwks: given }).catch((error: unknown) => String(error));
  expect(failure).toMatch(/jwks cannot be read/);
  expect(failure).toContain(why);
  expect(failure).not.toContain("s3cret");
});

test("a server that does not answer in time stops the component from opening", async () => {
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const url = await startHttpServer(() => void arrived());
  const clock = new FakeClock();
  const opening = openDriver(jwks, { jwks: url, requestTimeout: 5000 }, openContext({ clock }));
  const failure = expect(opening).rejects.toThrow(/no answer within 5000 ms/);
  await arrival;
  await clock.advance(5000);
  await failure;
});

test("a server that answers without end is given up", async () => {
  const url = await startHttpServer(() => ({ body: " ".repeat(2 ** 21) }));
  await expect(openDriver(jwks, { jwks: url })).rejects.toThrow(/longer than/);
});
