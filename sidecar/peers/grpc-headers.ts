import type { OutgoingHttpHeaders } from "node:http2";
import type { HeaderMap, RawStatus } from "../kernel/exchange.ts";
import { firstHeader } from "../kernel/headers.ts";

const type = "application/grpc";

/** What the transport sets itself, on either side. */
const own: ReadonlySet<string> = new Set([
  "content-type",
  "te",
  "grpc-status",
  "grpc-message",
  "grpc-timeout",
  "grpc-encoding",
]);

function metadataOf(headers: HeaderMap): HeaderMap {
  const metadata: HeaderMap = {};
  for (const name in headers) {
    if (!own.has(name)) metadata[name] = headers[name] as string | string[];
  }
  return metadata;
}

/** Headers that open a call. `deadline` is milliseconds since 1970, `now` as well. */
export function callHeaders(
  path: string,
  metadata: HeaderMap,
  deadline: number | undefined,
  now: number,
): OutgoingHttpHeaders {
  const timeout = deadline === undefined ? {} : { "grpc-timeout": `${Math.max(0, Math.ceil(deadline - now))}m` };
  return {
    ...metadataOf(metadata),
    ":method": "POST",
    ":path": path,
    "content-type": type,
    te: "trailers",
    ...timeout,
  };
}

/** What a call's headers say. */
export interface CallHead {
  readonly metadata: HeaderMap;
  /** Milliseconds since 1970. */
  readonly deadline: number | undefined;
}

/** The call that headers open: its metadata and deadline. */
export function fromCallHeaders(headers: HeaderMap, now: number): CallHead {
  const timeout = /^(\d{1,15})m$/.exec(firstHeader(headers, "grpc-timeout") ?? "");
  return { metadata: metadataOf(headers), deadline: timeout ? now + Number(timeout[1]) : undefined };
}

/** Headers that begin an answer. */
export const answerHeaders = (metadata: HeaderMap): OutgoingHttpHeaders => ({
  ...metadataOf(metadata),
  ":status": 200,
  "content-type": type,
});

/** Initial metadata of an answer. */
export const fromAnswerHeaders = metadataOf;

/** Trailers that end an answer. */
export const statusTrailers = ({ code, details, metadata }: RawStatus): OutgoingHttpHeaders => ({
  ...metadataOf(metadata),
  "grpc-status": String(code),
  "grpc-message": encodeURIComponent(details),
});

/** The status that trailers, or the headers of an answer without messages, carry; undefined when they carry none. */
export function fromStatusTrailers(trailers: HeaderMap): RawStatus | undefined {
  const code = firstHeader(trailers, "grpc-status");
  if (code === undefined) return undefined;
  return {
    code: Number(code),
    details: decode(firstHeader(trailers, "grpc-message") ?? ""),
    metadata: metadataOf(trailers),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
