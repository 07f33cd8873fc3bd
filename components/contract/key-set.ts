import type { Jwk } from "./crypto.ts";

/** True for an object that names its key type, as every JSON Web Key does (RFC 7517). */
export function isJwk(value: unknown): value is Jwk {
  return typeof value === "object" && value !== null && "kty" in value && typeof value.kty === "string";
}

/**
 * Reads a JSON Web Key Set, `{"keys": [...]}`, into keys by their `kid`; keys without one cannot be asked for and are
 * left out.
 * @throws Error that says what is wrong and quotes nothing of the text, which may hold private keys
 */
export function parseKeySet(text: string): ReadonlyMap<string, Jwk> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error("the key set is not JSON");
  }
  const keys = typeof document === "object" && document !== null && "keys" in document ? document.keys : undefined;
  if (!Array.isArray(keys)) throw new Error('the key set must be an object with an array "keys"');
  const broken = keys.findIndex((key) => !isJwk(key));
  if (broken >= 0) throw new Error(`keys[${broken}] of the key set has no key type (kty)`);
  const named = (keys as Jwk[]).filter((key) => typeof key["kid"] === "string");
  return new Map(named.map((key) => [key["kid"] as string, key]));
}
