import { causeText, fail, MechaError } from "../../specs/errors.ts";

/** What an error is about, for people. */
export interface About {
  /** Settings that say where the server is, and that it knows the sidecar by its certificate. */
  readonly address: string;
  readonly external: string;
  readonly server: string;
  readonly vhost: string;
  readonly username: string;
  readonly isExternal: boolean;
}

/** What calls get that come after the end. */
export class ClosedError extends Error {
  constructor() {
    super("the component is closed");
  }
}

// https://www.rabbitmq.com/amqp-0-9-1-reference#constants
const refused = 403;
const absent = 404;
const locked = 405;
const unmet = 406;
const unsupported = 540;

/** The number with which the server closes a channel or connection; undefined: it was not the server. */
export function replyCode(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

const about = new Set([refused, absent, locked, unmet, unsupported]);

/** The connection or channel is of no use any more, for a reason that is not the request itself: it may be done or not. */
export function isLost(error: unknown): boolean {
  if (error instanceof MechaError || !(error instanceof Error) || error instanceof ClosedError) return false;
  const code = replyCode(error);
  if (code !== undefined) return !about.has(code);
  return (
    isOfTheSystem(error) ||
    /^(channel closed|Channel |Connection |Unexpected close|Heartbeat timeout)/i.test(error.message)
  );
}

/** The exchange that was published to is gone. */
export const isAbsent = (error: unknown): boolean => replyCode(error) === absent;

/** Whether the server closed the channel because of this message, and not of another one on the same channel. */
export function isBlamed(error: unknown, exchange: string, bytes: number): boolean {
  const text = causeText(error);
  const size = /message size (\d+)/.exec(text)?.[1];
  if (size !== undefined) return Number(size) === bytes;
  return text.includes(`exchange '${exchange}'`) || (exchange === "" && text.includes("default exchange"));
}

/** A declaration that does not fit what the server has already. */
export interface Mismatch {
  readonly kind: "exchange" | "queue";
  /** What differs, such as `type`, `durable` or `x-max-priority`. */
  readonly argument: string;
  readonly name: string;
  readonly received: string;
  readonly current: string;
}

export function findMismatch(error: unknown): Mismatch | undefined {
  const found =
    /inequivalent arg '([^']+)' for (exchange|queue) '([^']+)' in vhost '[^']*': received (.+?) but current is (.+?)"?$/.exec(
      causeText(error),
    );
  if (!found) return undefined;
  const [, argument = "", kind, name = "", received = "", current = ""] = found;
  return { argument, kind: kind as Mismatch["kind"], name, received: bare(received), current: bare(current) };
}

/** `'a'`, `the value 'a' of type 'b'` or `none`. */
const bare = (text: string) => /'([^']*)'/.exec(text)?.[1] ?? text;

/**
 * What a caller of the component `name` gets for an error of the library: `backendUnavailable` where the server, its
 * access rules or the way there are at fault, else the error with a fix where one is known.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError || !(error instanceof Error)) return error;
  const text = causeText(error);
  const unavailable = (cause: string) => fail("backendUnavailable", { name, cause }, { cause: error });
  switch (replyCode(error)) {
    case refused:
      return unavailable(`the user lacks a permission that it needs: ${detail(text)}`);
    case locked:
      return unavailable(`another connection has the queue for itself: ${detail(text)}`);
    case unmet:
      if (/message size/.test(text)) {
        return fail(
          "malformedRequest",
          { why: `the message is larger than the server takes (max_message_size): ${detail(text)}` },
          { cause: error },
        );
      }
      return new Error(detail(text), { cause: error });
    default:
      break;
  }
  if (error instanceof RangeError && /table/i.test(text)) {
    return fail("requestMetadataInvalid", {
      key: "*",
      why: "all of it together is larger than the 64 KiB that headers may have",
    });
  }
  if (/^message nacked/.test(text)) {
    return unavailable("the server did not take the message; a queue has reached its limit, or cannot write");
  }
  if (error instanceof ClosedError || isLost(error)) {
    return unavailable(
      error instanceof ClosedError ? text : `the connection was lost (${text}); it may be done or not`,
    );
  }
  return error;
}

/** What the server says, without what the library puts around it. */
const detail = (text: string) => /with message "(.+?)"?$/.exec(text)?.[1] ?? text;

/** Asking again with the same settings cannot help. */
export const isFinal = (error: unknown): boolean =>
  isCertificate(error) || /Handshake terminated|Expected ConnectionOpenOk|SASL mechanism|frame/i.test(causeText(error));

/** `openFailed` for a first connection that did not come about: which setting is meant, and what to do. */
export function openFailure(error: unknown, about: About): MechaError {
  if (error instanceof MechaError) return error;
  return fail("openFailed", { why: `${openFix(error, about)} (${detail(causeText(error))})` }, { cause: error });
}

function openFix(error: unknown, { address, external, server, vhost, username, isExternal }: About): string {
  const text = causeText(error);
  switch (systemCode(error)) {
    case "ECONNREFUSED":
      return `${address}: nothing listens at ${server}; start RabbitMQ there, or correct ${address}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${address}: the name in ${server} is not known; correct ${address}`;
    default:
      break;
  }
  if (/ACCESS_REFUSED/.test(text)) {
    return isExternal
      ? `${external}: ${server} does not know the user that clientCert names; add that user, or correct clientCert`
      : `${address}: ${server} does not accept user ${username} with this password; correct user or password`;
  }
  if (/SASL mechanism/.test(text)) {
    return isExternal
      ? `${external}: ${server} does not take certificates in place of passwords; enable rabbitmq_auth_mechanism_ssl there, or leave ${external} out`
      : `${address}: ${server} takes no passwords; set ${external}`;
  }
  // The library drops what the server says about it.
  if (/Expected ConnectionOpenOk/.test(text)) {
    return `${address}: ${server} has no virtual host ${JSON.stringify(vhost)} that user ${username} may use; correct it, or give that right`;
  }
  if (/alert|certificate required/i.test(text)) {
    return `clientCert, clientKey: ${server} asks for a certificate that it trusts; give it one`;
  }
  if (isCertificate(error)) {
    return `caCert: the certificate of ${server} is not trusted; give the one it comes from`;
  }
  if (/wrong version number|packet length too long|EPROTO/.test(text)) {
    return `${address}: ${server} does not encrypt; begin the address with amqp, or name the port for TLS`;
  }
  if (/ETIMEDOUT/.test(text)) return `${address}: ${server} does not answer; correct ${address}`;
  if (/Socket closed abruptly|ECONNRESET/.test(text)) {
    return `${address}: ${server} ends the connection; begin the address with amqps if it encrypts, or correct the port`;
  }
  return `${address}: ${server} cannot be used`;
}

const systemCode = (error: unknown) =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
const isOfTheSystem = (error: unknown) => /^E[A-Z]+$/.test(systemCode(error) ?? "");

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;
const isCertificate = (error: unknown) => certificateCodes.test(systemCode(error) ?? "");
