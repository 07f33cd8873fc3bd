import { causeText, fail, MechaError } from "../../specs/errors.ts";

/** First word of what the server answered, such as `WRONGPASS`; undefined: the server did not say this. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  return /^[A-Z]+/.exec(error.message)?.[0];
}

/** What calls get that come after the end. */
export class ClosedError extends Error {
  constructor() {
    super("the component is closed");
  }
}

/** The connection broke while an answer was owed: what was asked may be done or not. */
export const isLost = (error: unknown): boolean =>
  error instanceof Error &&
  (error.message === "Connection is closed." || error.name === "AbortError" || error.name === "ClusterAllFailedError");

const notDone: ReadonlySet<string> = new Set(["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED"]);

/** The server refused for now and did nothing. */
export const isRefusedForNow = (error: unknown): boolean => notDone.has(replyCode(error) ?? "");

/** What the server says when it cannot do its work, as opposed to what it says about a wrong command. */
const troubles: ReadonlySet<string> = new Set([...notDone, "BUSY", "MISCONF", "OOM", "NOREPLICAS", "UNBLOCKED"]);

const fixes: Readonly<Record<string, string>> = {
  WRONGPASS: "redisUsername and redisPassword are not accepted",
  NOAUTH: "the server asks for a password: set redisPassword",
  NOPERM: "the user of redisUsername lacks a permission that its ACL must give",
  OOM: "the server has reached its maxmemory",
  CROSSSLOT: "the keys live on different nodes of the cluster: give them the same part in braces, as in {order}-1",
  WRONGTYPE: "the key holds something else than this component keeps",
};

/**
 * What a caller of the component `name` gets for an error of the library: `backendUnavailable` where the server, its
 * access rules or the way there are at fault, else the error with a fix where one is known.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError) return error;
  withoutArguments(error);
  const code = replyCode(error);
  const fix = fixOf(error, code);
  const cause = fix === undefined ? connectionText(error) : `${fix} (${causeText(error)})`;
  const isOurs = code === undefined ? isConnection(error) : troubles.has(code) || accessCodes.has(code);
  if (isOurs) return fail("backendUnavailable", { name, cause }, { cause: error });
  return fix === undefined ? error : new Error(cause, { cause: error });
}

function fixOf(error: unknown, code: string | undefined): string | undefined {
  if (code === undefined) return undefined;
  if (/invalid (multi)?bulk length/.test(causeText(error))) {
    return "the value is larger than the server takes: raise its proto-max-bulk-len, or store less";
  }
  return fixes[code];
}

const accessCodes: ReadonlySet<string> = new Set(["WRONGPASS", "NOAUTH", "NOPERM"]);

/** Asking again with the same settings cannot help. */
export const isFinal = (error: unknown): boolean =>
  accessCodes.has(replyCode(error) ?? "") || isCertificate(error) || /DB index is out of range/.test(causeText(error));

/** `openFailed` for a first connection that did not come about: which setting is meant, and what to do. */
export function openFailure(error: unknown, address: string): MechaError {
  if (error instanceof MechaError) return error;
  withoutArguments(error);
  return fail("openFailed", { why: `${openFix(error, address)} (${causeText(error)})` }, { cause: error });
}

/** The library hangs the command on its errors, with passwords and values. */
function withoutArguments(error: unknown): void {
  if (error instanceof Error && "command" in error) error.command = undefined;
}

function openFix(error: unknown, address: string): string {
  const text = causeText(error);
  switch (replyCode(error) ?? systemCode(error)) {
    case "WRONGPASS":
      return `redisUsername, redisPassword: ${address} does not accept them; correct them`;
    case "NOAUTH":
      return `redisPassword: ${address} asks for a password; set it`;
    case "NOPERM":
      return `redisUsername: the user lacks a permission at ${address}; its ACL must give it`;
    case "ECONNREFUSED":
      return `redisHost: nothing listens at ${address}; start Redis there, or correct redisHost`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `redisHost: the name in ${address} is not known; correct redisHost`;
    case "ETIMEDOUT":
      return `redisHost: ${address} does not answer within dialTimeout; correct redisHost, or leave enableTLS out if the server does not encrypt`;
    case "ECONNRESET":
      return `redisHost: ${address} ends the connection; set enableTLS if the server encrypts`;
    case "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED":
      return `clientCert, clientKey: ${address} asks for a certificate of the client; give it one`;
    default:
      break;
  }
  if (isLost(error))
    return `redisHost: no connection to ${address} comes about; start Redis there, or correct redisHost`;
  if (isCertificate(error)) {
    return `enableTLS: the certificate of ${address} is not trusted; give the one it comes from as caCert`;
  }
  if (/wrong version number|packet length too long|SSL|TLS/.test(text)) {
    return `enableTLS: ${address} and enableTLS do not agree on encryption; set enableTLS as the server is set`;
  }
  if (/DB index is out of range/.test(text)) return `redisDB: ${address} has no such database; choose a smaller number`;
  if (/cluster support disabled/.test(text)) return `redisType: ${address} is no cluster; set redisType to node`;
  if (/sentinel/i.test(text)) return `redisHost, sentinelMasterName: the sentinels at ${address} name no primary`;
  return `redisHost: ${address} cannot be used`;
}

const systemCode = (error: unknown) =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;
const isCertificate = (error: unknown) => certificateCodes.test(systemCode(error) ?? "");

const isConnection = (error: unknown) =>
  isLost(error) ||
  error instanceof ClosedError ||
  systemCode(error) !== undefined ||
  (error instanceof Error && /Socket timeout|Too many Cluster redirections/.test(error.message));

const connectionText = (error: unknown) =>
  isLost(error) ? "the connection was lost before the answer came; it may be done or not" : causeText(error);
