import {
  type CipherCCMTypes,
  type CipherGCMTypes,
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  privateDecrypt,
  publicEncrypt,
  timingSafeEqual,
} from "node:crypto";
import { fail } from "../../../specs/errors.ts";
import { hchacha20 } from "./hchacha20.ts";
import { type Key, requirePrivate, requirePublic, requireSecret } from "./keys.ts";

export interface Sealed {
  readonly ciphertext: Uint8Array;
  /** Empty unless the cipher authenticates. */
  readonly tag: Uint8Array;
}

export interface Extras {
  readonly nonce: Uint8Array;
  readonly associatedData: Uint8Array;
}

/** A way to encrypt data or wrap keys. Both throw an Error in words that are safe to tell. */
export interface Cipher {
  encrypt(key: Key, plaintext: Uint8Array, extras: Extras): Sealed;
  decrypt(key: Key, sealed: Sealed, extras: Extras): Uint8Array;
}

const none = new Uint8Array();
const tagBytes = 16;

/** By name, as RFC 7518 and the published API call them. */
export const ciphers: Readonly<Record<string, Cipher>> = {
  ...Object.fromEntries(
    [128, 192, 256].flatMap((bits): [string, Cipher][] => [
      [`A${bits}CBC`, aesCbc(bits, true)],
      [`A${bits}CBC-NOPAD`, aesCbc(bits, false)],
      [`A${bits}GCM`, aead(`aes-${bits}-gcm` as CipherGCMTypes, bits / 8)],
      [`A${bits}GCMKW`, aead(`aes-${bits}-gcm` as CipherGCMTypes, bits / 8)],
      [`A${bits}KW`, aesKeyWrap(bits)],
      [`A${bits}CBC-HS${bits * 2}`, aesCbcHmac(bits)],
    ]),
  ),
  C20P: aead("chacha20-poly1305", 32),
  C20PKW: aead("chacha20-poly1305", 32),
  XC20P: xchacha(),
  XC20PKW: xchacha(),
  RSA1_5: rsa({ padding: constants.RSA_PKCS1_PADDING }),
  "RSA-OAEP": rsa({ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" }),
  "RSA-OAEP-256": rsa({ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }),
  "RSA-OAEP-384": rsa({ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha384" }),
  "RSA-OAEP-512": rsa({ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha512" }),
};

/** The nonce, which must have the length the cipher takes; throws `cryptoRequest`. */
function requireNonce({ nonce }: Extras, bytes: number): Uint8Array {
  if (nonce.length === bytes) return nonce;
  throw fail("cryptoRequest", { why: `nonce must have ${bytes} bytes for this algorithm, got ${nonce.length}` });
}

/** What a cipher refuses is told without its own words, which differ and may help to guess keys. */
function opened<T>(decrypt: () => T): T {
  try {
    return decrypt();
  } catch (error) {
    throw new Error("the ciphertext cannot be decrypted with this key, nonce, tag and associated data", {
      cause: error,
    });
  }
}

function aesCbc(bits: number, padded: boolean): Cipher {
  const name = `aes-${bits}-cbc`;
  return {
    encrypt(key, plaintext, extras) {
      if (!padded && plaintext.length % 16 !== 0) {
        throw fail("cryptoRequest", {
          why: `without padding the length must be a multiple of 16, got ${plaintext.length}`,
        });
      }
      const cipher = createCipheriv(name, requireSecret(key, bits / 8), requireNonce(extras, 16));
      cipher.setAutoPadding(padded);
      return { ciphertext: Buffer.concat([cipher.update(plaintext), cipher.final()]), tag: none };
    },
    decrypt(key, { ciphertext }, extras) {
      const cipher = createDecipheriv(name, requireSecret(key, bits / 8), requireNonce(extras, 16));
      cipher.setAutoPadding(padded);
      return opened(() => Buffer.concat([cipher.update(ciphertext), cipher.final()]));
    },
  };
}

/** RFC 7518, section 5.2: the key is half for the code and half for the cipher; the tag is half of the code. */
function aesCbcHmac(bits: number): Cipher {
  const bytes = bits / 8;
  const cbc = aesCbc(bits, true);
  const halves = (key: Key) => {
    const both = requireSecret(key, bytes * 2);
    return { mac: both.subarray(0, bytes), cipher: { ...key, secret: both.subarray(bytes) } };
  };
  const tagOf = (mac: Uint8Array, ciphertext: Uint8Array, { nonce, associatedData }: Extras) => {
    const bitLength = Buffer.alloc(8);
    bitLength.writeBigUInt64BE(BigInt(associatedData.length) * 8n);
    const code = createHmac(`sha${bits * 2}`, mac)
      .update(associatedData)
      .update(nonce)
      .update(ciphertext)
      .update(bitLength);
    return code.digest().subarray(0, bytes);
  };
  return {
    encrypt(key, plaintext, extras) {
      const { mac, cipher } = halves(key);
      const { ciphertext } = cbc.encrypt(cipher, plaintext, extras);
      return { ciphertext, tag: tagOf(mac, ciphertext, extras) };
    },
    decrypt(key, sealed, extras) {
      const { mac, cipher } = halves(key);
      const expected = tagOf(mac, sealed.ciphertext, extras);
      return opened(() => {
        if (sealed.tag.length !== bytes || !timingSafeEqual(expected, sealed.tag)) throw new Error("the tag differs");
        return cbc.decrypt(cipher, sealed, extras);
      });
    },
  };
}

function aead(name: CipherGCMTypes | "chacha20-poly1305", keyBytes: number): Cipher {
  // One set of options for both families; the types of the platform know them apart.
  const type = name as CipherCCMTypes;
  const options = { authTagLength: tagBytes };
  return {
    encrypt(key, plaintext, extras) {
      const cipher = createCipheriv(type, requireSecret(key, keyBytes), requireNonce(extras, 12), options);
      cipher.setAAD(extras.associatedData, { plaintextLength: plaintext.length });
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return { ciphertext, tag: cipher.getAuthTag() };
    },
    decrypt(key, { ciphertext, tag }, extras) {
      const cipher = createDecipheriv(type, requireSecret(key, keyBytes), requireNonce(extras, 12), options);
      return opened(() => {
        cipher.setAAD(extras.associatedData, { plaintextLength: ciphertext.length });
        cipher.setAuthTag(tag);
        return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
      });
    },
  };
}

/** draft-irtf-cfrg-xchacha, section 2: a key and nonce for ChaCha20-Poly1305 are made from key and longer nonce. */
function xchacha(): Cipher {
  const inner = aead("chacha20-poly1305", 32);
  const derived = (key: Key, extras: Extras) => {
    const nonce = requireNonce(extras, 24);
    const secret = hchacha20(requireSecret(key, 32), nonce.subarray(0, 16));
    return [
      { ...key, secret },
      { ...extras, nonce: Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]) },
    ] as const;
  };
  return {
    encrypt(key, plaintext, extras) {
      const [subkey, rest] = derived(key, extras);
      return inner.encrypt(subkey, plaintext, rest);
    },
    decrypt(key, sealed, extras) {
      const [subkey, rest] = derived(key, extras);
      return inner.decrypt(subkey, sealed, rest);
    },
  };
}

/** RFC 3394. */
function aesKeyWrap(bits: number): Cipher {
  const name = `id-aes${bits}-wrap`;
  const iv = Buffer.alloc(8, 0xa6);
  return {
    encrypt(key, plaintext) {
      if (plaintext.length % 8 !== 0 || plaintext.length < 16) {
        throw fail("cryptoRequest", { why: `key wrap takes 16, 24, 32, ... bytes, got ${plaintext.length}` });
      }
      const cipher = createCipheriv(name, requireSecret(key, bits / 8), iv);
      return { ciphertext: Buffer.concat([cipher.update(plaintext), cipher.final()]), tag: none };
    },
    decrypt(key, { ciphertext }) {
      const cipher = createDecipheriv(name, requireSecret(key, bits / 8), iv);
      return opened(() => Buffer.concat([cipher.update(ciphertext), cipher.final()]));
    },
  };
}

function rsa(options: { readonly padding: number; readonly oaepHash?: string }): Cipher {
  const withLabel = ({ associatedData }: Extras) =>
    options.oaepHash && associatedData.length > 0 ? { ...options, oaepLabel: associatedData } : options;
  return {
    encrypt(key, plaintext, extras) {
      const publicKey = requirePublic(key, "rsa");
      try {
        return { ciphertext: publicEncrypt({ key: publicKey, ...withLabel(extras) }, plaintext), tag: none };
      } catch (error) {
        throw new Error(`${plaintext.length} bytes are too long for this key`, { cause: error });
      }
    },
    decrypt(key, { ciphertext }, extras) {
      const privateKey = requirePrivate(key, "rsa");
      return opened(() => privateDecrypt({ key: privateKey, ...withLabel(extras) }, ciphertext));
    },
  };
}
