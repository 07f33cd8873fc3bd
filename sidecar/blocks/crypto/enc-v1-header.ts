import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { LineReader } from "./segments.ts";

/** First line of everything that is encrypted in this scheme. */
const scheme = "dapr.io/enc/v1";

/** Key wrap algorithms by their number in the manifest. */
export const keyWraps = {
  1: "A256KW",
  2: "A128CBC-NOPAD",
  3: "A192CBC-NOPAD",
  4: "A256CBC-NOPAD",
  5: "RSA-OAEP-256",
} as const;
export type KeyWrapId = keyof typeof keyWraps;
export type KeyWrap = (typeof keyWraps)[KeyWrapId];

/** Ciphers of the payload by their number in the manifest. */
export const payloadCiphers = { 1: "aes-256-gcm", 2: "chacha20-poly1305" } as const;
export type PayloadCipherId = keyof typeof payloadCiphers;

export const noncePrefixBytes = 7;

/** The second line. Field names and order are those of the scheme. */
export interface Manifest {
  /** Name of the key that decrypts. */
  readonly k?: string;
  readonly kw: KeyWrapId;
  readonly wfk: Uint8Array;
  readonly cph: PayloadCipherId;
  readonly np: Uint8Array;
}

/** HKDF-SHA-256. */
const derived = (fileKey: Uint8Array, salt: Uint8Array, info: string) =>
  Buffer.from(hkdfSync("sha256", fileKey, salt, info, 32));

/** The key of the payload. */
export function payloadKey(fileKey: Uint8Array, noncePrefix: Uint8Array): Buffer {
  return derived(fileKey, noncePrefix, "payload");
}

/** The code over the first two lines, their line feeds included. */
function codeOf(fileKey: Uint8Array, lines: Uint8Array): Buffer {
  return createHmac("sha256", derived(fileKey, new Uint8Array(), "header"))
    .update(lines)
    .digest();
}

/** The three lines. */
export function writeHeader({ k, kw, wfk, cph, np }: Manifest, fileKey: Uint8Array): Buffer {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const manifest = JSON.stringify({ ...(k ? { k } : {}), kw, wfk: base64(wfk), cph, np: base64(np) });
  const lines = Buffer.from(`${scheme}\n${manifest}\n`);
  return Buffer.concat([lines, Buffer.from(`${base64(codeOf(fileKey, lines))}\n`)]);
}

export interface Header {
  readonly manifest: Manifest;
  /** Throws when the header is not the one that was written with this file key. */
  verify(fileKey: Uint8Array): void;
}

/** Room for wrapped keys of any size that a vault may give. */
const maxLineBytes = 64 * 1024;

/**
 * Reads the three lines; what follows is left in the reader.
 * @throws Error that says which line is wrong
 */
export async function readHeader(reader: LineReader): Promise<Header> {
  const first = await reader.line(scheme.length);
  if (first?.toString("latin1") !== scheme) throw new Error(`the data does not start with ${scheme}`);
  const second = await reader.line(maxLineBytes);
  const third = await reader.line(maxLineBytes);
  if (!second || !third) throw new Error("the header breaks off");
  const manifest = parseManifest(second);
  const code = decodeBase64(third.toString("latin1"), "the code of the header");
  // The code is over the bytes as they came: another writer may have written the same manifest in other words.
  const lines = Buffer.concat([first, Buffer.from("\n"), second, Buffer.from("\n")]);
  return {
    manifest,
    verify(fileKey) {
      const expected = codeOf(fileKey, lines);
      if (code.length === expected.length && timingSafeEqual(code, expected)) return;
      throw new Error("the header does not belong to this key, or it was changed");
    },
  };
}

function parseManifest(line: Buffer): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch (error) {
    throw new Error("the manifest is not JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null) throw new Error("the manifest is not an object");
  const { k, kw, wfk, cph, np } = value as Readonly<Record<string, unknown>>;
  if (k !== undefined && typeof k !== "string") throw new Error("the manifest's key name (k) is not a text");
  if (!isOneOf(keyWraps, kw)) throw new Error("the manifest's key wrap algorithm (kw) is not known");
  if (!isOneOf(payloadCiphers, cph)) throw new Error("the manifest's cipher (cph) is not known");
  const noncePrefix = decodeBase64(np, "the manifest's nonce prefix (np)");
  if (noncePrefix.length !== noncePrefixBytes)
    throw new Error(`the manifest's nonce prefix (np) has not ${noncePrefixBytes} bytes`);
  return { ...(k ? { k } : {}), kw, wfk: decodeBase64(wfk, "the manifest's file key (wfk)"), cph, np: noncePrefix };
}

function isOneOf<T extends object>(table: T, id: unknown): id is keyof T {
  return typeof id === "number" && Object.hasOwn(table, id);
}

/** Standard base64 in its one proper form, so that changed text never stands for the same bytes. */
function decodeBase64(text: unknown, what: string): Buffer {
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (bytes.length === 0 || bytes.toString("base64") !== text) throw new Error(`${what} is not base64`);
  return bytes;
}
