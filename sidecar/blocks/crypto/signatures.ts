import { constants, createHmac, privateEncrypt, publicDecrypt, sign, timingSafeEqual, verify } from "node:crypto";
import { fail } from "../../../specs/errors.ts";
import { signEcdsa, verifyEcdsa } from "./ecdsa.ts";
import { type Key, requirePrivate, requirePublic, requireSecret } from "./keys.ts";
import { encodePss, verifyPss } from "./pss.ts";

/** A way to sign digests that the caller made. Both throw an Error in words that are safe to tell. */
export interface Signature {
  sign(key: Key, digest: Uint8Array): Uint8Array;
  verify(key: Key, digest: Uint8Array, signature: Uint8Array): boolean;
}

/** What stands before a digest in PKCS#1 v1.5 (RFC 8017, section 9.2, note 1). */
const digestInfo: Readonly<Record<string, string>> = {
  "256": "3031300d060960864801650304020105000420",
  "384": "3041300d060960864801650304020205000430",
  "512": "3051300d060960864801650304020305000440",
};

const curveOf: Readonly<Record<string, string>> = { "256": "P-256", "384": "P-384", "512": "P-521" };

/** By name, as RFC 7518 and RFC 8037 call them. */
export const signatures: Readonly<Record<string, Signature>> = {
  ...Object.fromEntries(
    ["256", "384", "512"].flatMap((bits): [string, Signature][] => [
      [`RS${bits}`, ofDigest(bits, pkcs1(digestInfo[bits] as string))],
      [`PS${bits}`, ofDigest(bits, pss(`sha${bits}`))],
      [`ES${bits}`, ofDigest(bits, ecdsa(curveOf[bits] as string))],
      [`HS${bits}`, hmac(`sha${bits}`)],
    ]),
  ),
  EdDSA: {
    sign: (key, message) => sign(null, message, requirePrivate(key, "ed25519")),
    verify: (key, message, signature) => verify(null, message, requirePublic(key, "ed25519"), signature),
  },
};

/** Refuses what cannot be a digest of the hash; throws `cryptoRequest`. */
function ofDigest(bits: string, inner: Signature): Signature {
  const checked = (digest: Uint8Array) => {
    if (digest.length * 8 === Number(bits)) return digest;
    throw fail("cryptoRequest", {
      why: `digest must be a SHA-${bits} digest of ${Number(bits) / 8} bytes, got ${digest.length}`,
    });
  };
  return {
    sign: (key, digest) => inner.sign(key, checked(digest)),
    verify: (key, digest, signature) => inner.verify(key, checked(digest), signature),
  };
}

function pkcs1(prefixHex: string): Signature {
  const prefix = Buffer.from(prefixHex, "hex");
  return {
    sign(key, digest) {
      const info = Buffer.concat([prefix, digest]);
      return privateEncrypt({ key: requirePrivate(key, "rsa"), padding: constants.RSA_PKCS1_PADDING }, info);
    },
    verify(key, digest, signature) {
      const publicKey = requirePublic(key, "rsa");
      const info = recovered(() => publicDecrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature));
      return info?.equals(Buffer.concat([prefix, digest])) ?? false;
    },
  };
}

function pss(hash: string): Signature {
  const bare = constants.RSA_NO_PADDING;
  return {
    sign(key, digest) {
      const privateKey = requirePrivate(key, "rsa");
      const bits = privateKey.asymmetricKeyDetails?.modulusLength ?? 0;
      return privateEncrypt({ key: privateKey, padding: bare }, encodePss(digest, hash, bits));
    },
    verify(key, digest, signature) {
      const publicKey = requirePublic(key, "rsa");
      const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
      if (signature.length !== Math.ceil(bits / 8)) return false;
      const encoded = recovered(() => publicDecrypt({ key: publicKey, padding: bare }, signature));
      return encoded !== undefined && verifyPss(encoded, digest, hash, bits);
    },
  };
}

/** A signature that the platform cannot undo belongs to no digest. */
function recovered(undo: () => Buffer): Buffer | undefined {
  try {
    return undo();
  } catch {
    return undefined;
  }
}

function ecdsa(curve: string): Signature {
  return {
    sign: (key, digest) => signEcdsa(key, curve, digest),
    verify: (key, digest, signature) => verifyEcdsa(key, curve, digest, signature),
  };
}

function hmac(hash: string): Signature {
  const code = (key: Key, message: Uint8Array) => createHmac(hash, requireSecret(key)).update(message).digest();
  return {
    sign: code,
    verify(key, message, signature) {
      const expected = code(key, message);
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    },
  };
}
