import { fail } from "../../../specs/errors.ts";
import type { HeaderMap } from "../../kernel/exchange.ts";
import { firstHeader } from "../../kernel/headers.ts";

/** What a request says it wants to call, as it was written. */
export interface Invocation {
  /** An app id, the name of an HTTPEndpoint, or a URL; decoded. */
  readonly id: string;
  /** Without leading slash, percent-encoded. */
  readonly method: string;
  readonly query: string;
}

const prefix = "/v1.0/invoke/";
const separator = "/method/";
const basicUser = "dapr-app-id:";

/** Finds what a request calls: by header, by basic authentication, or by path. Undefined: it calls nothing. */
export function findInvocation(url: string, headers: HeaderMap): Invocation | undefined {
  const cut = url.indexOf("?");
  const path = cut < 0 ? url : url.slice(0, cut);
  const query = cut < 0 ? "" : url.slice(cut + 1);
  const named = firstHeader(headers, "dapr-app-id") || fromBasic(firstHeader(headers, "authorization"));
  if (named) return { id: named, method: normalizeMethod(named, path.slice(1)), query };
  if (!path.startsWith(prefix)) return undefined;
  const rest = path.slice(prefix.length);
  const end = rest.indexOf(separator);
  // `.../method` without anything behind it calls the app's root.
  const atRoot = end < 0 && rest.endsWith("/method");
  if (end < 0 && !atRoot) return undefined;
  const id = decodeId(atRoot ? rest.slice(0, -"/method".length) : rest.slice(0, end));
  if (id === "") return undefined;
  return { id, method: atRoot ? "" : normalizeMethod(id, rest.slice(end + separator.length)), query };
}

function fromBasic(authorization: string | undefined): string | undefined {
  const encoded = /^basic (.+)$/i.exec(authorization ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  if (text.slice(0, basicUser.length).toLowerCase() !== basicUser) return undefined;
  return text.slice(basicUser.length) || undefined;
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    throw fail("invokeBadTarget", { id: text, why: "the app id is not correctly percent-encoded" }, { cause: error });
  }
}

/** Whether the id is a URL rather than a name. */
export const isUrl = (id: string): boolean => /^https?:\/\//i.test(id);

/** `id` or `id.namespace`; without one it is the caller's namespace. Throws `invokeBadTarget`. */
export function parseAppId(id: string, ownNamespace: string): { readonly appId: string; readonly namespace: string } {
  const [appId, namespace, ...more] = id.split(".");
  if (!appId || namespace === "" || more.length > 0) {
    throw fail("invokeBadTarget", { id, why: "an app is named by <app-id> or <app-id>.<namespace>" });
  }
  return { appId, namespace: namespace ?? ownNamespace };
}

/** Empty segments, `.` and `..`, plain or percent-encoded, and encoded slashes that may hide them. */
const suspicious = /(^|\/)\.{0,2}(\/|$)|%2e|%2f/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const illegal = /[\x00-\x1f\x7f#?]/;

/**
 * The path of a method, without leading slash, in the form in which rules are compared and it is sent: slashes collapsed,
 * `.` and `..` resolved. Everything else stays encoded as it came. Throws `invokeBadTarget` when it holds `#`, `?` or
 * control characters, in whatever encoding.
 */
export function normalizeMethod(id: string, path: string): string {
  const decoded = path.includes("%") ? decodeBytes(path) : path;
  if (illegal.test(decoded)) {
    throw fail("invokeBadTarget", { id, why: "a method must not contain #, ? or control characters" });
  }
  if (!suspicious.test(path)) return path;
  // A server that decodes before it routes must not see a segment that we have not seen.
  if (/(^|\/)\.\.?(\/|$)/.test(decoded) && /%2f/i.test(path)) {
    return resolveDots(decoded).split("/").map(encodeBytes).join("/");
  }
  return resolveDots(path.replace(/%2e/gi, "."));
}

/** The path as rules see it: with leading slash, decoded, without trailing slash. */
export function operationOf(path: string): string {
  const decoded = resolveDots(decodeBytes(path));
  return `/${decoded.replace(/\/$/, "")}`;
}

function resolveDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "." && segment !== "") kept.push(segment);
  }
  const open = /\/(\.{1,2})?$/.test(path) && kept.length > 0;
  return kept.join("/") + (open ? "/" : "");
}

/** Bytes, not characters: what is not UTF-8 is decoded too. */
const decodeBytes = (path: string): string =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

const encodeBytes = (segment: string): string =>
  segment.replace(
    /[^\w.~!$&'()*+,;=:@-]/g,
    (one) => `%${one.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`,
  );
