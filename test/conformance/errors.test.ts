import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { method } from "../../sidecar/kernel/method.ts";
import { apiAccess } from "../../sidecar/wire/api-access.ts";
import { type GrpcListening, openGrpcServer } from "../../sidecar/wire/grpc/server.ts";
import type { Listening } from "../../sidecar/wire/http/listen.ts";
import { openHttpServer } from "../../sidecar/wire/http/server.ts";
import { codes, MechaError, type Reason, type Row, reasons } from "../../specs/errors.ts";
import { Dapr } from "../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { GrpcCaller } from "../support/grpc-call.ts";
import { callHttp } from "../support/http-call.ts";
import { KeptScopedLog, pipelineOf } from "../support/wires.ts";

/** Every row of the table, thrown by a method and looked at over both wires. */
const rows = Object.entries(reasons) as unknown as readonly (readonly [Reason, Row])[];

/** Parameters that any row's text can be built from: each says its own name. */
const sample = new Proxy({}, { get: (_, key) => (typeof key === "string" ? `‹${key}›` : undefined) }) as Record<
  string,
  unknown
>;
const textOf = ({ text }: Row) => (text as (params: unknown) => string)(sample);

const throwing = method(
  Dapr.method.getState,
  "state",
  { verbs: ["GET"], paths: ["/throw/:key"], input: (http) => ({ key: http.params["key"] ?? "" }) },
  ({ key }) => Promise.reject(new MechaError(key as Reason, sample)),
);

let http: Listening;
let grpc: GrpcListening;
let caller: GrpcCaller;
beforeAll(async () => {
  const parts = {
    appId: "app",
    methods: [throwing],
    proxy: undefined,
    pipeline: pipelineOf(),
    access: apiAccess({ allowed: [], denied: [] }),
    maxBodyBytes: 1024,
    log: new KeptScopedLog(),
  };
  const place = { host: "127.0.0.1", port: 0 };
  http = await openHttpServer({ ...parts, routes: [], maxHeaderBytes: 4096, allowedOrigins: [], h2c: false }, [place]);
  grpc = await openGrpcServer({ ...parts, maxMetadataBytes: 64 * 1024, ready: () => true }, ["127.0.0.1:0"]);
  caller = new GrpcCaller(`127.0.0.1:${grpc.port}`, { closes: false });
});
afterAll(async () => {
  caller.close();
  await Promise.all([http.close(), grpc.close(0)]);
});

const limits = { currentOpsTransaction: "‹count›", maxOpsPerTransaction: "‹max›" };
/** The metadata of ErrorInfo; two reasons are refused before it is known who asks. */
function infoMetadata(wire: "http" | "grpc", reason: Reason, row: Row): Record<string, string> {
  const isGate = reason === "tokenInvalid" || reason === "apiDenied";
  if (wire === "grpc" && isGate) {
    return { "http.code": String(row.http ?? codes[row.code].http), "http.error_message": textOf(row).slice(0, 63) };
  }
  const namespace = row.namespaced ? { namespace: "‹namespace›" } : {};
  return { appID: "app", ...namespace, ...(reason === "stateTransactionTooLarge" ? limits : {}) };
}

describe("every reason of the table", () => {
  it.each(rows)("%s is answered over HTTP as its row says", async (reason, row) => {
    const reply = await callHttp(http.port as number, { path: `/throw/${reason}` });
    expect(reply.status).toBe(row.http ?? codes[row.code].http);
    if (reason === "tokenInvalid") {
      expect(reply.headers["content-type"]).toBe("text/plain; charset=utf-8");
      expect(reply.text).toBe("invalid api token");
      return;
    }
    const message = textOf(row);
    const type = (name: string) => ({ "@type": `type.googleapis.com/google.rpc.${name}` });
    const resource = {
      ...type("ResourceInfo"),
      resource_type: row.resource,
      resource_name: "‹name›",
      owner: "",
      description: message,
    };
    const help = { ...type("Help"), links: [{ description: "Try", url: row.help }] };
    const info = {
      ...type("ErrorInfo"),
      reason: row.info,
      domain: "dapr.io",
      metadata: infoMetadata("http", reason, row),
    };
    const details = [...(row.resource ? [resource] : []), ...(row.help ? [help] : []), ...(row.info ? [info] : [])];
    expect(reply.headers["content-type"]).toBe("application/json");
    expect(reply.json()).toEqual({ errorCode: row.tag ?? row.info, message, ...(details.length > 0 && { details }) });
  });

  it.each(rows)("%s is answered over gRPC as its row says", async (reason, row) => {
    const reply = await caller.call(Dapr.method.getState, { key: reason });
    const isGate = reason === "tokenInvalid" || reason === "apiDenied";
    const message = isGate ? row.info : textOf(row);
    expect(reply).toMatchObject({ code: codes[row.code].grpc, message, messages: [] });
    const resource = { resourceType: row.resource, resourceName: "‹name›", owner: "", description: message };
    const help = { links: [{ description: "Try", url: row.help }] };
    const info = { reason: row.info, domain: "dapr.io", metadata: infoMetadata("grpc", reason, row) };
    const details = [...(row.resource ? [resource] : []), ...(row.help ? [help] : []), ...(row.info ? [info] : [])];
    expect(reply.trailers["mecha-error-code"]).toBe(row.tag);
    expect(reply.details).toHaveLength(details.length);
    expect(reply.details).toMatchObject(details);
  });
});

