import { causeText } from "../../specs/errors.ts";

/** Names of the settings that decide whether a connection comes about. */
export interface ConnectionKeys {
  /** Where the server is. */
  readonly address: string;
  /** Whom to trust. */
  readonly ca?: string | undefined;
  /** The name to look for in the certificate. */
  readonly serverName?: string | undefined;
  /** Certificate of the client. */
  readonly clientCertificate?: string | undefined;
}

/** Why a server could not be asked: which setting is meant, what to do, and the words of the error. */
export function connectionFix(error: unknown, address: string, keys: ConnectionKeys): string {
  return `${fixOf(error, address, keys)} (${causeText(error) || codeOf(error)})`;
}

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_)/;
const nameCodes = /^ERR_TLS_CERT_ALTNAME/;
const clientAlerts = /^ERR_SSL_.*(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)/;

function fixOf(error: unknown, address: string, { address: key, ca, serverName, clientCertificate }: ConnectionKeys) {
  const code = codeOf(error);
  switch (code) {
    case "ECONNREFUSED":
      return `${key}: nothing listens at ${address}; start the server there, or correct ${key}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${key}: the name in ${address} is not known; correct ${key}`;
    case "ETIMEDOUT":
      return `${key}: ${address} does not answer; correct ${key}, or see what holds the server up`;
    case "ECONNRESET":
      return `${key}: ${address} ends the connection; write https:// if it speaks TLS`;
    case "CERT_HAS_EXPIRED":
      return `${key}: the certificate of ${address} has expired; renew it`;
    default:
      break;
  }
  if (certificateCodes.test(code)) {
    const fix = ca === undefined ? "have it signed by a known authority" : `give the one that has signed it as ${ca}`;
    return `${ca ?? key}: the certificate of ${address} comes from an authority that is not trusted; ${fix}`;
  }
  if (nameCodes.test(code)) {
    const fix = serverName === undefined ? `use that name in ${key}` : `set ${serverName} to a name that is in it`;
    return `${serverName ?? key}: the certificate of ${address} is for another name; ${fix}`;
  }
  if (clientAlerts.test(code)) {
    const fix = clientCertificate === undefined ? "which cannot be given here" : `correct ${clientCertificate}`;
    return `${clientCertificate ?? key}: ${address} refuses the client's certificate, or asks for one; ${fix}`;
  }
  if (/^(EPROTO|ERR_SSL_)/.test(code)) return `${key}: ${address} does not speak TLS; write http:// if that is meant`;
  if (code.startsWith("HPE_")) return `${key}: ${address} does not speak HTTP; correct ${key}`;
  return `${key}: ${address} cannot be asked`;
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
