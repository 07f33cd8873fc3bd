import { toText } from "./byte-stream.ts";
import { invalidArgument, MechaClientError, notOffered } from "./errors.ts";

const encoder = new TextEncoder();

/** JSON text of a value. Throws `invalid_argument` for what JSON cannot say. */
export function toJsonText(value: unknown, what: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw invalidArgument(`${what} is not JSON: ${(error as Error).message}`, error);
  }
  if (text === undefined) throw invalidArgument(`${what} is ${typeof value}; give null or a value that JSON can say`);
  return text;
}

/**
 * A value as it is stored or handed to a component: bytes as they are, anything else as JSON. With `embedsJson` bytes have
 * to be JSON themselves.
 */
export function toBytes(value: unknown, what: string, { embedsJson }: { readonly embedsJson: boolean }): Uint8Array {
  if (!(value instanceof Uint8Array)) return encoder.encode(toJsonText(value, what));
  if (embedsJson && !isJson(value)) {
    throw notOffered(
      `${what}: bytes that are no JSON need a client with transport "grpc"; or send them as base64 text`,
    );
  }
  return value;
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(toText(bytes));
    return true;
  } catch {
    return false;
  }
}

/** The JSON value that bytes hold. Throws `data_loss` naming `hint` when they hold none. */
export function fromBytes<T>(bytes: Uint8Array, what: string, hint: string): T {
  try {
    return JSON.parse(toText(bytes)) as T;
  } catch (cause) {
    throw new MechaClientError(`${what} is not JSON; ${hint}`, { code: "data_loss" }, { cause });
  }
}

/** Data of an event or a request, and what it is. */
export interface Described {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** Bytes stay bytes, a text is text, anything else becomes JSON; `contentType` says otherwise. */
export function describe(data: unknown, contentType: string | undefined, what: string): Described {
  if (data instanceof Uint8Array) return { bytes: data, contentType: contentType ?? "application/octet-stream" };
  if (typeof data === "string") return { bytes: encoder.encode(data), contentType: contentType ?? "text/plain" };
  return { bytes: encoder.encode(toJsonText(data, what)), contentType: contentType ?? "application/json" };
}

/** The type itself, without parameters, in lower case. */
export const essence = (contentType: string): string => (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();

export const isJsonType = (contentType: string): boolean => /^application\/json$|\+json$/.test(essence(contentType));

export const isTextType = (contentType: string): boolean => /^(text\/.*|application\/xml|)$/.test(essence(contentType));

/** Data by its content type: a JSON value, a text, or the bytes. What claims to be JSON and is not stays a text. */
export function decode(bytes: Uint8Array, contentType: string): unknown {
  if (isTextType(contentType)) return toText(bytes);
  if (!isJsonType(contentType)) return bytes;
  if (bytes.byteLength === 0) return undefined;
  const text = toText(bytes);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** An object without the fields that are undefined, as exact optional fields of messages want it. */
export function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // Only the undefined ones go, so that what is left has the types of the result.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
