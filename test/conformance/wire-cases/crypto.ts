import { createHash } from "node:crypto";
import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ask, base64, call, fails, type Outcome, stream, type WireCase, type WireStep } from "../wire.suite.ts";

const m = Dapr.method;
const plain = "the quick brown fox ".repeat(5000);
const half = Math.floor(plain.length / 2);

const encrypt = (keyName: string, keyWrapAlgorithm: string, cipher = ""): WireStep => ({
  http: {
    verb: "PUT",
    path: "/v1.0-alpha1/crypto/keys/encrypt",
    headers: {
      "dapr-key-name": keyName,
      "dapr-key-wrap-algorithm": keyWrapAlgorithm,
      ...(cipher && { "dapr-data-encryption-cipher": cipher }),
    },
    body: plain,
  },
  grpc: stream(
    m.encryptAlpha1,
    {
      options: { componentName: "keys", keyName, keyWrapAlgorithm, dataEncryptionCipher: cipher },
      payload: { seq: 0n, data: Buffer.from(plain.slice(0, half)) },
    },
    { payload: { seq: 1n, data: Buffer.from(plain.slice(half)) } },
  ),
});
const decrypt = (sealed: Buffer): WireStep => ({
  http: { verb: "PUT", path: "/v1.0-alpha1/crypto/keys/decrypt", body: sealed },
  grpc: stream(m.decryptAlpha1, { options: { componentName: "keys" } }, { payload: { seq: 0n, data: sealed } }),
  expect: { text: plain },
});
const roundTrip = (name: string, keyName: string, algorithm: string, cipher?: string): WireCase => ({
  name,
  steps: [encrypt(keyName, algorithm, cipher), ({ bytes }) => decrypt(bytes)],
});

/** Over HTTP the name of the component is in the path. */
const subtle = (
  verb: string,
  rpc: (typeof m)[keyof typeof m],
  fields: Record<string, unknown>,
  outcome: Outcome,
): WireStep => ({
  http: ask(
    "POST",
    `/v1.0-alpha1/subtlecrypto/keys/${verb}`,
    Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [
        key,
        value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
      ]),
    ),
  ),
  grpc: call(rpc, { componentName: "keys", ...fields } as never),
  expect: outcome,
});
const nonce = Buffer.alloc(12, 7);
const some = expect.stringMatching(/./);
const of = (json: Readonly<Record<string, unknown>>, field: string) => Buffer.from(String(json[field] ?? ""), "base64");

export const cryptoCases: readonly WireCase[] = [
  roundTrip("what is encrypted under an AES key comes back", "aes", "AES"),
  roundTrip("what is encrypted under an RSA key comes back", "rsa", "RSA"),
  roundTrip("what is encrypted by ChaCha20 comes back", "aes", "A256KW", "chacha20-poly1305"),
  {
    name: "encryption without a key or an algorithm is refused",
    steps: [
      {
        http: { verb: "PUT", path: "/v1.0-alpha1/crypto/keys/encrypt", body: "x" },
        expect: fails("cryptoRequest", { why: "header dapr-key-name is missing" }),
      },
      {
        grpc: stream(m.encryptAlpha1, { options: { componentName: "keys", keyWrapAlgorithm: "AES" } }),
        expect: fails("cryptoRequest", { why: "the name of the key is missing" }),
      },
    ],
  },
  {
    name: "an unknown provider is refused",
    steps: [
      {
        http: {
          verb: "PUT",
          path: "/v1.0-alpha1/crypto/nope/encrypt",
          headers: { "dapr-key-name": "aes", "dapr-key-wrap-algorithm": "AES" },
          body: "x",
        },
        grpc: stream(m.encryptAlpha1, { options: { componentName: "nope", keyName: "aes", keyWrapAlgorithm: "AES" } }),
        expect: fails("cryptoNotFound", { name: "nope", known: "keys" }),
      },
    ],
  },
  {
    name: "a single value is encrypted and decrypted",
    steps: [
      subtle(
        "encrypt",
        m.subtleEncryptAlpha1,
        { plaintext: Buffer.from("hi"), algorithm: "A256GCM", keyName: "aes", nonce },
        { message: { ciphertext: some, tag: some } },
      ),
      ({ json }) =>
        subtle(
          "decrypt",
          m.subtleDecryptAlpha1,
          { ciphertext: of(json, "ciphertext"), tag: of(json, "tag"), algorithm: "A256GCM", keyName: "aes", nonce },
          { message: { plaintext: base64("hi") } },
        ),
    ],
  },
  {
    name: "a key is wrapped and unwrapped",
    steps: [
      subtle(
        "wrapkey",
        m.subtleWrapKeyAlpha1,
        { plaintextKey: Buffer.alloc(32, 1), algorithm: "A256KW", keyName: "aes" },
        { message: { wrappedKey: some } },
      ),
      ({ json }) =>
        subtle(
          "unwrapkey",
          m.subtleUnwrapKeyAlpha1,
          { wrappedKey: of(json, "wrappedKey"), algorithm: "A256KW", keyName: "aes" },
          { message: { plaintextKey: Buffer.alloc(32, 1).toString("base64") } },
        ),
    ],
  },
  {
    name: "a digest is signed and verified",
    steps: [
      subtle(
        "sign",
        m.subtleSignAlpha1,
        { digest: createHash("sha256").update("hi").digest(), algorithm: "ES256", keyName: "ec" },
        { message: { signature: some } },
      ),
      ({ json }) =>
        subtle(
          "verify",
          m.subtleVerifyAlpha1,
          {
            digest: createHash("sha256").update("hi").digest(),
            signature: of(json, "signature"),
            algorithm: "ES256",
            keyName: "ec",
          },
          { message: { valid: true } },
        ),
    ],
  },
  {
    name: "a public key is given as PEM and as JSON",
    steps: [
      subtle(
        "getkey",
        m.subtleGetKeyAlpha1,
        { name: "rsa" },
        { message: { name: "rsa", publicKey: expect.stringContaining("BEGIN PUBLIC KEY") } },
      ),
      {
        http: ask("POST", "/v1.0-alpha1/subtlecrypto/keys/getkey", { name: "rsa", format: "JSON" }),
        grpc: call(m.subtleGetKeyAlpha1, { componentName: "keys", name: "rsa", format: 1 }),
        expect: { message: { name: "rsa", publicKey: expect.stringContaining('"kty":"RSA"') } },
      },
    ],
  },
];
