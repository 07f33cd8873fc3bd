import { causeText, fail, MechaError } from "../../specs/errors.ts";

/** What the JetStream API answered in place of doing what was asked. */
export class ApiError extends Error {
  readonly code: number;
  readonly errorCode: number;
  constructor({ code = 0, err_code = 0, description = "" }: ApiErrorBody) {
    super(`${description} (${err_code || code})`);
    this.code = code;
    this.errorCode = err_code;
  }
}
export interface ApiErrorBody {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

/** Numbers of errors that are not the end. */
export const apiErrors = {
  noMessage: 10037,
  noConsumer: 10014,
  noStream: 10059,
  streamExists: 10058,
  subjectsOverlap: 10065,
  wrongLastSequence: 10071,
} as const;

export const isApiError = (error: unknown, name: keyof typeof apiErrors): boolean =>
  error instanceof ApiError && error.errorCode === apiErrors[name];

/** Nobody listens at a subject: no stream, or no JetStream. */
export class NoResponderError extends Error {
  constructor(subject: string) {
    super(`nobody answers at ${subject}`);
  }
}

/** The answer did not come in time. */
export class NoAnswerError extends Error {
  constructor(ms: number) {
    super(`no answer came within ${ms / 1000} s; what was asked may be done or not`);
  }
}

export class ClosedError extends Error {
  constructor() {
    super("the component is closed");
  }
}

/** The server does not let the user do this. */
export class PermissionError extends Error {
  constructor(text: string) {
    super(`the user lacks a permission that the server must give: ${text}`);
  }
}

/** A server is there, but its JetStream is not. */
export class NoJetStreamError extends Error {
  constructor(cause: unknown) {
    super("JetStream does not answer", { cause });
  }
}

/** JetStream's own words for that it cannot work now: without a leader, a quorum or space. */
const troubles: ReadonlySet<number> = new Set([10008, 10009, 10023, 10028, 10039, 10047, 10076]);

const fixes: Readonly<Record<number, string>> = {
  10023: "the account has no room left: raise its limits, or delete streams",
  10047: "the server has no room left for JetStream: raise max_file_store, or free space",
  10054: "the message is larger than the stream takes: raise its max_msg_size, or send less",
  10074: "replicas: more than the cluster has servers, or than one server can keep; set it lower",
  10077: "the stream is full and set to refuse more: raise its limits",
};

/**
 * What a caller of the component `name` gets for an error: `backendUnavailable` where the server, its access rules or the
 * way there are at fault, else the error with a fix where one is known.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError) return error;
  const fix = error instanceof ApiError ? fixes[error.errorCode] : undefined;
  const cause = fix === undefined ? causeText(error) : `${fix} (${causeText(error)})`;
  const isOurs =
    error instanceof NoAnswerError ||
    error instanceof NoResponderError ||
    error instanceof ClosedError ||
    error instanceof PermissionError ||
    (error instanceof ApiError && (troubles.has(error.errorCode) || error.code === 503));
  if (isOurs) return fail("backendUnavailable", { name, cause }, { cause: error });
  return fix === undefined ? error : new Error(cause, { cause: error });
}

/** `openFailed` for a first connection that did not come about: which setting is meant, and what to do. */
export function openFailure(error: unknown, where: string): MechaError {
  if (error instanceof MechaError) return error;
  const cause = error instanceof NoJetStreamError ? error.cause : error;
  return fail("openFailed", { why: `${openFix(error, where)} (${causeText(cause)})` }, { cause });
}

const asksForCertificate = /^ERR_SSL_.*ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE)$/;

function openFix(error: unknown, where: string): string {
  const text = causeText(error);
  const deeper = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = systemCode(error) ?? systemCode(deeper);
  if (code !== undefined && asksForCertificate.test(code)) {
    return `tls_client_cert, tls_client_key: ${where} asks for a certificate of the client; give it one`;
  }
  switch (code) {
    case "ECONNREFUSED":
      return `natsURL: nothing listens at ${where}; start nats-server there, or correct natsURL`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `natsURL: the name in ${where} is not known; correct natsURL`;
    default:
      break;
  }
  if (error instanceof NoJetStreamError) {
    return `natsURL: ${where} has no JetStream for this user; start nats-server with -js, or set domain or apiPrefix`;
  }
  if (isAuthorization(error)) {
    return `natsURL, token, jwt, seedKey: ${where} does not accept the credentials, or asks for some; correct them`;
  }
  if (isCertificate(error) || isCertificate(deeper)) {
    return `caCert: the certificate of ${where} is not trusted; give the one it comes from as caCert`;
  }
  if (/does not support 'tls'/.test(text))
    return `natsURL: ${where} does not encrypt; write nats:// and leave caCert out`;
  if (/timeout/i.test(text)) {
    // A server that misses the client's certificate just goes silent, as far as the library says.
    return `natsURL, tls_client_cert: ${where} does not answer; correct natsURL, or give the certificate that it may want`;
  }
  return `natsURL: ${where} cannot be used`;
}

const isAuthorization = (error: unknown) =>
  error instanceof Error && /^(AuthorizationError|UserAuthenticationExpiredError)$/.test(error.name);

const systemCode = (error: unknown) =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;
const isCertificate = (error: unknown) => certificateCodes.test(systemCode(error) ?? "");
