import { fail } from "../../specs/errors.ts";

/** Where and as whom to connect, as the settings of a component say it. */
export interface ConnectionSettings {
  readonly connectionString: string;
  readonly host?: string | undefined;
  readonly hostaddr?: string | undefined;
  readonly port?: string | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly sslRootCert?: string | undefined;
}

export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";
const sslModes: readonly string[] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/** A connection, read from its text. What is undefined is left to the environment (PGHOST and the like). */
export interface Address {
  readonly host: string | undefined;
  /** Address to connect to instead of looking the host up. */
  readonly hostaddr: string | undefined;
  readonly port: number | undefined;
  readonly database: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly sslMode: SslMode;
  /** Paths of files, or PEM text. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly sslPassword: string | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly applicationName: string | undefined;
  /** Options for the server's command line, `-c name=value`. */
  readonly options: string | undefined;
  readonly poolMaxConns: number | undefined;
  readonly queryExecMode: string | undefined;
  /** Names of parameters that mean nothing here. */
  readonly ignored: readonly string[];
}

type Parameters = Map<string, string>;

/** Understood by other clients; what they are about is done otherwise here. */
const ignorable = new Set([
  "passfile",
  "service",
  "servicefile",
  "sslcompression",
  "sslsni",
  "gssencmode",
  "krbsrvname",
  "channel_binding",
  "target_session_attrs",
  "load_balance_hosts",
  "fallback_application_name",
  "keepalives",
  "keepalives_idle",
  "keepalives_interval",
  "keepalives_count",
  "tcp_user_timeout",
  "pool_min_conns",
  "pool_max_conn_lifetime",
  "pool_max_conn_lifetime_jitter",
  "pool_max_conn_idle_time",
  "pool_health_check_period",
  "statement_cache_capacity",
  "description_cache_capacity",
  "min_read_buffer_size",
]);

const known = new Set([
  "host",
  "hostaddr",
  "port",
  "dbname",
  "user",
  "password",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslpassword",
  "connect_timeout",
  "application_name",
  "options",
  "pool_max_conns",
  "default_query_exec_mode",
]);

const wrong = (why: string) => fail("openFailed", { why: `connectionString: ${why}` });

/**
 * Reads both forms of a connection string, `postgres://user:password@host:5432/database?sslmode=require` and
 * `host=... user=... database=...`; settings given beside it count more. Parameters that it does not know are settings
 * of the session, such as `search_path`.
 * @throws MechaError `openFailed` that names the part and never quotes the text, which may hold a password
 */
export function parseConnection(settings: ConnectionSettings): Address {
  const text = settings.connectionString.trim();
  const parameters = /^postgres(?:ql)?:/i.test(text) ? parseUrl(text) : parseKeywords(text);
  const beside: readonly [string, string | undefined][] = [
    ["host", settings.host],
    ["hostaddr", settings.hostaddr],
    ["port", settings.port],
    ["dbname", settings.database],
    ["user", settings.user],
    ["password", settings.password],
    ["sslrootcert", settings.sslRootCert],
  ];
  for (const [name, value] of beside) if (value) parameters.set(name, value);
  if (parameters.size === 0) {
    throw wrong(
      "is required; write it like postgres://user:password@localhost:5432/database, or give host, user, password and database",
    );
  }
  return toAddress(parameters);
}

function parseUrl(text: string): Parameters {
  const [, authority = "", path = "", query = ""] =
    /^postgres(?:ql)?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/is.exec(text) ?? [];
  if (authority + path + query === "") {
    throw wrong("is not a URL; write it like postgres://user:password@localhost:5432/database");
  }
  const parameters: Parameters = new Map();
  const put = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== "") parameters.set(name, decoded(value));
  };
  const at = authority.lastIndexOf("@");
  const [, user, password] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, Math.max(at, 0))) ?? [];
  const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(authority.slice(at + 1)) ?? [];
  put("user", user);
  put("password", password);
  put("host", host?.replace(/^\[(.*)\]$/, "$1"));
  put("port", port);
  put("dbname", path);
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals > 0) put(nameOf(decoded(pair.slice(0, equals))), pair.slice(equals + 1));
  }
  return parameters;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("a % in the URL does not begin a code such as %40; write a % that stands for itself as %25");
  }
}

/** `key = value` pairs; values may stand in single quotes, and a backslash takes the next character as it is. */
function parseKeywords(text: string): Parameters {
  const parameters: Parameters = new Map();
  const pair = /\s*([A-Za-z_][\w.]*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\]|\\.)*))(?=\s|$)/gsy;
  let end = 0;
  while (end < text.length) {
    pair.lastIndex = end;
    const [whole, name, quoted, plain] = pair.exec(text) ?? [];
    if (whole === undefined || name === undefined) {
      throw wrong(
        `the part behind character ${end} is not a pair like host=localhost; put a value with spaces in single quotes`,
      );
    }
    const value = (quoted ?? plain ?? "").replace(/\\(.)/gs, "$1");
    if (value !== "") parameters.set(nameOf(name), value);
    end = pair.lastIndex;
    while (/\s/.test(text[end] ?? "")) end += 1;
  }
  return parameters;
}

const nameOf = (name: string) => (name.toLowerCase() === "database" ? "dbname" : name.toLowerCase());

function toAddress(parameters: Parameters): Address {
  const text = (name: string) => parameters.get(name);
  const host = text("host");
  if (host?.includes(",") || text("hostaddr")?.includes(",") || text("port")?.includes(",")) {
    throw wrong("names several hosts; name one, such as that of a proxy which finds the primary");
  }
  const rootCert = text("sslrootcert");
  return {
    host,
    hostaddr: text("hostaddr"),
    port: number(parameters, "port", 65_535),
    database: text("dbname"),
    user: text("user"),
    password: text("password"),
    sslMode: sslModeOf(text("sslmode"), rootCert),
    sslRootCert: rootCert,
    sslCert: text("sslcert"),
    sslKey: text("sslkey"),
    sslPassword: text("sslpassword"),
    connectTimeoutMs: seconds(number(parameters, "connect_timeout")),
    applicationName: text("application_name"),
    options: optionsOf(parameters),
    poolMaxConns: number(parameters, "pool_max_conns"),
    queryExecMode: text("default_query_exec_mode"),
    ignored: [...parameters.keys()].filter((name) => ignorable.has(name)),
  };
}

const seconds = (value: number | undefined) => (value ? value * 1000 : undefined);

function number(parameters: Parameters, name: string, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw wrong(`${name} is not a whole number, got ${JSON.stringify(text)}`);
}

function sslModeOf(text: string | undefined, rootCert: string | undefined): SslMode {
  const mode = text?.toLowerCase() ?? "prefer";
  if (!sslModes.includes(mode)) {
    throw wrong(`sslmode is not one of ${sslModes.join(", ")}, got ${JSON.stringify(text)}`);
  }
  // A root certificate would be of no use if nothing were checked against it.
  if (rootCert && (mode === "require" || text === undefined)) return "verify-ca";
  return mode as SslMode;
}

/** Settings of the session go the way the published clients send them: as options of the server's command line. */
function optionsOf(parameters: Parameters): string | undefined {
  const own = parameters.get("options");
  const further = [...parameters]
    .filter(([name]) => !known.has(name) && !ignorable.has(name))
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, "\\$&")}`);
  const options = [...(own ? [own] : []), ...further];
  return options.length > 0 ? options.join(" ") : undefined;
}
