import { fail } from "../../specs/errors.ts";
import type { BindingRequest } from "../contract/bindings.ts";

const methods = {
  create: "POST",
  get: "GET",
  head: "HEAD",
  post: "POST",
  put: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  options: "OPTIONS",
  trace: "TRACE",
} as const;

/** Operations that the binding offers, `create` being another name for `post`. */
export const operations = Object.keys(methods);

const withoutBody = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const jsonType = "application/json; charset=utf-8";
/** Trace context that the sidecar puts into the metadata. */
const forwarded = ["traceparent", "tracestate", "baggage"];

export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | undefined;
}

/**
 * The request for an operation; `always` holds headers in lower case that metadata may replace.
 * @throws MechaError `unimplemented` or `requestMetadataInvalid`
 */
export function toOutgoing(
  base: URL,
  always: Readonly<Record<string, string>>,
  { operation, data, metadata }: BindingRequest,
): Outgoing {
  const method = Object.hasOwn(methods, operation) ? methods[operation as keyof typeof methods] : undefined;
  if (!method) throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
  const body = withoutBody.has(method) || data.length === 0 ? undefined : data;
  const headers: Record<string, string> = { accept: jsonType, ...always };
  if (body) headers["content-type"] = jsonType;
  for (const [key, value] of Object.entries(metadata)) {
    if (/^[A-Z]/.test(key) || forwarded.includes(key)) headers[key.toLowerCase()] = value;
  }
  return { method, url: withPath(base, metadata["path"] ?? ""), headers, body };
}

/** `path` put after the path of `base`; it may bring a query and may not lead out of `base`. */
function withPath(base: URL, path: string): URL {
  if (path === "") return base;
  const root = base.pathname.replace(/\/+$/, "");
  const url = new URL(`${base.origin}${root}/${path.replace(/^\/+/, "")}`);
  if (base.search && !url.search) url.search = base.search;
  if (url.origin !== base.origin || !`${url.pathname}/`.startsWith(`${root}/`)) {
    throw fail("requestMetadataInvalid", { key: "path", why: "must stay below the component's url" });
  }
  return url;
}

/** Header names as HTTP/1.1 servers write them: `content-type` is `Content-Type`. */
export function canonical(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
