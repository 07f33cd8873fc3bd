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

/** The other way; names that gRPC reserves are left out. */
export function fromHeaders(headers: Readonly<Record<string, string | readonly string[]>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) {
    if (key.startsWith(":") || key.startsWith("grpc-status") || key === "grpc-message") continue;
    for (const one of [value].flat()) metadata.add(key, key.endsWith("-bin") ? Buffer.from(one, "base64") : one);
  }
  return metadata;
}
