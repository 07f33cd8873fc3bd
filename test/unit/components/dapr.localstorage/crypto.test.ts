import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import localStorage from "../../../../components/dapr.localstorage/crypto.ts";
import { authority } from "../../../support/certificates.ts";
import { openContext, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-384" });

async function keyIn(file: string, content: string | Uint8Array) {
  const path = tempFolder();
  mkdirSync(join(path, "sub"));
  writeFileSync(join(path, file), content);
  const store = await openDriver(localStorage, { path });
  return store.key(file, {});
}

test.each([
  ["PKCS#8", rsa.privateKey.export({ type: "pkcs8", format: "pem" }), true],
  ["PKCS#1", rsa.privateKey.export({ type: "pkcs1", format: "pem" }), true],
  ["PKCS#1, public", rsa.publicKey.export({ type: "pkcs1", format: "pem" }), false],
  ["SPKI", rsa.publicKey.export({ type: "spki", format: "pem" }), false],
])("PEM text in the form %s is read, with and without the ending", async (_, pem, isPrivate) => {
  const { n, d } = rsa.privateKey.export({ format: "jwk" });
  for (const file of ["key.pem", "key", "sub/key"]) {
    const key = await keyIn(file, pem);
    expect(key).toMatchObject({ kty: "RSA", n });
    expect(key["d"]).toBe(isPrivate ? d : undefined);
  }
});

test("an elliptic curve key in its old form, and a certificate, are read", async () => {
  const { x } = ec.privateKey.export({ format: "jwk" });
  expect(await keyIn("a", ec.privateKey.export({ type: "sec1", format: "pem" }))).toMatchObject({ crv: "P-384", x });
  expect(await keyIn("b.pem", authority.certificate)).toMatchObject({ kty: "EC", crv: "P-256" });
});

test("a symmetric key is read from its bytes or from base64", async () => {
  const bytes = Buffer.from([0xff, 0x00, ...randomBytes(30)]);
  const k = bytes.toString("base64url");
  for (const content of [bytes, bytes.toString("base64"), `${k}\n`]) {
    expect(await keyIn("key", content)).toEqual({ kty: "oct", k });
  }
});

test.each([
  ["a.json", '{"k": "s3cret"', "not JSON"],
  ["a.json", '{"k": "s3cret"}', "JSON Web Key"],
  ["a.pem", "s3cret", "PEM key"],
  ["a", "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----", "PEM key"],
  ["a", "", "empty"],
])("what %s holds is told when it is no key, without quoting it", async (file, content, why) => {
  const failure = await keyIn(file, content).catch((error: unknown) => String(error));
  expect(failure).toMatch(why);
  expect(failure).not.toContain("s3cret");
});

test("a link is followed inside the folder and refused when it leads out", async () => {
  const folder = tempFolder({
    "outside.json": '{"kty":"oct","k":"AA"}',
    "keys/..data/a.json": '{"kty":"oct","k":"AQ"}',
  });
  symlinkSync("..data/a.json", join(folder, "keys/a.json"));
  symlinkSync("../outside.json", join(folder, "keys/b.json"));
  const store = await openDriver(localStorage, { path: join(folder, "keys") });
  expect(await store.key("a.json", {})).toEqual({ kty: "oct", k: "AQ" });
  for (const name of ["b.json", "../outside.json", "."]) {
    await expect(store.key(name, {})).rejects.toThrow(/outside the component's path/);
  }
});

test("a key is read once, and a failure is not kept", async () => {
  const path = tempFolder();
  const store = await openDriver(localStorage, { path });
  await expect(store.key("a", {})).rejects.toThrow(/no such file/);
  writeFileSync(join(path, "a"), '{"kty":"oct","k":"AQ"}');
  expect(await store.key("a", {})).toEqual({ kty: "oct", k: "AQ" });
  rmSync(join(path, "a"));
  expect(await store.key("a", {})).toEqual({ kty: "oct", k: "AQ" });
});

test("a folder inside the sidecar's data folder is made", async () => {
  const dataDir = join(tempFolder(), "data");
  const path = join(dataDir, "keys");
  const store = await openDriver(localStorage, { path }, openContext({ dataDir }));
  writeFileSync(join(path, "a"), '{"kty":"oct","k":"AQ"}');
  expect(await store.key("a", {})).toEqual({ kty: "oct", k: "AQ" });
});

test("a folder that is not there stops the component from opening", async () => {
  await expect(openDriver(localStorage, { path: "/nowhere/keys" })).rejects.toMatchObject({ reason: "openFailed" });
  const file = join(tempFolder({ file: "" }), "file");
  await expect(openDriver(localStorage, { path: file })).rejects.toThrow(/not a folder/);
});
