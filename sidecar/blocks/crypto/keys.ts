import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { Jwk } from "../../../components/contract/crypto.ts";

/** A key ready for use. What the key does not have is undefined. */
export interface Key {
  readonly jwk: Jwk;
  /** Bytes of a symmetric key. */
  readonly secret: Buffer | undefined;
  readonly publicKey: KeyObject | undefined;
  readonly privateKey: KeyObject | undefined;
}

// Key stores give the same object for the same key, and reading an RSA key takes longer than using it.
const known = new WeakMap<Jwk, Key>();

/**
 * Reads a JSON Web Key.
 * @throws Error that says what is wrong and quotes nothing of the key
 */
export function toKey(jwk: Jwk): Key {
  const found = known.get(jwk);
  if (found) return found;
  const key = jwk.kty === "oct" ? symmetric(jwk) : asymmetric(jwk);
  known.set(jwk, key);
  return key;
}

function symmetric(jwk: Jwk): Key {
  const secret = typeof jwk["k"] === "string" ? Buffer.from(jwk["k"], "base64url") : Buffer.alloc(0);
  if (secret.length === 0) throw new Error("the symmetric key has no value (k)");
  return { jwk, secret, publicKey: undefined, privateKey: undefined };
}

function asymmetric(jwk: Jwk): Key {
  try {
    const input = { key: jwk as JsonWebKey, format: "jwk" } as const;
    const privateKey = jwk["d"] === undefined ? undefined : createPrivateKey(input);
    return { jwk, secret: undefined, publicKey: createPublicKey(input), privateKey };
  } catch (error) {
    throw new Error(`the key (kty ${jwk.kty}) cannot be read`, { cause: error });
  }
}

/** The bytes of a symmetric key of `bytes` length; undefined: any length. */
export function requireSecret(key: Key, bytes?: number): Buffer {
  if (!key.secret) throw new Error("the algorithm needs a symmetric key, and this one is not");
  if (bytes !== undefined && key.secret.length !== bytes) {
    throw new Error(`the algorithm needs a key of ${bytes} bytes, this one has ${key.secret.length}`);
  }
  return key.secret;
}

/** The public half of a key of that type (`rsa`, `ec`, `ed25519`). */
export function requirePublic(key: Key, type: string): KeyObject {
  return ofType(key.publicKey, type);
}

/** The private half of a key of that type. */
export function requirePrivate(key: Key, type: string): KeyObject {
  const found = ofType(key.publicKey && (key.privateKey ?? key.publicKey), type);
  if (found.type !== "private") throw new Error("the operation needs a private key, and only the public half is there");
  return found;
}

function ofType(key: KeyObject | undefined, type: string): KeyObject {
  if (key?.asymmetricKeyType === type) return key;
  throw new Error(`the algorithm needs a key of type ${type}, this one is ${key?.asymmetricKeyType ?? "symmetric"}`);
}
