import { causeText, fail, MechaError } from "../../specs/errors.ts";

// Numbers of the servers' errors: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html and
// https://mariadb.com/kb/en/mariadb-error-code-reference/

/** Two transactions got in each other's way. */
const conflicts: ReadonlySet<number> = new Set([1020, 1205, 1213]);
/** The server ends the connection, which may be of no use to others too. */
const endings: ReadonlySet<number> = new Set([1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 4031]);
/** The server cannot serve now, or not this user. */
const away: ReadonlySet<number> = new Set([
  ...endings,
  ...conflicts,
  1021,
  1036,
  1037,
  1038,
  1040,
  1041,
  1044,
  1045,
  1049,
  1114,
  1129,
  1130,
  1203,
  1226,
  1290,
  1792,
  1836,
  3159,
]);
const fixes: Readonly<Record<number, string>> = {
  1040: "lower the number of connections, or raise the server's max_connections",
  1203: "lower the number of connections, or raise the user's max_user_connections",
  1290: "the connection leads to a server that only reads, name the primary",
  1792: "the connection leads to a server that only reads, name the primary",
  1836: "the connection leads to a server that only reads, name the primary",
};
/** Node's codes of certificates that are not trusted. */
const untrusted = /CERT|SIGNATURE|ERR_TLS|ERR_SSL|EPROTO|HANDSHAKE_SSL_ERROR/;
/** The library's codes of connections that broke, and Node's. */
const lost = /^(?:PROTOCOL_[A-Z_]+|E[A-Z_]{3,}|HANDSHAKE_[A-Z_]+)$/;

/** What calls get that come after the end. */
export class ClosedError extends Error {
  constructor() {
    super("the component is closed");
  }
}

/** The server's number of an error; undefined: the server did not say this. */
export function numberOf(error: unknown): number | undefined {
  // Errors of the network have numbers too, which are negative.
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") return undefined;
  return error.errno > 0 ? error.errno : undefined;
}

/** Node's code of an error of the network, or the library's of a broken connection; undefined: neither. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The same again can succeed. */
export const isConflict = (error: unknown): boolean => conflicts.has(numberOf(error) ?? 0);

/** The connection is of no use any more; whether its last statement was done is not known. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof MechaError) return false;
  const number = numberOf(error);
  if (number !== undefined) return endings.has(number);
  return ("fatal" in error && error.fatal === true) || lost.test(codeOf(error) ?? "");
}

/**
 * What a caller of the component `name` gets for an error: `backendUnavailable` where the server or the way to it is at
 * fault, `badRequest` for what the server does not take, else the error itself.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError || !(error instanceof Error)) return error;
  const number = numberOf(error);
  const isAway = error instanceof ClosedError || (number === undefined ? isLost(error) : away.has(number));
  if (!isAway) return error;
  const fix = fixes[number ?? 0];
  const cause = fix === undefined ? textOf(error) : `${textOf(error)}; ${fix}`;
  return fail("backendUnavailable", { name, cause }, { cause: error });
}

/** The message; an error of several addresses has it in its parts. */
function textOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(causeText).join("; ");
  return causeText(error) || (codeOf(error) ?? error.name);
}

/** Where a connection was tried. */
export interface Tried {
  /** Name of the setting with the connection string. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string | undefined;
  readonly timeoutMs: number;
}

/** `openFailed` that says which setting is wrong and what to write instead. */
export function openFailure(error: unknown, tried: Tried): MechaError {
  if (error instanceof MechaError) return error;
  return fail("openFailed", { why: openText(error, tried) }, { cause: error });
}

function openText(error: unknown, { setting, host, port, user, database, timeoutMs }: Tried): string {
  const at = host.startsWith("/") ? host : `${host}:${port}`;
  const message = error instanceof Error ? textOf(error) : causeText(error);
  switch (numberOf(error)) {
    case 1045:
      return `${setting}: the server at ${at} does not let user ${user} in: ${message}; correct user and password`;
    case 1129:
    case 1130:
      return `${setting}: the server at ${at} takes no connections from here: ${message}`;
    case 1044:
    case 1142:
    case 1227:
    case 1370:
      return `user ${user} may not do what the component needs at ${at}: ${message}; grant it, or make database and table beforehand`;
    case 1049:
      return `${setting}: database ${database} does not exist at ${at}; create it, or name another one`;
    case 1193:
      return `${setting}: ${message}; behind the question mark are known parameters and system variables of the server`;
    case 1040:
    case 1203:
      return `the server at ${at} takes no more connections; raise its max_connections`;
    case 3159:
      return `${setting}: the server at ${at} wants TLS; write ?tls=true behind the database, or ?tls=custom with pemPath`;
  }
  switch (codeOf(error)) {
    case "ECONNREFUSED":
    case "ENOENT":
      return `${setting}: nothing listens at ${at}; start the server, or correct host and port`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${setting}: host ${host} is not known to the name service; correct host`;
    case "ETIMEDOUT":
      return `${setting}: ${at} does not answer within ${timeoutMs} ms; correct host and port, or let the connection through`;
    case "HANDSHAKE_NO_SSL_SUPPORT":
      return `${setting}: the server at ${at} offers no TLS; write tls=false, or switch TLS on there`;
  }
  if (untrusted.test(codeOf(error) ?? "")) {
    return `pemPath: the certificate of ${at} is not accepted: ${message}; name its authority as pemPath, or write tls=skip-verify`;
  }
  return `cannot use the server at ${at}: ${message}`;
}

/** The server offers no TLS. */
export const isWithoutTls = (error: unknown): boolean => codeOf(error) === "HANDSHAKE_NO_SSL_SUPPORT";
