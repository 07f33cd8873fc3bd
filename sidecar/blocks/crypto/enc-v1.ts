import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import {
  type KeyWrap,
  type KeyWrapId,
  keyWraps,
  noncePrefixBytes,
  type PayloadCipherId,
  payloadCiphers,
  payloadKey,
  readHeader,
  writeHeader,
} from "./enc-v1-header.ts";
import { inPieces, LineReader } from "./segments.ts";

/**
 * The encryption scheme dapr.io/enc/v1: a header of three lines (enc-v1-header.ts), then segments that are encrypted one
 * by one. Data passes through in constant memory, at the speed at which the result is taken.
 */

/** Plaintext of a segment; only the last one may be shorter, and only when it is the first one may it be empty. */
const segmentBytes = 65_536;
const tagBytes = 16;
const fileKeyBytes = 32;
const maxSegments = 2 ** 32;

export interface EncryptOptions {
  readonly keyWrap: KeyWrapId;
  readonly cipher: PayloadCipherId;
  /** Name of the key for decryption to put into the header; empty: none. */
  readonly keyName: string;
  /** Encrypts the key of this one message. */
  readonly wrap: (fileKey: Uint8Array) => Promise<Uint8Array>;
}

/** Encrypts; rejects as `wrap` does before the first byte of the source is read. */
export async function encryptV1(
  source: AsyncIterable<Uint8Array>,
  { keyWrap, cipher, keyName, wrap }: EncryptOptions,
): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
  const fileKey = randomBytes(fileKeyBytes);
  const prefix = randomBytes(noncePrefixBytes);
  const manifest = {
    ...(keyName ? { k: keyName } : {}),
    kw: keyWrap,
    wfk: await wrap(fileKey),
    cph: cipher,
    np: prefix,
  };
  const header = writeHeader(manifest, fileKey);
  const seal = sealer(cipher, payloadKey(fileKey, prefix), prefix);
  return (async function* () {
    yield header;
    let index = 0;
    for await (const { piece, last } of inPieces(source, segmentBytes)) yield seal(piece, index++, last);
  })();
}

export interface DecryptOptions {
  /** Decrypts the key of the message. `keyName` is that of the header; undefined: the header names none. */
  readonly unwrap: (wrapped: Uint8Array, algorithm: KeyWrap, keyName: string | undefined) => Promise<Uint8Array>;
}

/**
 * Decrypts; rejects when the header is not whole and genuine. The result gives only what was verified, and throws when
 * a segment was changed, moved or cut off.
 */
export async function decryptV1(
  source: AsyncIterable<Uint8Array>,
  { unwrap }: DecryptOptions,
): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
  const reader = new LineReader(source);
  try {
    const { manifest, verify } = await readHeader(reader);
    const fileKey = await unwrap(manifest.wfk, keyWraps[manifest.kw], manifest.k);
    if (fileKey.length !== fileKeyBytes) throw new Error("the header does not belong to this key, or it was changed");
    verify(fileKey);
    const open = opener(manifest.cph, payloadKey(fileKey, manifest.np), manifest.np);
    return (async function* () {
      let index = 0;
      for await (const { piece, last } of inPieces(reader.rest(), segmentBytes + tagBytes))
        yield open(piece, index++, last);
    })();
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** Nonce of a segment: prefix, number in 4 bytes, 1 when it is the last. */
function nonceOf(prefix: Uint8Array, index: number, last: boolean): Buffer {
  if (index >= maxSegments) throw new Error("the data is longer than this scheme can hold, 256 TiB");
  const nonce = Buffer.alloc(noncePrefixBytes + 5);
  nonce.set(prefix);
  nonce.writeUInt32BE(index, noncePrefixBytes);
  nonce[noncePrefixBytes + 4] = last ? 1 : 0;
  return nonce;
}

const options = { authTagLength: tagBytes };

function sealer(cipherId: PayloadCipherId, key: Buffer, prefix: Uint8Array) {
  const name = payloadCiphers[cipherId];
  return (plaintext: Uint8Array, index: number, last: boolean): Uint8Array => {
    const nonce = nonceOf(prefix, index, last);
    // Two calls, as the platform's types know the two families of ciphers apart.
    const cipher =
      name === "aes-256-gcm" ? createCipheriv(name, key, nonce, options) : createCipheriv(name, key, nonce, options);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  };
}

function opener(cipherId: PayloadCipherId, key: Buffer, prefix: Uint8Array) {
  const name = payloadCiphers[cipherId];
  return (segment: Uint8Array, index: number, last: boolean): Uint8Array => {
    const length = segment.length - tagBytes;
    if (length < 0 || (length === 0 && index > 0)) throw new Error(`the data breaks off in segment ${index}`);
    const nonce = nonceOf(prefix, index, last);
    const cipher =
      name === "aes-256-gcm"
        ? createDecipheriv(name, key, nonce, options)
        : createDecipheriv(name, key, nonce, options);
    cipher.setAuthTag(segment.subarray(length));
    const plaintext = cipher.update(segment.subarray(0, length));
    try {
      cipher.final();
    } catch (error) {
      throw new Error(`segment ${index} was changed, moved or cut off`, { cause: error });
    }
    return plaintext;
  };
}
