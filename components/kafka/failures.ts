import { causeText, fail, MechaError } from "../../specs/errors.ts";

/** What a broker answered instead of doing what it was asked. */
export class BrokerError extends Error {
  /** Kafka's name for it, such as `NOT_LEADER_OR_FOLLOWER`. */
  readonly code: string;

  constructor(code: string, message?: string | null) {
    super(message ? `${code}: ${message}` : code);
    this.code = code;
  }
}

/** What calls get that come after the end. */
export class ClosedError extends Error {
  constructor() {
    super("the component is closed");
  }
}

/** An error and what it was made of, the outermost first. */
function chain(error: unknown): readonly Error[] {
  const found: Error[] = [];
  const visit = (one: unknown): void => {
    if (!(one instanceof Error) || found.includes(one)) return;
    found.push(one);
    if ("errors" in one && Array.isArray(one.errors)) one.errors.forEach(visit);
    visit(one.cause);
  };
  visit(error);
  return found;
}

const property = (error: Error, name: string): unknown => (error as unknown as Record<string, unknown>)[name];

/** Kafka's name of what a broker answered; undefined: the broker did not say this. */
export function brokerCode(error: unknown): string | undefined {
  for (const one of chain(error)) {
    if (one instanceof BrokerError) return one.code;
    const id = property(one, "apiId");
    if (typeof id === "string") return id;
  }
  return undefined;
}

/** The broker that was asked did not answer, or there is no way to it. */
export const isConnection = (error: unknown): boolean =>
  brokerCode(error) === undefined &&
  chain(error).some((one) => one instanceof ClosedError || property(one, "code") === "PLT_KFK_NETWORK");

const refusedForNow: ReadonlySet<string> = new Set([
  "BROKER_NOT_AVAILABLE",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "CORRUPT_MESSAGE",
  "CONCURRENT_TRANSACTIONS",
  "FENCED_LEADER_EPOCH",
  "KAFKA_STORAGE_ERROR",
  "LEADER_NOT_AVAILABLE",
  "LISTENER_NOT_FOUND",
  "NETWORK_EXCEPTION",
  "NOT_CONTROLLER",
  "NOT_COORDINATOR",
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "NOT_LEADER_OR_FOLLOWER",
  "OFFSET_NOT_AVAILABLE",
  "REPLICA_NOT_AVAILABLE",
  "REQUEST_TIMED_OUT",
  "THROTTLING_QUOTA_EXCEEDED",
  "UNKNOWN_LEADER_EPOCH",
  "UNSTABLE_OFFSET_COMMIT",
]);

/** The broker refused for now and did nothing that counts: asking again, perhaps another broker, may help. */
export const isRefusedForNow = (error: unknown): boolean => refusedForNow.has(brokerCode(error) ?? "");

/** Whether to ask again. */
export const isPassing = (error: unknown): boolean => isConnection(error) || isRefusedForNow(error);

const certificateCodes = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;

const systemCodes = (error: unknown): readonly string[] =>
  chain(error).flatMap((one) => {
    const code = property(one, "code");
    return typeof code === "string" && !code.startsWith("PLT_") ? [code] : [];
  });

const texts = (error: unknown) =>
  chain(error)
    .map(({ message }) => message)
    .join("; ");

/** The broker has refused the login, or there is nothing to log in with. A connection that broke meanwhile is neither. */
const isAuthentication = (error: unknown) =>
  chain(error).some((one) => property(one, "code") === "PLT_KFK_AUTHENTICATION") &&
  (brokerCode(error) !== undefined || /token provider/.test(texts(error)));

/** Asking again with the same settings cannot help. */
export const isFinal = (error: unknown): boolean =>
  error instanceof MechaError ||
  isAuthentication(error) ||
  systemCodes(error).some((code) => certificateCodes.test(code)) ||
  /requires TLS|supports TLS|wrong version number|alert (bad|unknown|certificate)|UNSUPPORTED_VERSION/i.test(
    texts(error),
  );

/** The words of the library's errors that say most: what the broker or the system said. */
export function saying(error: unknown): string {
  const code = brokerCode(error);
  const all = chain(error);
  const said = all.find((one) => one instanceof BrokerError || property(one, "apiId") === code);
  if (code !== undefined && said !== undefined) {
    const more = property(said, "serverErrorMessage");
    return said instanceof BrokerError ? said.message : `${code}: ${typeof more === "string" ? more : said.message}`;
  }
  const last = all.at(-1);
  return (last === undefined ? String(error) : causeText(last)).trim();
}