/** What the published API answers: errorCode, HTTP status, gRPC code, by reason. Written down apart from the table. */
const published: readonly (readonly [Reason, string, number, number])[] = [
  ["badRequest", "ERR_BAD_REQUEST", 400, 3],
  ["unimplemented", "ERR_API_UNIMPLEMENTED", 501, 12],
  ["bodyUnreadable", "ERR_BODY_READ", 400, 3],
  ["malformedRequest", "ERR_MALFORMED_REQUEST", 400, 3],
  ["internal", "ERROR", 500, 13],
  ["healthNotReady", "ERR_HEALTH_NOT_READY", 500, 13],
  ["outboundNotReady", "ERR_OUTBOUND_HEALTH_NOT_READY", 500, 13],
  ["healthAppIdMismatch", "ERR_HEALTH_APPID_NOT_MATCH", 500, 13],
  ["stateNotConfigured", "ERR_STATE_STORE_NOT_CONFIGURED", 500, 9],
  ["stateStoreNotFound", "ERR_STATE_STORE_NOT_FOUND", 400, 3],
  ["stateKeyIllegal", "ERR_MALFORMED_REQUEST", 400, 3],
  ["stateGet", "ERR_STATE_GET", 500, 13],
  ["stateSave", "ERR_STATE_SAVE", 500, 13],
  ["stateSaveEtagMismatch", "ERR_STATE_SAVE", 409, 10],
  ["stateSaveEtagInvalid", "ERR_STATE_SAVE", 400, 3],
  ["stateDelete", "ERR_STATE_DELETE", 500, 13],
  ["stateDeleteEtagMismatch", "ERR_STATE_DELETE", 409, 10],
  ["stateDeleteEtagInvalid", "ERR_STATE_DELETE", 400, 3],
  ["stateBulkGet", "ERR_STATE_BULK_GET", 500, 13],
  ["stateTransaction", "ERR_STATE_TRANSACTION", 500, 13],
  ["stateTransactionUnsupported", "ERR_STATE_STORE_NOT_SUPPORTED", 500, 12],
  ["stateOperationUnsupported", "ERR_NOT_SUPPORTED_STATE_OPERATION", 400, 12],
  ["stateTransactionTooLarge", "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS", 400, 3],
  ["stateQueryUnsupported", "ERR_STATE_STORE_NOT_SUPPORTED", 500, 12],
  ["stateQuery", "ERR_STATE_QUERY", 500, 13],
  ["outboxPublish", "ERR_PUBLISH_OUTBOX", 500, 13],
  ["pubsubNotConfigured", "ERR_PUBSUB_NOT_CONFIGURED", 400, 9],
  ["pubsubNameEmpty", "ERR_PUBSUB_EMPTY", 404, 3],
  ["pubsubNotFound", "ERR_PUBSUB_NOT_FOUND", 404, 3],
  ["topicEmpty", "ERR_TOPIC_NAME_EMPTY", 404, 3],
  ["pubsubMetadata", "ERR_PUBSUB_REQUEST_METADATA", 400, 3],
  ["pubsubCloudEvent", "ERR_PUBSUB_CLOUD_EVENTS_SER", 500, 3],
  ["pubsubEnvelope", "ERR_PUBSUB_EVENTS_SER", 400, 3],
  ["pubsubBulkEntries", "ERR_PUBSUB_EVENTS_SER", 400, 3],
  ["pubsubBulkJson", "ERR_PUBSUB_EVENTS_SER", 400, 3],
  ["pubsubForbidden", "ERR_PUBSUB_FORBIDDEN", 403, 7],
  ["pubsubPublish", "ERR_PUBSUB_PUBLISH_MESSAGE", 500, 13],
  ["invokeNoTarget", "ERR_DIRECT_INVOKE", 404, 5],
  ["invokeFailed", "ERR_DIRECT_INVOKE", 500, 13],
  ["invokeDenied", "ERR_DIRECT_INVOKE", 403, 7],
  ["appChannelMissing", "ERR_APP_CHANNEL_NIL", 500, 13],
  ["bindingFailed", "ERR_INVOKE_OUTPUT_BINDING", 500, 13],
  ["secretsNotConfigured", "ERR_SECRET_STORES_NOT_CONFIGURED", 500, 9],
  ["secretStoreNotFound", "ERR_SECRET_STORE_NOT_FOUND", 401, 3],
  ["secretDenied", "ERR_PERMISSION_DENIED", 403, 7],
  ["secretGet", "ERR_SECRET_GET", 500, 13],
  ["configurationNotConfigured", "ERR_CONFIGURATION_STORE_NOT_CONFIGURED", 500, 9],
  ["configurationNotFound", "ERR_CONFIGURATION_STORE_NOT_FOUND", 400, 3],
  ["configurationGet", "ERR_CONFIGURATION_GET", 500, 13],
  ["configurationSubscribe", "ERR_CONFIGURATION_SUBSCRIBE", 500, 13],
  ["lockNotConfigured", "ERR_LOCK_STORE_NOT_CONFIGURED", 500, 9],
  ["lockStoreNotFound", "ERR_LOCK_STORE_NOT_FOUND", 400, 3],
  ["lockRequest", "ERR_MALFORMED_REQUEST", 400, 3],
  ["lockTry", "ERR_TRY_LOCK", 500, 13],
  ["lockUnlock", "ERR_UNLOCK", 500, 13],
  ["cryptoNotConfigured", "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", 500, 13],
  ["cryptoNotFound", "ERR_CRYPTO_PROVIDER_NOT_FOUND", 400, 3],
  ["cryptoRequest", "ERR_BAD_REQUEST", 400, 3],
  ["cryptoFailed", "ERR_CRYPTO", 500, 13],
  ["cryptoKey", "ERR_CRYPTO_KEY", 500, 13],
  ["conversationNotFound", "ERR_CONVERSATION_NOT_FOUND", 400, 3],
  ["conversationNoInputs", "ERR_CONVERSATION_MISSING_INPUTS", 400, 3],
  ["conversationParameters", "ERR_CONVERSATION_INVALID_PARMS", 400, 3],
  ["conversationFailed", "ERR_CONVERSATION_INVOKE", 500, 13],
  ["actorRuntimeMissing", "ERR_ACTOR_RUNTIME_NOT_FOUND", 500, 13],
  ["workflowNotConfigured", "ERR_WORKFLOW_COMPONENT_NOT_FOUND", 400, 3],
  ["jobNameInBody", "DAPR_SCHEDULER_JOB_NAME", 400, 3],
  ["jobNameEmpty", "DAPR_SCHEDULER_JOB_NAME_EMPTY", 400, 3],
  ["jobEmpty", "DAPR_SCHEDULER_EMPTY", 400, 3],
  ["jobScheduleEmpty", "DAPR_SCHEDULER_SCHEDULE_EMPTY", 400, 3],
  ["jobGet", "DAPR_SCHEDULER_GET_JOB", 500, 13],
  ["jobDelete", "DAPR_SCHEDULER_DELETE_JOB", 500, 13],
  ["jobList", "DAPR_SCHEDULER_LIST_JOBS", 500, 13],
];

it.each(published)("%s has the published errorCode %s with HTTP %i and gRPC %i", (reason, errorCode, status, code) => {
  const error = new MechaError(reason, sample);
  expect([error.row.tag ?? error.row.info, error.httpStatus, error.grpcCode]).toEqual([errorCode, status, code]);
});
