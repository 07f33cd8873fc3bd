import { constants, createHash, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import type { Jwk } from "../../../../../components/contract/crypto.ts";
import { toKey } from "../../../../../sidecar/blocks/crypto/keys.ts";
import { signatures } from "../../../../../sidecar/blocks/crypto/signatures.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
// A modulus of 8n+1 bits leaves the first byte of the padding out, one of 8n+2 leaves bits unused.
const oddRsa = generateKeyPairSync("rsa", { modulusLength: 1025 });
const ec = {
  "P-256": generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "P-384": generateKeyPairSync("ec", { namedCurve: "P-384" }),
  "P-521": generateKeyPairSync("ec", { namedCurve: "P-521" }),
};
const ed25519 = generateKeyPairSync("ed25519");
const jwkOf = (pair: typeof rsa) => pair.privateKey.export({ format: "jwk" }) as Jwk;

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
/** What the platform needs to know to sign or verify a text by the same algorithm. */
const cases = [
  ["RS256", "sha256", rsa, {}],
  ["RS384", "sha384", rsa, {}],
  ["RS512", "sha512", rsa, {}],
  ["PS256", "sha256", rsa, pss],
  ["PS384", "sha384", rsa, pss],
  ["PS512", "sha512", rsa, pss],
  ["PS256", "sha256", oddRsa, pss],
  ["ES256", "sha256", ec["P-256"], {}],
  ["ES384", "sha384", ec["P-384"], {}],
  ["ES512", "sha512", ec["P-521"], {}],
] as const;

const algorithm = (name: string) => {
  const found = signatures[name];
  if (!found) throw new Error(`${name} is not there`);
  return found;
};

test("there are the algorithms of the published API and no other", () => {
  const families = ["RS", "PS", "ES", "HS"].flatMap((family) => [256, 384, 512].map((bits) => `${family}${bits}`));
  expect(Object.keys(signatures).sort()).toEqual([...families, "EdDSA"].sort());
});

test.each(cases)(
  "%s signatures of a digest are those that the platform makes of the text",
  (name, hash, pair, options) => {
    const key = toKey(jwkOf(pair));
    for (let i = 0; i < 8; i++) {
      const text = randomBytes(20 + i);
      const digest = createHash(hash).update(text).digest();
      const ours = algorithm(name).sign(key, digest);
      expect(verify(hash, text, { key: pair.publicKey, ...options }, ours)).toBe(true);
      expect(algorithm(name).verify(key, digest, ours)).toBe(true);
      const theirs = sign(hash, text, { key: pair.privateKey, ...options });
      expect(algorithm(name).verify(key, digest, theirs)).toBe(true);
    }
  },
);

test.each(cases)("%s refuses another digest, another key and any changed signature", (name, hash, pair) => {
  const key = toKey(jwkOf(pair));
  const digest = createHash(hash).update("text").digest();
  const signature = Buffer.from(algorithm(name).sign(key, digest));
  expect(algorithm(name).verify(key, createHash(hash).update("other").digest(), signature)).toBe(false);
  const bits = digest.length * 8;
  const type = name.startsWith("ES") ? ec[bits === 256 ? "P-256" : bits === 384 ? "P-384" : "P-521"] : rsa;
  const other =
    type === rsa
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: String(jwkOf(type)["crv"]) });
  expect(algorithm(name).verify(toKey(jwkOf(other)), digest, signature)).toBe(false);
  for (let at = 0; at < signature.length; at += 7) {
    const changed = Buffer.from(signature);
    changed[at] = (changed[at] as number) ^ 0x10;
    expect(algorithm(name).verify(key, digest, changed)).toBe(false);
  }
  for (const broken of [
    signature.subarray(1),
    Buffer.concat([signature, Buffer.alloc(1)]),
    Buffer.alloc(0),
    Buffer.alloc(256),
  ]) {
    expect(algorithm(name).verify(key, digest, broken)).toBe(false);
  }
});

test.each(Object.entries(ec))("bare r and s are taken on %s too", (curve, pair) => {
  const [name, hash] = { "P-256": ["ES256", "sha256"], "P-384": ["ES384", "sha384"], "P-521": ["ES512", "sha512"] }[
    curve
  ] as [string, string];
  const bare = sign(hash, Buffer.from("text"), { key: pair.privateKey, dsaEncoding: "ieee-p1363" });
  const digest = createHash(hash).update("text").digest();
  expect(algorithm(name).verify(toKey(jwkOf(pair)), digest, bare)).toBe(true);
  expect(algorithm(name).verify(toKey(jwkOf(pair)), digest, Buffer.alloc(bare.length))).toBe(false);
});

test("EdDSA signs the message itself, and HS codes it", () => {
  const key = toKey(jwkOf(ed25519));
  const message = Buffer.from("any message");
  const signature = algorithm("EdDSA").sign(key, message);
  expect(verify(null, message, ed25519.publicKey, signature)).toBe(true);
  expect(algorithm("EdDSA").verify(key, message, signature)).toBe(true);
  expect(algorithm("EdDSA").verify(key, Buffer.from("other"), signature)).toBe(false);
  // RFC 4231, test case 2
  const secret = toKey({ kty: "oct", k: Buffer.from("Jefe").toString("base64url") });
  const text = Buffer.from("what do ya want for nothing?");
  const code = Buffer.from(algorithm("HS256").sign(secret, text));
  expect(code.toString("hex")).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  expect(algorithm("HS256").verify(secret, text, code)).toBe(true);
  expect(algorithm("HS256").verify(secret, text, code.subarray(1))).toBe(false);
});

test("what does not fit is told", () => {
  const digest = createHash("sha256").update("text").digest();
  const publicOnly = toKey(rsa.publicKey.export({ format: "jwk" }) as Jwk);
  expect(() => algorithm("RS256").sign(publicOnly, digest)).toThrow("needs a private key");
  expect(() => algorithm("RS256").sign(toKey(jwkOf(ec["P-256"])), digest)).toThrow(
    "needs a key of type rsa, this one is ec",
  );
  expect(() => algorithm("ES256").sign(toKey(jwkOf(ec["P-384"])), digest)).toThrow(
    "on curve P-256, this one is on P-384",
  );
  expect(() => algorithm("RS512").sign(toKey(jwkOf(rsa)), digest)).toThrow("SHA-512 digest of 64 bytes, got 32");
  expect(() => algorithm("ES256").sign(toKey(jwkOf(ec["P-256"])), Buffer.alloc(32))).toThrow("must not be zero");
});
