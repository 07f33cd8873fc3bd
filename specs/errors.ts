/**
 * The one table of errors. A row is a reason; everything said about a failure on either wire is derived from its row:
 * gRPC status, HTTP status, error body, details, log level, metrics and specs/ERRORS.md.
 *
 * - `code` is one of the sixteen gRPC codes in lower case; it decides the gRPC status and, unless `http` is given, the
 *   HTTP status. An explicit `http` marks a pair that the published API answers irregularly.
 * - `tag` is the `errorCode` of the HTTP body; without it the body carries `info`.
 * - `info` is the reason of google.rpc.ErrorInfo; a row without it answers in the short form, without details.
 * - `resource` adds google.rpc.ResourceInfo with that type; its name is the parameter `name`.
 * - `text` builds the message; its parameter type is what a thrower must give.
 */

/** gRPC number, default HTTP status, and whether a caller may try again, per code. */
export const codes = {
  ok: { grpc: 0, http: 200, retry: false },
  canceled: { grpc: 1, http: 408, retry: false },
  unknown: { grpc: 2, http: 500, retry: false },
  invalid_argument: { grpc: 3, http: 400, retry: false },
  deadline_exceeded: { grpc: 4, http: 504, retry: true },
  not_found: { grpc: 5, http: 404, retry: false },
  already_exists: { grpc: 6, http: 409, retry: false },
  permission_denied: { grpc: 7, http: 403, retry: false },
  resource_exhausted: { grpc: 8, http: 429, retry: true },
  failed_precondition: { grpc: 9, http: 400, retry: false },
  aborted: { grpc: 10, http: 409, retry: false },
  out_of_range: { grpc: 11, http: 400, retry: false },
  unimplemented: { grpc: 12, http: 501, retry: false },
  internal: { grpc: 13, http: 500, retry: false },
  unavailable: { grpc: 14, http: 503, retry: true },
  data_loss: { grpc: 15, http: 500, retry: false },
  unauthenticated: { grpc: 16, http: 401, retry: false },
} as const;

/** Name of a gRPC status code in lower case. */
export type Code = keyof typeof codes;

/** One line of the table. */
export interface Row {
  readonly code: Code;
  readonly http?: number;
  readonly tag?: string;
  readonly info?: string;
  readonly resource?: string;
  /** ErrorInfo names the namespace beside the app id: the parameter `namespace`. */
  readonly namespaced?: true;
  /** A page or command that helps; becomes google.rpc.Help. */
  readonly help?: string;
  // The parameters differ per row; `never` makes every row assignable while each keeps its own parameter type.
  readonly text: (p: never) => string;
}

type Named = { name: string };
type Caused = { name: string; cause: string };
type Why = { why: string };
type Namespaced = { namespace: string };

