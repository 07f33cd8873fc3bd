import { fail } from "../../specs/errors.ts";

type Texts = Readonly<Record<string, string>>;

/** What a request says of one object: its metadata, or one entry of a list. */
export interface ObjectOptions {
  readonly key: string;
  readonly decodeBase64: boolean;
  readonly encodeBase64: boolean;
  /** A file of the sidecar's machine, to read from or to write to. */
  readonly filePath: string | undefined;
  readonly contentType: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly storageClass: string | undefined;
  readonly presignSeconds: number | undefined;
}

export interface Defaults {
  readonly decodeBase64: boolean;
  readonly encodeBase64: boolean;
  readonly storageClass?: string;
}

/** S3 signs for no longer. */
const longestPresignSeconds = 7 * 24 * 3600;

/** Reads what a request says of an object. Throws `requestMetadataInvalid`. */
export function readOptions(metadata: Texts, defaults: Defaults): ObjectOptions {
  const text = (name: string) => metadata[name] || undefined;
  return {
    key: metadata["key"] ?? "",
    decodeBase64: readFlag(metadata, "decodeBase64", defaults.decodeBase64),
    encodeBase64: readFlag(metadata, "encodeBase64", defaults.encodeBase64),
    filePath: text("filePath"),
    contentType: text("contentType"),
    tags: readTags(text("tags")),
    storageClass: text("storageClass") ?? (defaults.storageClass || undefined),
    presignSeconds: readPresignSeconds(text("presignTTL")),
  };
}

/** The key of a request that must name one. */
export function requiredKey({ key }: ObjectOptions, operation: string): string {
  if (key === "") throw fail("requestMetadataInvalid", { key: "key", why: `${operation} needs the key of an object` });
  return key;
}

function readFlag(metadata: Texts, name: string, otherwise: boolean): boolean {
  const written = metadata[name];
  if (written === undefined || written === "") return otherwise;
  if (/^(?:true|1|t|y|yes|on)$/i.test(written)) return true;
  if (/^(?:false|0|f|n|no|off)$/i.test(written)) return false;
  throw fail("requestMetadataInvalid", { key: name, why: `must be true or false, got ${JSON.stringify(written)}` });
}

function readTags(written: string | undefined): Texts {
  if (written === undefined) return {};
  const pairs = written.split(",").map((pair) => {
    const at = pair.indexOf("=");
    if (at > 0) return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const;
    throw fail("requestMetadataInvalid", {
      key: "tags",
      why: `must be name=value,name=value, got ${JSON.stringify(pair)}`,
    });
  });
  return Object.fromEntries(pairs);
}

const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

function readPresignSeconds(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const terms = /^(?:\d+\.?\d*(?:h|ms|m|s|us|µs|ns))+$/.test(written) ? written.matchAll(/([\d.]+)([a-zµ]+)/g) : [];
  const seconds = Math.floor(
    [...terms].reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ""] ?? 0), 0),
  );
  if (seconds >= 1 && seconds <= longestPresignSeconds) return seconds;
  throw fail("requestMetadataInvalid", {
    key: "presignTTL",
    why: `must be a duration such as 15m, from 1s to 168h, got ${JSON.stringify(written)}`,
  });
}

/** The body of a request as a JSON object; no bytes are an empty one. Throws `badRequest`. */
export function readObject(data: Uint8Array, operation: string): Readonly<Record<string, unknown>> {
  if (data.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch {
    // Reported below, as any other data that is no object.
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw fail("badRequest", { why: `the data of ${operation} must be a JSON object` });
}

/** The bytes that an object gets: a JSON text loses its quotes. */
export function unquoted(data: Uint8Array): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length < 2 || bytes[0] !== 0x22 || bytes.at(-1) !== 0x22) return bytes;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === "string" ? Buffer.from(value) : bytes;
  } catch {
    return bytes;
  }
}

/** Throws `badRequest` where the bytes are no base64. */
export function fromBase64(bytes: Buffer): Buffer {
  const text = bytes.toString("latin1").replace(/[\r\n]/g, "");
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return Buffer.from(text, "base64");
  throw fail("badRequest", { why: "decodeBase64 is set and the data is not base64" });
}
