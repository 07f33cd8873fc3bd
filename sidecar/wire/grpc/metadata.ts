import { Metadata } from "@grpc/grpc-js";
import type { HeaderMap } from "../../kernel/exchange.ts";

/** Metadata as header values by lower-case name; binary values are base64. */
export function toHeaders(metadata: Metadata): HeaderMap {
  const headers: HeaderMap = {};
  // Keys are few; getMap would lose all but the first value of each.
  for (const key of Object.keys(metadata.getMap())) {
    const values = metadata.get(key).map((value) => (typeof value === "string" ? value : value.toString("base64")));
    headers[key] = values.length === 1 ? (values[0] as string) : values;
  }
  return headers;
}

/** What the transport says itself, or must not be said over HTTP/2. */
const reserved: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);
const legalName = /^[0-9a-z_.-]+$/;
const legalValue = /^[\x20-\x7e]*$/;

/** The other way. What metadata cannot carry is left out: reserved names, illegal names, text beyond ASCII. */
export function fromHeaders(headers: Readonly<Record<string, string | readonly string[]>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase();
    if (reserved.has(key) || !legalName.test(key)) continue;
    for (const one of [value].flat()) {
      if (key.endsWith("-bin")) metadata.add(key, Buffer.from(one, "base64"));
      else if (legalValue.test(one)) metadata.add(key, one);
    }
  }
  return metadata;
}
