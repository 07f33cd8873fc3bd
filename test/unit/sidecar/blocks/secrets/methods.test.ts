import { join } from "node:path";
import { expect, test, vi } from "vitest";
import localEnv from "../../../../../components/local.env/secretstores.ts";
import localFile from "../../../../../components/local.file/secretstores.ts";
import { secretMethods } from "../../../../../sidecar/blocks/secrets/methods.ts";
import type { SecretScope } from "../../../../../sidecar/kernel/config-types.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { componentsOf } from "../../../../support/components.ts";
import { openDriver } from "../../../../support/open-driver.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

const scope = (parts: Partial<SecretScope>): SecretScope => ({
  storeName: "vault",
  defaultAccess: "allow",
  allowedSecrets: [],
  deniedSecrets: [],
  ...parts,
});

async function methods(...scopes: SecretScope[]) {
  const secretsFile = join(tempFolder({ "s.json": '{"db":{"user":"u","pass":"p"},"a/b":"odd","top":"t"}' }), "s.json");
  vi.stubEnv("UNDER_TEST_X", "1");
  return secretMethods(
    componentsOf(
      { name: "vault", driver: localFile, opened: await openDriver(localFile, { secretsFile, multiValued: true }) },
      { name: "env", driver: localEnv, opened: await openDriver(localEnv, { prefix: "UNDER_TEST_" }) },
    ),
    scopes,
  );
}

async function get(path: string, ...scopes: SecretScope[]) {
  const wire = await startHttpWire({ methods: await methods(...scopes) });
  const { status, text } = await wire.call({ path: `/v1.0/secrets/${path}` });
  return [status, text && JSON.parse(text)];
}

test("a secret is given with all its values", async () => {
  expect(await get("vault/db")).toEqual([200, { user: "u", pass: "p" }]);
  expect(await get("vault/a%2Fb?metadata.version=2")).toEqual([200, { "a/b": "odd" }]);
  expect(await get("env/X")).toEqual([200, { X: "1" }]);
  expect(await get("env/NOWHERE")).toEqual([200, { NOWHERE: "" }]);
});

test("all secrets are given by name", async () => {
  const all = { db: { user: "u", pass: "p" }, "a/b": { "a/b": "odd" }, top: { top: "t" } };
  expect(await get("vault/bulk")).toEqual([200, all]);
});

test.each([
  ["vault/nowhere", 500, "ERR_SECRET_GET", /secret nowhere is not found/],
  ["safe/db", 401, "ERR_SECRET_STORE_NOT_FOUND", /safe; configured: vault, env/],
  ["safe/bulk", 401, "ERR_SECRET_STORE_NOT_FOUND", /safe/],
])("%s is refused", async (path, status, errorCode, message) => {
  expect(await get(path)).toEqual([status, { errorCode, message: expect.stringMatching(message) }]);
});

test("without any store that is told", async () => {
  const wire = await startHttpWire({ methods: secretMethods(componentsOf(), []) });
  const { status, text } = await wire.call({ path: "/v1.0/secrets/vault/db" });
  expect([status, JSON.parse(text)]).toMatchObject([500, { errorCode: "ERR_SECRET_STORES_NOT_CONFIGURED" }]);
});

test.each([
  ["an allowed list is all there is", { allowedSecrets: ["top"], deniedSecrets: ["top"] }, ["top"]],
  ["a denied list is left out", { deniedSecrets: ["db"] }, ["a/b", "top"]],
  ["what is denied by default is not there", { defaultAccess: "deny" as const }, [] as string[]],
  ["another store's scope does not count", { storeName: "env", defaultAccess: "deny" as const }, ["db", "a/b", "top"]],
])("%s", async (_, parts, readable) => {
  const [, all] = await get("vault/bulk", scope(parts));
  expect(Object.keys(all)).toEqual(readable);
  for (const name of ["db", "top"]) {
    const [status, body] = await get(`vault/${name}`, scope(parts));
    expect(status).toBe(readable.includes(name) ? 200 : 403);
    if (status === 403) expect(body).toMatchObject({ errorCode: "ERR_PERMISSION_DENIED" });
  }
});

test("the same over gRPC, refusals without details", async () => {
  const wire = await startGrpcWire({ methods: await methods(scope({ deniedSecrets: ["top"] })) });
  const one = await wire.call(Dapr.method.getSecret, { storeName: "vault", key: "db" });
  expect(one.messages).toMatchObject([{ data: { user: "u", pass: "p" } }]);
  const all = await wire.call(Dapr.method.getBulkSecret, { storeName: "vault" });
  expect(all.messages).toMatchObject([
    { data: { db: { secrets: { user: "u" } }, "a/b": { secrets: { "a/b": "odd" } } } },
  ]);
  const codes = [];
  for (const init of [
    { storeName: "vault", key: "top" },
    { storeName: "vault", key: "nowhere" },
    { storeName: "safe", key: "db" },
  ]) {
    const { code, details } = await wire.call(Dapr.method.getSecret, init);
    codes.push([code, details.length]);
  }
  expect(codes).toEqual([
    [7, 0],
    [13, 0],
    [3, 0],
  ]);
});