export const reasons = {
  // ---- any method
  badRequest: { code: "invalid_argument", tag: "ERR_BAD_REQUEST", text: (p: Why) => p.why },
  bodyUnreadable: {
    code: "invalid_argument",
    tag: "ERR_BODY_READ",
    text: (p: Why) => `the request body cannot be read: ${p.why}`,
  },
  malformedRequest: {
    code: "invalid_argument",
    tag: "ERR_MALFORMED_REQUEST",
    text: (p: Why) => `the request is malformed: ${p.why}`,
  },
  unimplemented: {
    code: "unimplemented",
    tag: "ERR_API_UNIMPLEMENTED",
    text: (p: { what: string }) => `${p.what} is not offered here`,
  },
  internal: { code: "internal", tag: "ERROR", text: (p: Why) => p.why },
  tokenInvalid: { code: "unauthenticated", info: "Unauthorized", text: (_: object) => "invalid api token" },
  apiDenied: {
    code: "unimplemented",
    info: "Not Implemented",
    text: (p: { method: string }) => `the API ${p.method} is switched off by the Configuration resource (spec.api)`,
  },
  canceled: {
    code: "canceled",
    tag: "ERR_CANCELED",
    text: (p: { what: string }) => `${p.what} was cancelled by the caller`,
  },
  deadlineExceeded: {
    code: "deadline_exceeded",
    tag: "ERR_DEADLINE_EXCEEDED",
    text: (p: { what: string; ms: number }) => `${p.what} did not finish within ${p.ms} ms`,
  },
  circuitOpen: {
    code: "unavailable",
    tag: "ERR_CIRCUIT_OPEN",
    text: (p: { target: string }) =>
      `the circuit breaker of ${p.target} is open; calls are refused until it has recovered`,
  },
  shuttingDown: { code: "unavailable", tag: "ERR_SHUTTING_DOWN", text: (_: object) => "the sidecar is shutting down" },

  // ---- health, metadata
  healthNotReady: {
    code: "internal",
    tag: "ERR_HEALTH_NOT_READY",
    text: (p: Why) => `the sidecar is not ready: ${p.why}`,
  },
  outboundNotReady: {
    code: "internal",
    tag: "ERR_OUTBOUND_HEALTH_NOT_READY",
    text: (p: Why) => `the outbound APIs are not ready: ${p.why}`,
  },
  healthAppIdMismatch: {
    code: "internal",
    tag: "ERR_HEALTH_APPID_NOT_MATCH",
    text: (p: { expected: string; actual: string }) => `this sidecar serves app ${p.actual}, not ${p.expected}`,
  },

  // ---- components
  componentNotReady: {
    code: "unavailable",
    tag: "ERR_COMPONENT_NOT_READY",
    text: (p: { name: string; state: string; why: string }) => `component ${p.name} is ${p.state}: ${p.why}`,
  },

  // ---- state
  stateNotConfigured: {
    code: "failed_precondition",
    http: 500,
    tag: "ERR_STATE_STORE_NOT_CONFIGURED",
    info: "DAPR_STATE_NOT_CONFIGURED",
    text: (_: object) => "no state store is configured",
  },
  stateStoreNotFound: {
    code: "invalid_argument",
    tag: "ERR_STATE_STORE_NOT_FOUND",
    info: "DAPR_STATE_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `state store ${p.name} is not found${p.known ? `; configured: ${p.known}` : ""}`,
  },
  stateKeyIllegal: {
    code: "invalid_argument",
    tag: "ERR_MALFORMED_REQUEST",
    info: "DAPR_STATE_ILLEGAL_KEY",
    resource: "state",
    text: (p: Named & { key: string }) =>
      `key ${JSON.stringify(p.key)} must not contain '||', which separates the key from its prefix`,
  },
  stateKeyEmpty: {
    code: "invalid_argument",
    tag: "ERR_MALFORMED_REQUEST",
    info: "DAPR_STATE_ILLEGAL_KEY",
    resource: "state",
    text: (_: Named) => "field key must not be empty",
  },
  stateGet: {
    code: "internal",
    tag: "ERR_STATE_GET",
    info: "ERR_STATE_GET",
    resource: "state",
    text: (p: Caused & { key: string }) => `fail to get ${p.key} from state store ${p.name}: ${p.cause}`,
  },
  stateSave: {
    code: "internal",
    tag: "ERR_STATE_SAVE",
    info: "ERR_STATE_SAVE",
    resource: "state",
    text: (p: Caused) => `failed saving state in state store ${p.name}: ${p.cause}`,
  },
  stateSaveEtagMismatch: {
    code: "aborted",
    tag: "ERR_STATE_SAVE",
    info: "DAPR_STATE_ETAG_MISMATCH",
    resource: "state",
    text: (p: Named & { key: string }) =>
      `failed saving state in state store ${p.name}: the etag of ${p.key} does not match the stored one`,
  },
  stateSaveEtagInvalid: {
    code: "invalid_argument",
    tag: "ERR_STATE_SAVE",
    info: "DAPR_STATE_INVALID_ETAG",
    resource: "state",
    text: (p: Named & { key: string }) =>
      `failed saving state in state store ${p.name}: the etag of ${p.key} has not the form of this store`,
  },
  stateDelete: {
    code: "internal",
    tag: "ERR_STATE_DELETE",
    info: "ERR_STATE_DELETE",
    resource: "state",
    text: (p: Caused & { key: string }) =>
      `failed deleting state with key ${p.key} from state store ${p.name}: ${p.cause}`,
  },
  stateDeleteEtagMismatch: {
    code: "aborted",
    tag: "ERR_STATE_DELETE",
    info: "DAPR_STATE_ETAG_MISMATCH",
    resource: "state",
    text: (p: Named & { key: string }) =>
      `failed deleting state with key ${p.key} from state store ${p.name}: the etag does not match the stored one`,
  },
  stateDeleteEtagInvalid: {
    code: "invalid_argument",
    tag: "ERR_STATE_DELETE",
    info: "DAPR_STATE_INVALID_ETAG",
    resource: "state",
    text: (p: Named & { key: string }) =>
      `failed deleting state with key ${p.key} from state store ${p.name}: the etag has not the form of this store`,
  },
  stateBulkDelete: {
    code: "internal",
    tag: "ERR_STATE_BULK_DELETE",
    info: "ERR_STATE_BULK_DELETE",
    resource: "state",
    text: (p: Caused) => `failed deleting states in state store ${p.name}: ${p.cause}`,
  },
  stateBulkGet: {
    code: "internal",
    tag: "ERR_STATE_BULK_GET",
    info: "ERR_STATE_BULK_GET",
    resource: "state",
    text: (p: Caused) => `failed getting states from state store ${p.name}: ${p.cause}`,
  },
  stateTransaction: {
    code: "internal",
    tag: "ERR_STATE_TRANSACTION",
    info: "ERR_STATE_TRANSACTION",
    resource: "state",
    text: (p: Caused) => `the transaction in state store ${p.name} failed and changed nothing: ${p.cause}`,
  },
  ownershipLost: {
    code: "unavailable",
    tag: "ERR_OWNERSHIP_LOST",
    text: (p: { partition: number }) => `partition ${p.partition} is worked on by another sidecar now; try again`,
  },
  journalConflict: {
    code: "aborted",
    tag: "ERR_JOURNAL_CONFLICT",
    text: (p: { space: string; key: string }) => `record ${p.key} of ${p.space} is not what it was taken for`,
  },
  stateTransactionUnsupported: {
    code: "unimplemented",
    http: 500,
    tag: "ERR_STATE_STORE_NOT_SUPPORTED",
    info: "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED",
    resource: "state",
    help: "mecha components --capability transaction",
    text: (p: Named) => `state store ${p.name} doesn't support transaction`,
  },
  stateOperationUnsupported: {
    code: "unimplemented",
    http: 400,
    tag: "ERR_NOT_SUPPORTED_STATE_OPERATION",
    info: "ERR_NOT_SUPPORTED_STATE_OPERATION",
    resource: "state",
    text: (p: Named & { operation: string }) => `operation type ${p.operation} not supported; use upsert or delete`,
  },
  stateTransactionTooLarge: {
    code: "invalid_argument",
    tag: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
    info: "DAPR_STATE_TOO_MANY_TRANSACTIONS",
    resource: "state",
    text: (p: Named & { count: number; max: number }) =>
      `the transaction contains ${p.count} operations, more than what the state store ${p.name} supports: ${p.max}`,
  },
  stateQueryUnsupported: {
    code: "unimplemented",
    http: 500,
    tag: "ERR_STATE_STORE_NOT_SUPPORTED",
    info: "DAPR_STATE_QUERYING_NOT_SUPPORTED",
    resource: "state",
    help: "mecha components --capability query",
    text: (p: Named) => `state store ${p.name} doesn't support query`,
  },
  stateQuery: {
    code: "internal",
    tag: "ERR_STATE_QUERY",
    info: "ERR_STATE_QUERY",
    resource: "state",
    text: (p: Caused) => `failed query in state store ${p.name}: ${p.cause}`,
  },
  stateList: {
    code: "internal",
    tag: "ERR_STATE_LIST",
    info: "ERR_STATE_LIST",
    resource: "state",
    text: (p: Caused) => `failed listing keys in state store ${p.name}: ${p.cause}`,
  },
  outboxPublish: {
    code: "internal",
    tag: "ERR_PUBLISH_OUTBOX",
    info: "ERR_PUBLISH_OUTBOX",
    resource: "state",
    text: (p: Caused) => `the outbox of state store ${p.name} could not publish: ${p.cause}`,
  },

  // ---- what a driver says; the block above puts the words of its method around it
  etagMismatch: {
    code: "aborted",
    tag: "ERR_ETAG_MISMATCH",
    text: (p: { key: string }) => `the etag of ${p.key} does not match the stored one`,
  },
  etagInvalid: {
    code: "invalid_argument",
    tag: "ERR_ETAG_INVALID",
    text: (p: { key: string }) => `the etag of ${p.key} has not the form of this store`,
  },
  requestMetadataInvalid: {
    code: "invalid_argument",
    tag: "ERR_MALFORMED_REQUEST",
    text: (p: { key: string; why: string }) => `metadata ${p.key}: ${p.why}`,
  },
  secretNotFound: {
    code: "not_found",
    tag: "ERR_SECRET_NOT_FOUND",
    text: (p: Named) => `secret ${p.name} is not found`,
  },
  backendUnavailable: {
    code: "unavailable",
    tag: "ERR_BACKEND_UNAVAILABLE",
    text: (p: Caused) => `${p.name} does not answer: ${p.cause}`,
  },
  openFailed: { code: "failed_precondition", tag: "ERR_COMPONENT_OPEN", text: (p: { why: string }) => p.why },

  // ---- publish and subscribe
  pubsubNotConfigured: {
    code: "failed_precondition",
    tag: "ERR_PUBSUB_NOT_CONFIGURED",
    info: "DAPR_PUBSUB_NOT_CONFIGURED",
    text: (_: object) => "no pubsub is configured",
  },
  pubsubNameEmpty: {
    code: "invalid_argument",
    http: 404,
    tag: "ERR_PUBSUB_EMPTY",
    info: "DAPR_PUBSUB_NAME_EMPTY",
    resource: "pubsub",
    text: (_: Named) => "pubsub name is empty",
  },
  pubsubNotFound: {
    code: "invalid_argument",
    http: 404,
    tag: "ERR_PUBSUB_NOT_FOUND",
    info: "DAPR_PUBSUB_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `pubsub ${p.name} is not found${p.known ? `; configured: ${p.known}` : ""}`,
  },
  topicEmpty: {
    code: "invalid_argument",
    http: 404,
    tag: "ERR_TOPIC_NAME_EMPTY",
    info: "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
    resource: "pubsub",
    text: (p: Named) => `topic is empty in pubsub ${p.name}`,
  },
  pubsubMetadata: {
    code: "invalid_argument",
    tag: "ERR_PUBSUB_REQUEST_METADATA",
    info: "DAPR_PUBSUB_METADATA_DESERIALIZATION",
    resource: "pubsub",
    text: (p: Named & { why: string }) => `failed deserializing metadata: ${p.why}`,
  },
  pubsubCloudEvent: {
    code: "invalid_argument",
    http: 500,
    tag: "ERR_PUBSUB_CLOUD_EVENTS_SER",
    info: "DAPR_PUBSUB_CLOUD_EVENT_CREATION",
    resource: "pubsub",
    text: (p: Named & { why: string }) => `cannot create cloudevent: ${p.why}`,
  },
  pubsubEnvelope: {
    code: "invalid_argument",
    tag: "ERR_PUBSUB_EVENTS_SER",
    info: "DAPR_PUBSUB_MARSHAL_ENVELOPE",
    resource: "pubsub",
    text: (p: Named & { why: string }) => `cannot encode the event for ${p.name}: ${p.why}`,
  },
  pubsubBulkEntries: {
    code: "invalid_argument",
    tag: "ERR_PUBSUB_EVENTS_SER",
    info: "DAPR_PUBSUB_MARSHAL_EVENTS",
    resource: "pubsub",
    text: (p: Named & { why: string }) => `the entries for ${p.name} are not usable: ${p.why}`,
  },
  pubsubBulkJson: {
    code: "invalid_argument",
    tag: "ERR_PUBSUB_EVENTS_SER",
    info: "DAPR_PUBSUB_UNMARSHAL_EVENTS",
    resource: "pubsub",
    text: (p: Named & { why: string }) => `the body for ${p.name} is not a JSON array of entries: ${p.why}`,
  },
  pubsubForbidden: {
    code: "permission_denied",
    tag: "ERR_PUBSUB_FORBIDDEN",
    info: "DAPR_PUBSUB_FORBIDDEN",
    resource: "pubsub",
    text: (p: Named & { topic: string; appId: string }) =>
      `topic ${p.topic} is not allowed for app id ${p.appId} by the scopes of pubsub ${p.name}`,
  },
  pubsubPublish: {
    code: "internal",
    tag: "ERR_PUBSUB_PUBLISH_MESSAGE",
    info: "DAPR_PUBSUB_PUBLISH_MESSAGE",
    resource: "pubsub",
    text: (p: Caused & { topic: string }) => `error when publish to topic ${p.topic} in pubsub ${p.name}: ${p.cause}`,
  },
  subscribeFailed: {
    code: "internal",
    tag: "ERR_PUBSUB_SUBSCRIBE",
    info: "DAPR_PUBSUB_SUBSCRIBE",
    resource: "pubsub",
    text: (p: Caused & { topic: string }) => `cannot subscribe to topic ${p.topic} of pubsub ${p.name}: ${p.cause}`,
  },
  deliveryStore: {
    code: "failed_precondition",
    tag: "ERR_PUBSUB_DELIVERY_STORE",
    info: "MECHA_PUBSUB_DELIVERY_STORE",
    resource: "pubsub",
    text: (p: Named & Why) => `pubsub ${p.name} has no place for its messages: ${p.why}`,
  },
  subscriptionNotFound: {
    code: "not_found",
    tag: "ERR_PUBSUB_SUBSCRIPTION_NOT_FOUND",
    info: "MECHA_PUBSUB_SUBSCRIPTION_NOT_FOUND",
    resource: "pubsub",
    text: (p: Named & { topic: string; why: string }) =>
      `there is no subscription to topic ${p.topic} of pubsub ${p.name}: ${p.why}`,
  },
  parkedNotFound: {
    code: "not_found",
    tag: "ERR_PUBSUB_PARKED_NOT_FOUND",
    info: "MECHA_PUBSUB_PARKED_NOT_FOUND",
    resource: "pubsub",
    text: (p: Named & { topic: string; id: string }) =>
      `no message ${p.id} is parked for topic ${p.topic} of pubsub ${p.name}`,
  },
  streamProtocol: { code: "invalid_argument", tag: "ERR_STREAM_PROTOCOL", text: (p: Why) => p.why },

  // ---- service invocation
  invokeNoTarget: {
    code: "not_found",
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { path: string }) =>
      `no API answers ${p.path}, and no app is named: use /v1.0/invoke/<app-id>/method/<path> or the header dapr-app-id`,
  },
  invokeBadTarget: {
    code: "invalid_argument",
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { id: string; why: string }) => `failed to invoke, id: ${p.id}, err: ${p.why}`,
  },
  invokeFailed: {
    code: "internal",
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { id: string; cause: string }) => `failed to invoke, id: ${p.id}, err: ${p.cause}`,
  },
  invokeNotResolved: {
    code: "internal",
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { id: string; known: string }) =>
      `failed to invoke, id: ${p.id}, err: no running app has this id; ${p.known ? `known apps: ${p.known}` : "no app is known to the name resolution"}`,
  },
  peerUnreachable: {
    code: "unavailable",
    http: 500,
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { id: string; address: string; cause: string }) =>
      `failed to invoke, id: ${p.id}, err: its sidecar at ${p.address} does not answer: ${p.cause}`,
  },
  invokeDenied: {
    code: "permission_denied",
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { id: string; operation: string }) => `access control denies app ${p.id} the operation ${p.operation}`,
  },
  appChannelMissing: {
    code: "internal",
    tag: "ERR_APP_CHANNEL_NIL",
    text: (_: object) => "app channel is not initialized: no --app-port is given",
  },
  appUnhealthy: { code: "internal", tag: "ERR_DIRECT_INVOKE", text: (_: object) => "app is not in a healthy state" },
  appUnreachable: {
    code: "unavailable",
    http: 500,
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { cause: string }) => `the app does not answer: ${p.cause}`,
  },
  proxyNoTarget: {
    code: "unimplemented",
    tag: "ERR_DIRECT_INVOKE",
    text: (p: { method: string }) =>
      `failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found, and no service here offers ${p.method}`,
  },

  // ---- bindings
  bindingFailed: {
    code: "internal",
    tag: "ERR_INVOKE_OUTPUT_BINDING",
    info: "ERR_INVOKE_OUTPUT_BINDING",
    text: (p: Caused) => `error invoking output binding ${p.name}: ${p.cause}`,
  },

  // ---- secrets
  secretsNotConfigured: {
    code: "failed_precondition",
    http: 500,
    tag: "ERR_SECRET_STORES_NOT_CONFIGURED",
    text: (_: object) => "no secret store is configured",
  },
  secretStoreNotFound: {
    code: "invalid_argument",
    http: 401,
    tag: "ERR_SECRET_STORE_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `failed finding secret store with key ${p.name}${p.known ? `; configured: ${p.known}` : ""}`,
  },
  secretDenied: {
    code: "permission_denied",
    tag: "ERR_PERMISSION_DENIED",
    text: (p: Named & { key: string }) => `access denied by policy to get ${p.key} from ${p.name}`,
  },
  secretGet: {
    code: "internal",
    tag: "ERR_SECRET_GET",
    text: (p: Caused & { key: string }) =>
      `failed getting secret with key ${p.key} from secret store ${p.name}: ${p.cause}`,
  },

  // ---- configuration
  configurationNotConfigured: {
    code: "failed_precondition",
    http: 500,
    tag: "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
    info: "DAPR_CONFIGURATION_NOT_CONFIGURED",
    text: (_: object) => "no configuration store is configured",
  },
  configurationNotFound: {
    code: "invalid_argument",
    tag: "ERR_CONFIGURATION_STORE_NOT_FOUND",
    info: "DAPR_CONFIGURATION_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `configuration store ${p.name} not found${p.known ? `; configured: ${p.known}` : ""}`,
  },
  configurationGet: {
    code: "internal",
    tag: "ERR_CONFIGURATION_GET",
    info: "DAPR_CONFIGURATION_GET",
    text: (p: Caused & { keys: string }) => `failed to get ${p.keys} from configuration store ${p.name}: ${p.cause}`,
  },
  configurationSubscribe: {
    code: "internal",
    tag: "ERR_CONFIGURATION_SUBSCRIBE",
    info: "DAPR_CONFIGURATION_SUBSCRIBE",
    text: (p: Caused & { keys: string }) =>
      `failed to subscribe ${p.keys} of configuration store ${p.name}: ${p.cause}`,
  },

  configurationReadOnly: {
    code: "unimplemented",
    tag: "ERR_CONFIGURATION_READ_ONLY",
    info: "MECHA_CONFIGURATION_READ_ONLY",
    text: (p: Named) => `configuration store ${p.name} is written by the tools of its backend, not through the sidecar`,
  },
  configurationPut: {
    code: "internal",
    tag: "ERR_CONFIGURATION_PUT",
    info: "MECHA_CONFIGURATION_PUT",
    text: (p: Caused) => `failed to write configuration store ${p.name}: ${p.cause}`,
  },

  // ---- lock
  lockNotConfigured: {
    code: "failed_precondition",
    http: 500,
    tag: "ERR_LOCK_STORE_NOT_CONFIGURED",
    text: (_: object) => "no lock store is configured",
  },
  lockStoreNotFound: {
    code: "invalid_argument",
    tag: "ERR_LOCK_STORE_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `lock store ${p.name} not found${p.known ? `; configured: ${p.known}` : ""}`,
  },
  lockRequest: {
    code: "invalid_argument",
    tag: "ERR_MALFORMED_REQUEST",
    text: (p: Named & { why: string }) => `${p.why} in lock store ${p.name}`,
  },
  lockTry: {
    code: "internal",
    tag: "ERR_TRY_LOCK",
    text: (p: Caused) => `failed to try acquiring lock in ${p.name}: ${p.cause}`,
  },
  lockUnlock: {
    code: "internal",
    tag: "ERR_UNLOCK",
    text: (p: Caused) => `failed to release lock in ${p.name}: ${p.cause}`,
  },
  lockRenew: {
    code: "internal",
    tag: "ERR_RENEW_LOCK",
    text: (p: Caused) => `failed to renew lock in ${p.name}: ${p.cause}`,
  },

  // ---- crypto
  cryptoNotConfigured: {
    code: "internal",
    tag: "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",
    text: (_: object) => "no crypto provider is configured",
  },
  cryptoNotFound: {
    code: "invalid_argument",
    tag: "ERR_CRYPTO_PROVIDER_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `crypto provider ${p.name} not found${p.known ? `; configured: ${p.known}` : ""}`,
  },
  cryptoRequest: { code: "invalid_argument", tag: "ERR_BAD_REQUEST", text: (p: Why) => p.why },
  cryptoFailed: {
    code: "internal",
    tag: "ERR_CRYPTO",
    text: (p: { cause: string }) => `failed to perform operation: ${p.cause}`,
  },
  cryptoKey: {
    code: "internal",
    tag: "ERR_CRYPTO_KEY",
    text: (p: { key: string; cause: string }) => `failed to retrieve key ${p.key}: ${p.cause}`,
  },

  // ---- conversation
  conversationNotFound: {
    code: "invalid_argument",
    tag: "ERR_CONVERSATION_NOT_FOUND",
    text: (p: Named & { known?: string }) =>
      `conversation component ${p.name} not found${p.known ? `; configured: ${p.known}` : ""}`,
  },
  conversationNoInputs: {
    code: "invalid_argument",
    tag: "ERR_CONVERSATION_MISSING_INPUTS",
    text: (p: Named) => `failed conversing with component ${p.name}: missing inputs in request`,
  },
  conversationParameters: {
    code: "invalid_argument",
    tag: "ERR_CONVERSATION_INVALID_PARMS",
    text: (p: Named & { why: string }) => `failed conversing with component ${p.name}: ${p.why}`,
  },
  conversationFailed: {
    code: "internal",
    tag: "ERR_CONVERSATION_INVOKE",
    text: (p: Caused) => `failed conversing with component ${p.name}: ${p.cause}`,
  },

  // ---- actors, workflows and jobs of a sidecar on which they are not configured
  actorRuntimeMissing: {
    code: "internal",
    tag: "ERR_ACTOR_RUNTIME_NOT_FOUND",
    text: (_: object) => "the actor runtime is not configured: no state store is marked actorStateStore",
  },
  workflowNotConfigured: {
    code: "invalid_argument",
    tag: "ERR_WORKFLOW_COMPONENT_NOT_FOUND",
    text: (_: object) => "the workflow engine is not configured on this sidecar",
  },
  jobNameInBody: {
    code: "invalid_argument",
    info: "DAPR_SCHEDULER_JOB_NAME",
    namespaced: true,
    text: (_: Namespaced) => "the job name is taken from the path and must not be in the body",
  },
  jobNameEmpty: {
    code: "invalid_argument",
    info: "DAPR_SCHEDULER_JOB_NAME_EMPTY",
    namespaced: true,
    text: (_: Namespaced) => "the job name must not be empty",
  },
  jobEmpty: {
    code: "invalid_argument",
    info: "DAPR_SCHEDULER_EMPTY",
    namespaced: true,
    text: (_: Namespaced) => "the request carries no job",
  },
  jobScheduleEmpty: {
    code: "invalid_argument",
    info: "DAPR_SCHEDULER_SCHEDULE_EMPTY",
    namespaced: true,
    text: (_: Namespaced) => "a job needs schedule or dueTime",
  },
  jobsNotConfigured: {
    code: "failed_precondition",
    http: 500,
    info: "DAPR_SCHEDULER_SCHEDULE_JOB",
    namespaced: true,
    text: (_: Namespaced) => "jobs are not configured on this sidecar",
  },
  jobGet: {
    code: "internal",
    info: "DAPR_SCHEDULER_GET_JOB",
    namespaced: true,
    text: (p: Namespaced & Caused) => `failed to get job ${p.name}: ${p.cause}`,
  },
  jobDelete: {
    code: "internal",
    info: "DAPR_SCHEDULER_DELETE_JOB",
    namespaced: true,
    text: (p: Namespaced & Caused) => `failed to delete ${p.name}: ${p.cause}`,
  },
  jobList: {
    code: "internal",
    info: "DAPR_SCHEDULER_LIST_JOBS",
    namespaced: true,
    text: (p: Namespaced & { cause: string }) => `failed to list jobs: ${p.cause}`,
  },
} as const satisfies Record<string, Row>;