/** `openFailed` for a first connection that did not come about: which setting is meant, and what to do. */
export function openFailure(error: unknown, address: string): MechaError {
  if (error instanceof MechaError) return error;
  return fail("openFailed", { why: `${openFix(error, address)} (${saying(error)})` }, { cause: error });
}

/** The broker knows no login, or not this one. */
const noLogin: ReadonlySet<string> = new Set(["UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE"]);

const systemFixes: Readonly<Record<string, (address: string) => string>> = {
  ECONNREFUSED: (address) => `brokers: nothing listens at ${address}; start Kafka there, or correct brokers`,
  ENOTFOUND: (address) => `brokers: a name in ${address} is not known; correct brokers`,
  EAI_AGAIN: (address) => `brokers: a name in ${address} is not known; correct brokers`,
};

function openFix(error: unknown, address: string): string {
  const text = texts(error);
  const codes = systemCodes(error);
  const ofToken = chain(error).find(({ message }) => message.startsWith("oidc"));
  if (ofToken !== undefined) return ofToken.message;
  if (/requires TLS/.test(text)) return `authType, disableTls: ${address} speaks TLS; use it`;
  if (isAuthentication(error)) {
    return noLogin.has(brokerCode(error) ?? "")
      ? `authType, saslMechanism: ${address} does not offer this way to log in; correct them`
      : `saslUsername, saslPassword, saslMechanism, or the oidc settings: ${address} does not accept them; correct them`;
  }
  if (codes.some((code) => certificateCodes.test(code))) {
    return `caCert: the certificate of ${address} is not trusted; give the one it comes from`;
  }
  if (/alert certificate required|alert bad certificate|alert unknown ca/i.test(text)) {
    return `authType, clientCert, clientKey: ${address} does not accept the client's certificate, or asks for one; set authType to mtls and correct them`;
  }
  if (/supports TLS|wrong version number|packet length too long/i.test(text)) {
    return `disableTls: ${address} does not speak TLS; set disableTls to true`;
  }
  const known = codes.find((code) => code in systemFixes);
  if (known !== undefined) return systemFixes[known]?.(address) ?? "";
  if (/timed out/.test(text)) {
    return `brokers: ${address} does not answer within dialTimeout; correct brokers, authType or disableTls`;
  }
  if (isConnection(error)) {
    return `authType, disableTls: ${address} ends the connection; log in as the broker asks for, with TLS where it speaks it`;
  }
  return `brokers: ${address} cannot be used`;
}

const fixes: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED: "the sidecar's user may not use the topic: its ACL must allow it",
  GROUP_AUTHORIZATION_FAILED: "the sidecar's user may not join the consumer group: its ACL must allow it",
  CLUSTER_AUTHORIZATION_FAILED: "the sidecar's user may not do this in the cluster: its ACL must allow it",
  UNKNOWN_TOPIC_OR_PARTITION:
    "the topic does not exist and the brokers do not make it: create it, or set their auto.create.topics.enable",
  INVALID_TOPIC_EXCEPTION: "a topic's name has at most 249 letters, digits, dots, underscores and hyphens",
  INCONSISTENT_GROUP_PROTOCOL:
    "consumerGroupRebalanceStrategy: other members of the consumer group have another one; set them alike",
  INVALID_SESSION_TIMEOUT:
    "sessionTimeout: the brokers want it between their group.min.session.timeout.ms and group.max.session.timeout.ms",
  INVALID_GROUP_ID: "consumerGroup: the brokers do not take this name",
  GROUP_MAX_SIZE_REACHED: "the consumer group has as many members as the brokers' group.max.size allows",
  UNSUPPORTED_VERSION: "the brokers are too old for this: they must be Kafka 2.1 or newer",
};

const accessCodes: ReadonlySet<string> = new Set([
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
]);

/**
 * What a caller of the component `name` gets for an error of the library: `backendUnavailable` where the brokers, their
 * access rules or the way there are at fault, else the error with a fix where one is known.
 */
export function translate(error: unknown, name: string): unknown {
  if (error instanceof MechaError || !(error instanceof Error)) return error;
  // What a caller's signal was aborted with is not the library's.
  const isLibrarys = isConnection(error) || brokerCode(error) !== undefined || isFinal(error);
  if (!isLibrarys) return error;
  const code = brokerCode(error) ?? "";
  const fix = fixes[code];
  if (code === "INVALID_TOPIC_EXCEPTION") return fail("malformedRequest", { why: fix ?? code }, { cause: error });
  const cause = fix === undefined ? saying(error) : `${fix} (${saying(error)})`;
  const isBackends = !(code in fixes) || accessCodes.has(code);
  if (isBackends) return fail("backendUnavailable", { name, cause }, { cause: error });
  return new Error(cause, { cause: error });
}
