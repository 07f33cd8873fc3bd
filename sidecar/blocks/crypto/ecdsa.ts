import { createECDH, createHash, createPrivateKey, type JsonWebKey, randomBytes, sign } from "node:crypto";
import { type Curve, curves, invert, mod, sumOfMultiples } from "./curves.ts";
import { type Key, requirePrivate, requirePublic } from "./keys.ts";

/**
 * ECDSA for a digest that the caller made (FIPS 186-4, section 6). The platform signs only what it has hashed itself.
 * Signatures are ASN.1 (SEQUENCE of r and s).
 */

export function signEcdsa(key: Key, curveName: string, digest: Uint8Array): Buffer {
  requirePrivate(key, "ec");
  const curve = requireCurve(key, curveName);
  const z = mod(toInteger(digest), curve.n);
  if (z === 0n) throw new Error("the digest must not be zero");
  // Let e be the hash of a random text. The platform's signature of that text by the key d·e/z is
  // (r, (e + r·d·e/z)/k), which times z/e is (z + r·d)/k: the signature of the digest by d. So the platform chooses k
  // and keeps it secret, and d is only ever multiplied by a random number here.
  const text = randomBytes(curve.bytes);
  const e = mod(toInteger(createHash(curve.hash).update(text).digest()), curve.n);
  const d = toInteger(Buffer.from(String(key.jwk["d"]), "base64url"));
  const scaled = mod(d * mod(e * invert(z, curve.n), curve.n), curve.n);
  const pair = sign(curve.hash, text, { key: privateKeyOf(curve, curveName, scaled), dsaEncoding: "ieee-p1363" });
  const r = toInteger(pair.subarray(0, curve.bytes));
  const s = mod(toInteger(pair.subarray(curve.bytes)) * mod(z * invert(e, curve.n), curve.n), curve.n);
  return derSequence([derInteger(r), derInteger(s)]);
}

/** Takes signatures in ASN.1 and as bare r and s of full length. */
export function verifyEcdsa(key: Key, curveName: string, digest: Uint8Array, signature: Uint8Array): boolean {
  requirePublic(key, "ec");
  const curve = requireCurve(key, curveName);
  const pair = parseSignature(Buffer.from(signature), curve.bytes);
  if (!pair) return false;
  const { r, s } = pair;
  const { n } = curve;
  if (r <= 0n || r >= n || s <= 0n || s >= n) return false;
  const w = invert(s, n);
  const [x, y] = ["x", "y"].map((name) => toInteger(Buffer.from(String(key.jwk[name]), "base64url")));
  const sum = sumOfMultiples(curve, mod(toInteger(digest) * w, n), mod(r * w, n), [x ?? 0n, y ?? 0n, 1n]);
  return sum !== undefined && mod(sum, n) === r;
}

function requireCurve(key: Key, name: string): Curve {
  const curve = curves[name];
  if (!curve || key.jwk["crv"] !== name)
    throw new Error(`the algorithm needs a key on curve ${name}, this one is on ${key.jwk["crv"]}`);
  return curve;
}

function privateKeyOf({ name, bytes }: Curve, crv: string, d: bigint) {
  const pair = createECDH(name);
  const secret = toBytes(d, bytes);
  pair.setPrivateKey(secret);
  const point = pair.getPublicKey();
  const part = (from: number) => point.subarray(from, from + bytes).toString("base64url");
  const jwk: JsonWebKey = { kty: "EC", crv, d: secret.toString("base64url"), x: part(1), y: part(1 + bytes) };
  return createPrivateKey({ key: jwk, format: "jwk" });
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes).toString("hex")}`);
}

function toBytes(value: bigint, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(bytes * 2, "0"), "hex");
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  // A first bit of 1 would make it negative.
  const positive = (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
  return Buffer.concat([Buffer.from([0x02, positive.length]), positive]);
}

function derSequence(items: readonly Buffer[]): Buffer {
  const content = Buffer.concat(items);
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Buffer.concat([Buffer.from([0x30, ...length]), content]);
}

function parseSignature(signature: Buffer, bytes: number): { r: bigint; s: bigint } | undefined {
  const der = parseDer(signature);
  if (der) return der;
  if (signature.length !== bytes * 2) return undefined;
  return { r: toInteger(signature.subarray(0, bytes)), s: toInteger(signature.subarray(bytes)) };
}

/** Only the one encoding that DER allows: what reads back to other bytes is not a signature. */
function parseDer(signature: Buffer): { r: bigint; s: bigint } | undefined {
  const start = signature[1] === 0x81 ? 3 : 2;
  const rLength = signature[start + 1] ?? 0;
  const sLength = signature[start + 3 + rLength] ?? 0;
  const r = toInteger(signature.subarray(start + 2, start + 2 + rLength));
  const s = toInteger(signature.subarray(start + 4 + rLength, start + 4 + rLength + sLength));
  return derSequence([derInteger(r), derInteger(s)]).equals(signature) ? { r, s } : undefined;
}
