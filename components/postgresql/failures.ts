import { causeText, fail, MechaError } from "../../specs/errors.ts";

// SQLSTATE codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
const conflicts: ReadonlySet<string> = new Set(["40001", "40P01"]);
/** The connection is gone or the server cannot serve now. */
const away = /^(?:08...|57P0[1-5]|53...|58...|XX...|25006|28...|3D000|E[A-Z_]{3,})$/;
/** Texts of errors that the client library makes itself, without a code. */
const lost =
  /^Connection terminated|^Client (?:was closed|has encountered a connection error)|^timeout exceeded when trying to connect|^timeout expired|^Query read timeout|^Cannot use a pool after/;
/** Node's codes of certificates that are not trusted. */
const untrusted = /CERT|SIGNATURE|ERR_TLS|ERR_SSL|EPROTO/;

/** SQLSTATE, or Node's code of an error of the network; undefined: neither. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The server offers no TLS. */
export const isWithoutTls = (error: unknown): boolean => /does not support SSL/.test(causeText(error));

/** Two transactions got in each other's way: the same again can succeed. */
export const isConflict = (error: unknown): boolean => conflicts.has(codeOf(error) ?? "");

/** The connection is of no use any more; whether its last statement was done is not known. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof MechaError) return false;
  const code = codeOf(error);
  if (code !== undefined) return /^(?:08...|57P0[1-5]|E[A-Z_]{3,})$/.test(code);
  return lost.test(error.message);
}

/**
 * What a caller of the component `name` gets for an error: `backendUnavailable` where the server or the way to it is at
 * fault, `malformedRequest` for a text it cannot hold, else the error itself.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  if (code === "22021") {
    return fail(
      "malformedRequest",
      { why: "a key or name holds a NUL, which PostgreSQL cannot store" },
      { cause: error },
    );
  }
  if (code === undefined ? !isLost(error) : !away.test(code)) return error;
  return fail("backendUnavailable", { name, cause: unavailableText(error, code) }, { cause: error });
}

function unavailableText(error: Error, code: string | undefined): string {
  if (code === "53300") return `${error.message}; lower maxConns, or raise the server's max_connections`;
  if (code === "25006") return `${error.message}; the connection leads to a read-only replica, name the primary`;
  if (/^timeout exceeded when trying to connect/.test(error.message)) {
    return "no connection was free in time; raise maxConns, or look for slow statements";
  }
  return textOf(error);
}

/** The message; an error of several addresses has it in its parts. */
function textOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(causeText).join("; ");
  return causeText(error);
}

/** Where a connection was tried. */
export interface Tried {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly timeoutMs: number;
}

/** `openFailed` that says which setting is wrong and what to write instead. */
export function openFailure(error: unknown, tried: Tried): MechaError {
  if (error instanceof MechaError) return error;
  return fail("openFailed", { why: openText(error, tried) }, { cause: error });
}

function openText(error: unknown, { host, port, database, user, timeoutMs }: Tried): string {
  const at = host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`;
  const message = error instanceof Error ? textOf(error) : causeText(error);
  const code = codeOf(error) ?? "";
  switch (code) {
    case "28P01":
      return `connectionString: the server at ${at} refuses the password of user ${user}; correct user or password`;
    case "28000":
      return `connectionString: the server at ${at} does not let user ${user} in: ${message}; correct the user, or let it in by pg_hba.conf and sslmode`;
    case "3D000":
      return `connectionString: database ${database} does not exist at ${at}; create it, or name another one as database`;
    case "42501":
      return `user ${user} may not do what the component needs: ${message}; grant it on database ${database}, or make the tables beforehand`;
    case "53300":
      return `the server at ${at} takes no more connections; lower maxConns, or raise the server's max_connections`;
    case "ECONNREFUSED":
    case "ENOENT":
      return `connectionString: nothing listens at ${at}; start the server, or correct host and port`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `connectionString: host ${host} is not known to the name service; correct host`;
    case "57P03":
      return `the server at ${at} is not ready yet: ${message}`;
  }
  if (isWithoutTls(error)) {
    return `connectionString: the server at ${at} offers no TLS; write sslmode=disable, or switch TLS on there`;
  }
  if (/password must be a (?:non-empty )?string/.test(message)) {
    return `connectionString: the server at ${at} asks for a password; give password of user ${user}`;
  }
  if (untrusted.test(code)) {
    return `connectionString: the certificate of ${at} is not accepted: ${message}; name its authority as sslRootCert, or write sslmode=require`;
  }
  if (code === "ETIMEDOUT" || /timeout/.test(message)) {
    return `connectionString: ${at} does not answer within ${timeoutMs} ms; correct host and port, or let the connection through`;
  }
  return `cannot use database ${database} at ${at}: ${message}`;
}
