import { fail } from "../../specs/errors.ts";

/** Where and how to connect, as a connection string says it. */
export interface Address {
  /** Name or address of the server; a path that begins with a slash is its socket. */
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  readonly tls: TlsMode;
  /** Milliseconds to wait for a connection. */
  readonly connectTimeoutMs?: number | undefined;
  readonly multiStatements: boolean;
  /** Times as RFC 3339 instead of as the server writes them. */
  readonly parseTime: boolean;
  /** Rows that a condition has found count as affected, changed or not. */
  readonly clientFoundRows: boolean;
  readonly allowCleartextPasswords: boolean;
  /** System variables of each connection, each `name = value` in SQL. */
  readonly variables: readonly string[];
  /** Parameters that have no meaning here. */
  readonly ignored: readonly string[];
}

export type TlsMode = "false" | "true" | "skip-verify" | "preferred" | "custom";

const tlsModes: ReadonlySet<string> = new Set(["false", "true", "skip-verify", "preferred", "custom"]);
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Known to the client that the published form comes from, and of no use to this one. */
const meaningless: ReadonlySet<string> = new Set([
  "allowAllFiles",
  "allowFallbackToPlaintext",
  "allowNativePasswords",
  "allowOldPasswords",
  "charset",
  "checkConnLiveness",
  "collation",
  "columnsWithAlias",
  "compress",
  "connectionAttributes",
  "interpolateParams",
  "loc",
  "maxAllowedPacket",
  "readTimeout",
  "rejectReadOnly",
  "serverPubKey",
  "timeTruncate",
  "writeTimeout",
]);

const form = "write user:password@tcp(host:3306)/database, with ?name=value behind it where that is needed";

/**
 * Reads `user:password@tcp(host:3306)/database?name=value`, or the same as a URL, `mysql://user:password@host/database`.
 * @param setting name of the setting, for errors, which never repeat its value
 * @throws MechaError `openFailed`
 */
export function parseConnection(setting: string, text: string): Address {
  const parse = /^(?:mysql|mariadb):\/\//.test(text) ? parseUrl : parseDsn;
  const [place, parameters] = parse(setting, text);
  return { ...place, ...readParameters(setting, parameters) };
}

type Place = Pick<Address, "host" | "port" | "user" | "password" | "database">;
type Parameters = readonly (readonly [name: string, value: string])[];

function parseUrl(setting: string, text: string): readonly [Place, Parameters] {
  if (!URL.canParse(text)) throw fail("openFailed", { why: `${setting}: is no URL; ${form}` });
  const { hostname, port, username, password, pathname, searchParams } = new URL(text);
  const place = {
    host: hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: Number(port || 3306),
    user: decoded(setting, username),
    password: decoded(setting, password),
    database: decoded(setting, pathname.slice(1)),
  };
  return [place, [...searchParams]];
}

function parseDsn(setting: string, text: string): readonly [Place, Parameters] {
  // A password may hold any of the marks, so the last slash and the last @ before it are the ones.
  const question = text.indexOf("?", text.lastIndexOf("@") + 1);
  const front = question < 0 ? text : text.slice(0, question);
  const slash = front.lastIndexOf("/");
  if (slash < 0) throw fail("openFailed", { why: `${setting}: has no slash before the database; ${form}` });
  const left = front.slice(0, slash);
  const at = left.lastIndexOf("@");
  const [, user, password] = /^([^:]*)(?::(.*))?$/s.exec(left.slice(0, Math.max(at, 0))) ?? [];
  const parameters = question < 0 ? [] : [...new URLSearchParams(text.slice(question + 1))];
  const place = {
    ...parseAddress(setting, left.slice(at + 1)),
    user: user || undefined,
    password: password || undefined,
    database: decoded(setting, front.slice(slash + 1)),
  };
  return [place, parameters];
}

function parseAddress(setting: string, text: string): Pick<Place, "host" | "port"> {
  const [, protocol = "tcp", address = ""] = /^(?:([a-z0-9]+)(?:\((.*)\))?)?$/s.exec(text) ?? [];
  if (text !== "" && address === "" && !/^(?:tcp6?|unix)(?:\(\))?$/.test(text)) {
    throw fail("openFailed", { why: `${setting}: the address is not in parentheses behind tcp; ${form}` });
  }
  if (protocol === "unix") return { host: address || "/tmp/mysql.sock", port: 0 };
  if (protocol !== "tcp" && protocol !== "tcp6") {
    throw fail("openFailed", { why: `${setting}: ${JSON.stringify(protocol)} is neither tcp nor unix; ${form}` });
  }
  const [, host = "", port = "3306"] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(address) ?? [undefined, ""];
  if (host === "" && address !== "") {
    throw fail("openFailed", { why: `${setting}: ${JSON.stringify(address)} is no host with a port; ${form}` });
  }
  return { host: host.replace(/^\[|\]$/g, "") || "127.0.0.1", port: Number(port) };
}

function decoded(setting: string, text: string): string | undefined {
  if (text === "") return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw fail("openFailed", { why: `${setting}: has a % that is no escape; write %25 for it` });
  }
}

function readParameters(setting: string, parameters: Parameters): Omit<Address, keyof Place> {
  const given = new Map(parameters);
  const take = (name: string) => {
    const value = given.get(name);
    given.delete(name);
    return value;
  };
  const flag = (name: string) => toFlag(setting, name, take(name));
  const timeout = take("timeout");
  const known = {
    tls: toTlsMode(setting, take("tls")),
    connectTimeoutMs: timeout === undefined ? undefined : toMs(setting, timeout),
    multiStatements: flag("multiStatements"),
    parseTime: flag("parseTime"),
    clientFoundRows: flag("clientFoundRows"),
    allowCleartextPasswords: flag("allowCleartextPasswords"),
  };
  const ignored = [...given.keys()].filter((name) => meaningless.has(name));
  const rest = [...given].filter(([name]) => !meaningless.has(name));
  return { ...known, ignored, variables: rest.map(([name, value]) => toVariable(setting, name, value)) };
}

function toTlsMode(setting: string, value = "false"): TlsMode {
  const mode = value.toLowerCase();
  // The published form registers a configuration under a name, of which there is one here.
  if (tlsModes.has(mode)) return mode as TlsMode;
  if (mode === "1" || mode === "0") return mode === "1" ? "true" : "false";
  throw fail("openFailed", {
    why: `${setting}: tls=${value} is not one of ${[...tlsModes].join(", ")}`,
  });
}

function toFlag(setting: string, name: string, value = "false"): boolean {
  if (/^(?:true|1)$/i.test(value)) return true;
  if (/^(?:false|0)$/i.test(value)) return false;
  throw fail("openFailed", { why: `${setting}: ${name}=${value} is neither true nor false` });
}

function toMs(setting: string, value: string): number {
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.map(([whole]) => whole).join("") !== value || parts.length === 0) {
    throw fail("openFailed", { why: `${setting}: timeout=${value} is no duration; write it like 5s or 500ms` });
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (durationUnits[unit ?? ""] ?? 0), 0);
}

function toVariable(setting: string, name: string, value: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name) || !/^(?:'[^'\\]*'|[\w.+-]+)$/.test(value)) {
    throw fail("openFailed", {
      why: `${setting}: ${name} is neither a known parameter nor a system variable with a number, a word or a text in single quotes`,
    });
  }
  return `${name} = ${value}`;
}
