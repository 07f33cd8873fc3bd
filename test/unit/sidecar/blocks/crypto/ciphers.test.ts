import { createPrivateKey, generateKeyPairSync, privateDecrypt, randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Jwk } from "../../../../../components/contract/crypto.ts";
import { ciphers, type Extras } from "../../../../../sidecar/blocks/crypto/ciphers.ts";
import { hchacha20 } from "../../../../../sidecar/blocks/crypto/hchacha20.ts";
import { type Key, toKey } from "../../../../../sidecar/blocks/crypto/keys.ts";

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ""), "hex");
const count = (from: number, length: number) => Buffer.from(Array.from({ length }, (_, i) => from + i));
const symmetric = (bytes: Uint8Array) => toKey({ kty: "oct", k: Buffer.from(bytes).toString("base64url") });
const rsaJwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }) as Jwk;
const none: Extras = { nonce: Buffer.alloc(0), associatedData: Buffer.alloc(0) };
const cipher = (name: string) => {
  const found = ciphers[name];
  if (!found) throw new Error(`${name} is not there`);
  return found;
};

/** Length of key and nonce of every symmetric algorithm. */
const sizes: Readonly<Record<string, readonly [key: number, nonce: number]>> = {
  A128CBC: [16, 16],
  A192CBC: [24, 16],
  A256CBC: [32, 16],
  "A128CBC-NOPAD": [16, 16],
  "A192CBC-NOPAD": [24, 16],
  "A256CBC-NOPAD": [32, 16],
  A128GCM: [16, 12],
  A192GCM: [24, 12],
  A256GCM: [32, 12],
  A128GCMKW: [16, 12],
  A192GCMKW: [24, 12],
  A256GCMKW: [32, 12],
  "A128CBC-HS256": [32, 16],
  "A192CBC-HS384": [48, 16],
  "A256CBC-HS512": [64, 16],
  A128KW: [16, 0],
  A192KW: [24, 0],
  A256KW: [32, 0],
  C20P: [32, 12],
  C20PKW: [32, 12],
  XC20P: [32, 24],
  XC20PKW: [32, 24],
};

test("there are the algorithms of the published API and no other", () => {
  const rsa = ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"];
  expect(Object.keys(ciphers).sort()).toEqual([...Object.keys(sizes), ...rsa].sort());
});

test.each(Object.entries(sizes))("%s gives back what it was given", (name, [keyBytes, nonceBytes]) => {
  const whole = /KW$|NOPAD$/.test(name) ? 16 : 1;
  const plaintexts = fc
    .uint8Array({ minLength: 1, maxLength: 20 })
    .map((bytes) => Buffer.concat(Array(whole).fill(bytes)));
  fc.assert(
    fc.property(plaintexts, fc.uint8Array({ maxLength: 40 }), (plaintext, associatedData) => {
      const key = symmetric(randomBytes(keyBytes));
      const extras = { nonce: randomBytes(nonceBytes), associatedData };
      const sealed = cipher(name).encrypt(key, plaintext, extras);
      expect(Buffer.from(cipher(name).decrypt(key, sealed, extras))).toEqual(plaintext);
    }),
    { numRuns: 20 },
  );
});

const authenticated = Object.entries(sizes).filter(([name]) => /GCM|HS|C20P/.test(name));
test.each(authenticated)("%s refuses what was changed", (name, [keyBytes, nonceBytes]) => {
  const key = symmetric(randomBytes(keyBytes));
  const extras = { nonce: randomBytes(nonceBytes), associatedData: Buffer.from("data") };
  const { ciphertext, tag } = cipher(name).encrypt(key, Buffer.from("some plaintext"), extras);
  const changed = (bytes: Uint8Array) => Buffer.from([(bytes[0] ?? 0) ^ 1, ...bytes.subarray(1)]);
  const open = (sealed: { ciphertext?: Uint8Array; tag?: Uint8Array }, other: Partial<Extras> = {}) =>
    cipher(name).decrypt(key, { ciphertext, tag, ...sealed }, { ...extras, ...other });
  expect(() => open({ ciphertext: changed(ciphertext) })).toThrow(/cannot be decrypted/);
  expect(() => open({ tag: changed(tag) })).toThrow(/cannot be decrypted/);
  expect(() => open({ tag: tag.subarray(1) })).toThrow(/cannot be decrypted/);
  expect(() => open({ tag: Buffer.alloc(0) })).toThrow(/cannot be decrypted/);
  expect(() => open({}, { associatedData: Buffer.from("other") })).toThrow(/cannot be decrypted/);
  expect(() => open({}, { nonce: changed(extras.nonce) })).toThrow(/cannot be decrypted/);
});

