import { expect, test } from "vitest";
import memory from "../../../../components/memory/crypto.ts";
import { openDriver } from "../../../support/open-driver.ts";

test.each([
  ["any", { kty: "oct" }],
  ["rsa-2026", { kty: "RSA" }],
  ["ec-1", { kty: "EC", crv: "P-256" }],
  ["ed25519-1", { kty: "OKP", crv: "Ed25519" }],
])("without a set the key %j is made when it is asked for, and stays", async (name, type) => {
  const store = await openDriver(memory, {});
  const [first, second] = await Promise.all([store.key(name, {}), store.key(name, {})]);
  expect(first).toMatchObject({ ...type, kid: name });
  expect(second).toEqual(first);
  expect(await store.key(`${name}-other`, {})).not.toEqual(first);
});

test("with a set keys are made only when that is asked for", async () => {
  const jwks = '{"keys":[{"kty":"oct","kid":"a","k":"AQ"}]}';
  await expect((await openDriver(memory, { jwks })).key("b", {})).rejects.toMatchObject({ reason: "cryptoKey" });
  expect(await (await openDriver(memory, { jwks, generate: true })).key("b", {})).toMatchObject({ kty: "oct" });
  await expect(openDriver(memory, { jwks: "{" })).rejects.toThrow(/jwks cannot be read/);
});
