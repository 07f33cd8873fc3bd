import { causeText, fail, MechaError } from "../../specs/errors.ts";

/** Who asked whom, for the text of an error. */
export interface Asked {
  /** metadata.name of the component. */
  readonly name: string;
  /** Address as the settings say it: `dynamodb in eu-west-1`, or the endpoint. */
  readonly address: string;
}

/** What to do about an error, by the name that the service gives it. */
export type Fixes = Readonly<Record<string, string>>;

const unknownKey = "accessKey, secretKey: AWS does not know this key; correct them";
const wrongSecret = "secretKey: it does not belong to accessKey; correct it";
const expired = "sessionToken: it has expired; give a new one, or let the environment give credentials";
const throttled = "the service refuses more requests for now: send fewer, or raise its limits";

const common: Fixes = {
  UnrecognizedClientException: unknownKey,
  InvalidClientTokenId: unknownKey,
  InvalidAccessKeyId: unknownKey,
  AuthFailure: unknownKey,
  SignatureDoesNotMatch: wrongSecret,
  InvalidSignatureException: wrongSecret,
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  CredentialsProviderError:
    "accessKey, secretKey: none are given, and neither environment, profile, container nor machine offers any; give them, or run where AWS gives credentials",
  ThrottlingException: throttled,
  Throttling: throttled,
  ThrottledException: throttled,
  TooManyRequestsException: throttled,
  RequestLimitExceeded: throttled,
  RequestThrottled: throttled,
  SlowDown: throttled,
  ProvisionedThroughputExceededException: throttled,
  LimitExceededException: throttled,
};

const denied: ReadonlySet<string> = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "AuthorizationError",
  "AuthorizationErrorException",
  "UnauthorizedOperation",
]);

/** The name that the service or the library gives to what went wrong. */
export const errorName = (error: unknown): string => (error instanceof Error ? error.name : "");

/**
 * The error without the exchange that the library hangs on it for good, with the token of the session in its headers.
 * The same error where there is none.
 */
export function withoutRequest(error: unknown): unknown {
  if (!(error instanceof Error) || !("$response" in error)) return error;
  const bare = Object.assign(new Error(error.message), { ...error, name: error.name });
  if (error.stack !== undefined) bare.stack = error.stack;
  return bare;
}

/** The credentials are good, but a policy does not let them do this. */
export const isDenied = (error: unknown): boolean => denied.has(errorName(error)) || statusOf(error) === 403;

/**
 * What a caller of the component gets for an error of the library: `backendUnavailable` where the service, the way there
 * or the access to it are at fault, else the error with a fix where one is known.
 */
export function translate(error: unknown, { name, address }: Asked, fixes: Fixes = {}): unknown {
  if (error instanceof MechaError) return error;
  const fix = fixOf(error, address, fixes);
  const cause = fix === undefined ? described(error) : `${fix} (${described(error)})`;
  if (isOfTheService(error)) return fail("backendUnavailable", { name, cause }, { cause: error });
  return fix === undefined ? error : new Error(cause, { cause: error });
}

/** `openFailed` for a component that cannot be opened: which setting is meant, and what to do. */
export function openFailure(error: unknown, { address }: Asked, fixes: Fixes = {}): MechaError {
  if (error instanceof MechaError) return error;
  const fix = fixOf(error, address, fixes) ?? `${address} cannot be used`;
  return fail("openFailed", { why: `${fix} (${described(error)})` }, { cause: error });
}

function fixOf(error: unknown, address: string, fixes: Fixes): string | undefined {
  const own = fixes[errorName(error)] ?? common[errorName(error)];
  if (own !== undefined) return own;
  if (isDenied(error)) return "the policy of these credentials does not allow it; allow it, or use other credentials";
  const code = systemCode(error) ?? "";
  return ways.find(([pattern]) => pattern.test(code))?.[1](address);
}

/** What goes wrong on the way to a service, by the code that Node gives it. */
const ways: readonly (readonly [RegExp, (address: string) => string])[] = [
  [/^ECONNREFUSED$/, (address) => `endpoint: nothing listens at ${address}; start it, or correct endpoint`],
  [/^(ENOTFOUND|EAI_AGAIN)$/, (address) => `region, endpoint: the name of ${address} is not known; correct them`],
  [/WRONG_VERSION_NUMBER|^EPROTO$/, (address) => `endpoint: ${address} does not encrypt; write it with http://`],
  [
    /SELF_SIGNED_CERT|^UNABLE_TO_/,
    (address) => `endpoint: the certificate of ${address} is not trusted; add its authority with NODE_EXTRA_CA_CERTS`,
  ],
];

/** The service's own words; not those about a signature, which quote the whole request. */
function described(error: unknown): string {
  const name = errorName(error);
  if (name === "SignatureDoesNotMatch" || name === "InvalidSignatureException") return name;
  const text = causeText(error);
  return name === "Error" || name === "" || text.startsWith(name) ? text : `${name}: ${text}`;
}

function isOfTheService(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined && (status >= 500 || status === 429 || status === 403)) return true;
  return errorName(error) in common || isDenied(error) || isConnection(error);
}

const isConnection = (error: unknown) =>
  systemCode(error) !== undefined || errorName(error) === "TimeoutError" || errorName(error) === "NetworkingError";

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  return (error.$metadata as { readonly httpStatusCode?: number } | undefined)?.httpStatusCode;
}

function systemCode(error: unknown): string | undefined {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ("code" in one && typeof one.code === "string" && /^[A-Z][A-Z_0-9]+$/.test(one.code)) return one.code;
  }
  return undefined;
}