test.each([
  [
    "A128KW",
    "000102030405060708090A0B0C0D0E0F",
    "00112233445566778899AABBCCDDEEFF",
    "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
  ],
  [
    "A256KW",
    "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
    "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
    "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
  ],
])("%s wraps as RFC 3394 shows", (name, key, plaintext, wrapped) => {
  expect(cipher(name).encrypt(symmetric(hex(key)), hex(plaintext), none).ciphertext).toEqual(hex(wrapped));
});

test("A128CBC-HS256 encrypts as RFC 7518 shows", () => {
  const extras = {
    nonce: hex("1af38c2dc2b96ffdd86694092341bc04"),
    associatedData: Buffer.from("The second principle of Auguste Kerckhoffs"),
  };
  const plaintext =
    "A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";
  const { ciphertext, tag } = cipher("A128CBC-HS256").encrypt(symmetric(count(0, 32)), Buffer.from(plaintext), extras);
  expect(Buffer.from(ciphertext).subarray(0, 16)).toEqual(hex("c80edfa32ddf39d5ef00c0b468834279"));
  expect(tag).toEqual(hex("652c3fa36b0a7c5b3219fab3a30bc1c4"));
});

test("XC20P encrypts as its draft shows", () => {
  expect(hchacha20(count(0, 32), hex("000000090000004a0000000031415927"))).toEqual(
    hex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"),
  );
  const extras = { nonce: count(0x40, 24), associatedData: hex("50515253c0c1c2c3c4c5c6c7") };
  const plaintext =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  const { ciphertext, tag } = cipher("XC20P").encrypt(symmetric(count(0x80, 32)), Buffer.from(plaintext), extras);
  expect(Buffer.from(ciphertext).subarray(0, 8)).toEqual(hex("bd6d179d3e83d43b"));
  expect(tag).toEqual(hex("c0875924c1c7987947deafd8780acf49"));
});

test.each(["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"])(
  "%s gives back what it was given, its label included",
  (name) => {
    const key = toKey(rsaJwk);
    const extras = { ...none, associatedData: Buffer.from("label") };
    const sealed = cipher(name).encrypt(key, Buffer.from("secret"), extras);
    expect(Buffer.from(cipher(name).decrypt(key, sealed, extras)).toString()).toBe("secret");
    if (name !== "RSA1_5") expect(() => cipher(name).decrypt(key, sealed, none)).toThrow(/cannot be decrypted/);
  },
);

test("the hash of RSA-OAEP-256 is the one of its mask too", () => {
  const { ciphertext } = cipher("RSA-OAEP-256").encrypt(toKey(rsaJwk), Buffer.from("secret"), none);
  const key = createPrivateKey({ key: rsaJwk as never, format: "jwk" });
  expect(privateDecrypt({ key, oaepHash: "sha256" }, ciphertext).toString()).toBe("secret");
});

test("a key or nonce that does not fit is told by its length, not by its value", () => {
  const short = symmetric(Buffer.from("0123456789abcdef"));
  const extras = { ...none, nonce: Buffer.alloc(12) };
  const encrypt = (name: string, key: Key, parts: Partial<Extras> = {}, text = "some plaintext") =>
    cipher(name).encrypt(key, Buffer.from(text), { ...extras, ...parts });
  expect(() => encrypt("A256GCM", short)).toThrow("needs a key of 32 bytes, this one has 16");
  expect(() => encrypt("A128GCM", short, { nonce: Buffer.alloc(5) })).toThrow("nonce must have 12 bytes");
  expect(() => encrypt("A128CBC-NOPAD", short, { nonce: Buffer.alloc(16) })).toThrow("multiple of 16, got 14");
  expect(() => encrypt("A128KW", short)).toThrow("takes 16, 24, 32, ... bytes, got 14");
  expect(() => encrypt("A128GCM", toKey(rsaJwk))).toThrow("needs a symmetric key");
  expect(() => encrypt("RSA-OAEP", short)).toThrow("needs a key of type rsa, this one is symmetric");
  expect(() => encrypt("RSA-OAEP-512", toKey(rsaJwk), {}, "x".repeat(200))).toThrow("200 bytes are too long");
  const { kty, n, e } = rsaJwk as Jwk & { n: string; e: string };
  const sealed = { ciphertext: Buffer.alloc(256), tag: Buffer.alloc(0) };
  expect(() => cipher("RSA-OAEP").decrypt(toKey({ kty, n, e }), sealed, none)).toThrow("needs a private key");
});

test("a key that cannot be read is told without quoting it", () => {
  expect(() => toKey({ kty: "oct" })).toThrow("has no value");
  expect(() => toKey({ kty: "RSA", n: "s3cret" })).toThrow(/^the key \(kty RSA\) cannot be read$/);
});