/** Name of a row. */
export type Reason = keyof typeof reasons;
/** Parameters that a row's text needs. */
export type Params<R extends Reason> = Parameters<(typeof reasons)[R]["text"]>[0];

/**
 * The only error class that crosses a floor. Its message, statuses and details come from the row of its reason.
 * `cause` keeps the original for the log; it is never sent to a caller.
 */
export class MechaError extends Error {
  override readonly name = "MechaError";
  readonly reason: Reason;
  readonly params: Readonly<Record<string, unknown>>;

  constructor(reason: Reason, params: Readonly<Record<string, unknown>>, options?: ErrorOptions) {
    super((reasons[reason].text as (p: unknown) => string)(params), options);
    this.reason = reason;
    this.params = params;
  }

  /** The row of this error's reason. */
  get row(): Row {
    return reasons[this.reason];
  }

  /** Status for the HTTP wire. */
  get httpStatus(): number {
    return this.row.http ?? codes[this.row.code].http;
  }

  /** Status for the gRPC wire. */
  get grpcCode(): number {
    return codes[this.row.code].grpc;
  }
}

/** Builds a MechaError; wrong or missing parameters do not compile. */
export function fail<R extends Reason>(reason: R, params: Params<R>, options?: ErrorOptions): MechaError {
  return new MechaError(reason, params as Readonly<Record<string, unknown>>, options);
}

/** The text of anything thrown, for a message's `cause` parameter. */
export function causeText(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}
