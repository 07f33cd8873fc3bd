import type { HeaderMap } from "../../kernel/exchange.ts";
import { withoutHopByHop } from "../../kernel/headers.ts";
import { identityHeaders } from "../../kernel/peer.ts";

const { callerAppId, callerNamespace, calleeAppId } = identityHeaders;

/** Addressed to this sidecar or said by it; no caller's word on these reaches an app. */
const ours: ReadonlySet<string> = new Set([
  "dapr-app-id",
  "dapr-api-token",
  "destination-app-id",
  callerAppId,
  callerNamespace,
  calleeAppId,
]);

/** Who calls whom; set by the caller's sidecar. */
export interface Identity {
  readonly appId: string;
  readonly namespace: string;
  readonly calleeAppId: string;
}

/** The machine that a request is passed on by. */
export interface Hop {
  readonly ip: string;
  readonly host: string;
}

/** Headers of an HTTP request on its way out. Without `identity` it goes to a foreign host; `hop` is for remote apps. */
export function requestHeaders(headers: HeaderMap, identity: Identity | undefined, hop: Hop | undefined): HeaderMap {
  const passed: HeaderMap = {};
  const kept = withoutHopByHop(headers);
  for (const name in kept) {
    const to = passedName(name);
    if (to !== undefined) passed[to] = kept[name] as string | string[];
  }
  if (hop) addForwarded(passed, hop);
  if (identity) addIdentity(passed, identity);
  return passed;
}

/** The name under which a header is passed on; undefined: it is not. */
function passedName(name: string): string | undefined {
  if (name === ":authority") return "dapr-authority";
  if (name.startsWith(":") || name === "host" || name === "expect" || name.endsWith("-bin") || ours.has(name))
    return undefined;
  return name.startsWith("grpc-") ? `dapr-${name}` : name;
}

/** Metadata of a gRPC call on its way out; `-bin` values stay. */
export function requestMetadata(metadata: HeaderMap, identity: Identity): HeaderMap {
  const passed: HeaderMap = {};
  for (const name in metadata) {
    if (!ours.has(name)) passed[name] = metadata[name] as string | string[];
  }
  addIdentity(passed, identity);
  return passed;
}

function addIdentity(headers: HeaderMap, identity: Identity): void {
  headers[callerAppId] = identity.appId;
  headers[callerNamespace] = identity.namespace;
  headers[calleeAppId] = identity.calleeAppId;
}

function addForwarded(headers: HeaderMap, { ip, host }: Hop): void {
  // RFC 7239 4: an IPv6 address stands in brackets and quotes.
  const node = ip.includes(":") ? `"[${ip}]"` : ip;
  append(headers, "x-forwarded-for", ip);
  append(headers, "x-forwarded-host", host);
  append(headers, "forwarded", `for=${node};by=${node};host=${host}`);
}

function append(headers: HeaderMap, name: string, value: string): void {
  const before = headers[name];
  headers[name] = before === undefined ? value : [before, value].flat().join(", ");
}

/** Tells the code of a gRPC app's answer to a caller that speaks gRPC too. */
export const appStatusHeader = "dapr-app-grpc-status";

/** Headers of an answer on its way to an HTTP caller. */
export function answerHeaders(headers: HeaderMap, accept: string | undefined): HeaderMap {
  const passed = withoutHopByHop(headers);
  delete passed[appStatusHeader];
  if (accept?.trim().toLowerCase() === "text/event-stream") {
    passed["content-type"] ??= "text/event-stream";
    passed["cache-control"] ??= "no-cache";
  }
  return passed;
}
