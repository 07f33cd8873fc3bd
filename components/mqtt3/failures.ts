import { causeText, fail, MechaError } from "../../specs/errors.ts";

/** What an error is about, for people. */
export interface About {
  readonly broker: string;
  readonly username: string | undefined;
  readonly clientId: string;
  readonly isFive: boolean;
}

/** The connection ended while an answer was owed: what was asked may be done or not. */
export class LostError extends Error {
  constructor(why: string) {
    super(`the connection was lost${why === "" ? "" : ` (${why})`}`);
  }
}

/** What calls get that come after the end. */
export class ClosedError extends Error {
  constructor() {
    super("the component is closed");
  }
}

export const isLost = (error: unknown): boolean => error instanceof LostError;

/** The number with which the broker refused something; undefined: it was not the broker. */
export function reasonCode(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

// https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901031, and those of CONNACK in 3.1.1.
const wrongVersion = new Set([1, 132]);
const wrongId = new Set([2, 133]);
const wrongUser = new Set([4, 5, 134, 135]);
const notAllowed = new Set([128, 135]);
const tooLarge = 149;
const tooMany = new Set([147, 150, 151]);

/**
 * What a caller of the component `name` gets for an error: `backendUnavailable` where the broker, its access rules or the
 * way there are at fault, else the error itself.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError || !(error instanceof Error)) return error;
  const unavailable = (cause: string) => fail("backendUnavailable", { name, cause }, { cause: error });
  const code = reasonCode(error);
  if (error instanceof LostError) return unavailable(`${error.message}; it may be done or not`);
  if (code === tooLarge)
    return fail("malformedRequest", { why: "the message is larger than the broker takes" }, { cause: error });
  if (code !== undefined && notAllowed.has(code)) {
    return unavailable(
      `the user lacks the right that the topic asks for; the broker must give it (${causeText(error)})`,
    );
  }
  if (code !== undefined && tooMany.has(code))
    return unavailable(`the broker takes no more for now (${causeText(error)})`);
  if (error instanceof ClosedError || code !== undefined || systemCode(error) !== undefined)
    return unavailable(causeText(error));
  return error;
}

/** Asking again with the same settings cannot help. */
export function isFinal(error: unknown): boolean {
  const code = reasonCode(error);
  return (
    isCertificate(error) || (code !== undefined && [wrongVersion, wrongId, wrongUser].some((codes) => codes.has(code)))
  );
}

/** `openFailed` for a first connection that did not come about: which setting is meant, and what to do. */
export function openFailure(error: unknown, about: About): MechaError {
  if (error instanceof MechaError) return error;
  return fail("openFailed", { why: `${openFix(error, about)} (${causeText(error)})` }, { cause: error });
}

function openFix(error: unknown, { broker, username, clientId, isFive }: About): string {
  const text = causeText(error);
  const code = reasonCode(error);
  if (code !== undefined && wrongUser.has(code)) {
    return username === undefined
      ? `url: ${broker} asks for a user; write it as tcp://user:password@host:1883`
      : `url: ${broker} does not accept user ${username} with this password; correct user or password`;
  }
  if (code !== undefined && wrongId.has(code)) {
    return `consumerID: ${broker} does not accept the client id ${JSON.stringify(clientId)}; choose another consumerID`;
  }
  if (code !== undefined && wrongVersion.has(code)) {
    return `protocolVersion: ${broker} does not speak MQTT ${isFive ? "5; set it to 3.1.1" : "3.1.1; set it to 5"}`;
  }
  switch (systemCode(error)) {
    case "ECONNREFUSED":
      return `url: nothing listens at ${broker}; start the broker there, or correct url`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `url: the name in ${broker} is not known; correct url`;
    default:
      break;
  }
  if (/alert|certificate required/i.test(text)) {
    return `clientCert, clientKey: ${broker} asks for a certificate that it trusts; give it one`;
  }
  if (isCertificate(error)) return `caCert: the certificate of ${broker} is not trusted; give the one it comes from`;
  if (/wrong version number|packet length too long|EPROTO/.test(text)) {
    return `url: ${broker} does not encrypt; begin it with tcp, or name the port for TLS`;
  }
  if (/timeout/i.test(text)) return `url: ${broker} does not answer; correct url`;
  if (error instanceof LostError || systemCode(error) === "ECONNRESET") {
    const version = isFive ? ", or set protocolVersion to 3.1.1" : "";
    return `url: ${broker} ends the connection; begin url with ssl if it encrypts, correct the port${version}`;
  }
  return `url: ${broker} cannot be used`;
}

const systemCode = (error: unknown) =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;
const isCertificate = (error: unknown) => certificateCodes.test(systemCode(error) ?? "");
