import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fail } from "../../../specs/errors.ts";

/** Encrypts the values of one store. Stored form: base64(nonce 12, ciphertext, tag 16) `||` key name. */
export interface ValueCipher {
  encrypt(plain: Uint8Array): Uint8Array;
  /** Throws when the value was written with a key that is not configured, or was changed. */
  decrypt(stored: Uint8Array): Uint8Array;
}

const nonceBytes = 12;
const tagBytes = 16;
const ciphers: Readonly<Record<number, "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm">> = {
  16: "aes-128-gcm",
  24: "aes-192-gcm",
  32: "aes-256-gcm",
};

interface Key {
  /** Written behind every value, so that reading finds the key again. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly algorithm: "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";
}

function parseKey(store: string, setting: string, hex: string, name: string): Key {
  const bytes = Buffer.from(hex, "hex");
  const algorithm = ciphers[bytes.length];
  if (bytes.length * 2 !== hex.length || !algorithm) {
    throw fail("openFailed", {
      why: `state store ${store}: ${setting} must be 16, 24 or 32 bytes in hex, e.g. from \`openssl rand -hex 32\``,
    });
  }
  return { name, bytes, algorithm };
}

/**
 * The cipher of a store, or undefined when no key is configured. The primary key writes; both read. `nameOf` gives the name
 * of a setting's key: that of the secret it was read from, else the setting's own.
 */
export function openCipher(
  store: string,
  primary: unknown,
  secondary: unknown,
  nameOf: (setting: string) => string = (setting) => setting,
): ValueCipher | undefined {
  const keyOf = (setting: string, hex: string) => parseKey(store, setting, hex, nameOf(setting));
  if (typeof primary !== "string" || primary === "") return undefined;
  const writer = keyOf("primaryEncryptionKey", primary);
  const readers = [writer];
  if (typeof secondary === "string" && secondary !== "") readers.push(keyOf("secondaryEncryptionKey", secondary));
  return {
    encrypt: (plain) => encryptWith(writer, plain),
    decrypt: (stored) => decryptWith(store, readers, stored),
  };
}

function encryptWith(key: Key, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(key.algorithm, key.bytes, nonce);
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return Buffer.from(`${sealed.toString("base64")}||${key.name}`);
}

function decryptWith(store: string, readers: readonly Key[], stored: Uint8Array): Uint8Array {
  const text = Buffer.from(stored).toString("utf8");
  const cut = text.indexOf("||");
  if (cut < 0) throw new Error(`a value of state store ${store} is not encrypted, but an encryption key is configured`);
  const sealed = Buffer.from(text.slice(0, cut), "base64");
  const named = text.slice(cut + 2);
  // After a rotation the name says primary while the bytes were sealed by what is now the secondary: try both.
  for (const key of [...readers.filter((k) => k.name === named), ...readers.filter((k) => k.name !== named)]) {
    try {
      const decipher = createDecipheriv(key.algorithm, key.bytes, sealed.subarray(0, nonceBytes));
      decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
      return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)), decipher.final()]);
    } catch {
      // The tag does not fit this key; the next one may.
    }
  }
  throw new Error(
    `a value of state store ${store} was encrypted with a key that is neither primary nor secondary, or was changed`,
  );
}
