import type { HeaderMap } from "./exchange.ts";

/** Headers that belong to one connection and are never passed on (RFC 9110 7.6.1, with the older ones). */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Headers that gRPC metadata carries with the prefix `dapr-`, since the transport has some of them for itself. */
const prefixed: ReadonlySet<string> = new Set([
  "accept",
  "accept-charset",
  "accept-language",
  "accept-ranges",
  "authorization",
  "cache-control",
  "content-type",
  "cookie",
  "date",
  "expect",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-schedule-tag-match",
  "if-unmodified-since",
  "max-forwards",
  "origin",
  "pragma",
  "referer",
  "user-agent",
  "via",
  "warning",
]);

/** Name of an HTTP header as gRPC metadata. `name` is in lower case. */
export const metadataName = (name: string): string => (prefixed.has(name) ? `dapr-${name}` : name);

/** Headers from Node's list of name, value, name, value; pseudo headers are left out, several values stay apart. */
export function headersOfRaw(raw: readonly string[]): HeaderMap {
  // Without a prototype, so that a header named __proto__ is a header.
  const headers: HeaderMap = Object.create(null);
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (name.startsWith(":")) continue;
    const value = raw[i + 1] as string;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (name === "cookie") headers[name] = `${before}; ${value}`;
    else if (typeof before === "string") headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

/** First value of a header, by its lower-case name. */
export function firstHeader(headers: HeaderMap, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** Length of a body as its sender announced it; undefined: unknown. */
export function announcedLength(headers: HeaderMap): number | undefined {
  const text = firstHeader(headers, "content-length");
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A copy without what belongs to the connection: the known names and those that `connection` lists. */
export function withoutHopByHop(headers: HeaderMap): HeaderMap {
  const listed = namedByConnection(headers["connection"]);
  const kept: HeaderMap = {};
  for (const name in headers) {
    if (hopByHop.has(name) || listed?.has(name)) continue;
    kept[name] = headers[name] as string | string[];
  }
  return kept;
}

function namedByConnection(connection: string | string[] | undefined): ReadonlySet<string> | undefined {
  // Most answers say keep-alive, a known name already.
  if (connection === undefined || connection === "keep-alive") return undefined;
  const names = [connection].flat().join(",").split(",");
  return new Set(names.map((name) => name.trim().toLowerCase()));
}
