import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { anyUnpack, ValueSchema } from "@bufbuild/protobuf/wkt";
import { ConversationRequestAlpha2Schema } from "../../../specs/gen/dapr/proto/runtime/v1/ai_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type Job, JobSchema } from "../../../specs/gen/dapr/proto/runtime/v1/jobs_pb.js";
import { GetMetadataResponseSchema } from "../../../specs/gen/dapr/proto/runtime/v1/metadata_pb.js";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { fromReply } from "../refusal.ts";
import { anyTypes } from "./any-types.ts";
import { jsonOf, jsonSend, metadataQuery, type ShapeRow, segment, shape } from "./shape.ts";

const { method: dapr } = Dapr;

const protojson = <D extends DescMessage>(schema: D, message: MessageShape<D>): string =>
  JSON.stringify(toJson(schema, message, { registry: anyTypes }));

type LockRpc =
  | typeof dapr.tryLockAlpha1
  | typeof dapr.unlockAlpha1
  | typeof Mecha.method.acquireLock
  | typeof Mecha.method.renewLock;

function lockShape(rpc: LockRpc, verb: "lock" | "unlock", suffix: string): ShapeRow {
  return shape(rpc, {
    request: (message) =>
      jsonSend("POST", `/v1.0-alpha1/${verb}/${segment(message.storeName)}${suffix}`, protojson(rpc.input, message)),
  });
}

/** Everything that is JSON in and JSON out. */
export const plainShapes: readonly ShapeRow[] = [
  shape(dapr.getSecret, {
    request: ({ storeName, key, metadata }) => ({
      verb: "GET",
      path: `/v1.0/secrets/${segment(storeName)}/${segment(key)}`,
      query: metadataQuery(metadata),
    }),
    answer: (reply) => ({ data: (jsonOf(reply) ?? {}) as Record<string, string> }),
  }),
  shape(dapr.getBulkSecret, {
    request: ({ storeName, metadata }) => ({
      verb: "GET",
      path: `/v1.0/secrets/${segment(storeName)}/bulk`,
      query: metadataQuery(metadata),
    }),
    answer: (reply) => {
      const all = (jsonOf(reply) ?? {}) as Record<string, Record<string, string>>;
      return { data: Object.fromEntries(Object.entries(all).map(([name, secrets]) => [name, { secrets }])) };
    },
  }),
  shape(dapr.getConfiguration, {
    request: ({ storeName, keys, metadata }) => ({
      verb: "GET",
      path: `/v1.0/configuration/${segment(storeName)}`,
      query: [...keys.map((key) => ["key", key] as const), ...metadataQuery(metadata)],
    }),
    answer: (reply) => ({ items: (jsonOf(reply) ?? {}) as Record<string, object> }),
  }),
  shape(dapr.unsubscribeConfiguration, {
    request: ({ storeName, id }) => ({
      verb: "GET",
      path: `/v1.0/configuration/${segment(storeName)}/${segment(id)}/unsubscribe`,
    }),
    // `{"message"}` alone says that there is no such subscription.
    alsoReads: [500],
    answer: (reply) => {
      const { ok = false, message = "", errorCode } = (jsonOf(reply) ?? {}) as Record<string, never>;
      if (errorCode !== undefined) throw fromReply(reply, "UnsubscribeConfiguration");
      return { ok, message };
    },
  }),
  lockShape(dapr.tryLockAlpha1, "lock", ""),
  shape(Mecha.method.putConfiguration, {
    request: (message) =>
      jsonSend(
        "POST",
        `/v1.0/configuration/${segment(message.storeName)}`,
        protojson(Mecha.method.putConfiguration.input, message),
      ),
  }),
  shape(Mecha.method.deleteConfiguration, {
    request: ({ storeName, keys }) => ({
      verb: "DELETE",
      path: `/v1.0/configuration/${segment(storeName)}`,
      query: keys.map((key): [string, string] => ["key", key]),
    }),
  }),
  lockShape(dapr.unlockAlpha1, "unlock", ""),
  lockShape(Mecha.method.acquireLock, "lock", "/acquire"),
  lockShape(Mecha.method.renewLock, "lock", "/renew"),
  shape(dapr.converseAlpha2, {
    request: (message) => {
      const path = `/v1.0-alpha2/conversation/${segment(message.name)}/converse`;
      return jsonSend("POST", path, protojson(ConversationRequestAlpha2Schema, message));
    },
  }),
  shape(dapr.scheduleJob, {
    request: ({ job, overwrite }) => {
      const body = { ...(job ? jobJson(job) : {}), ...(overwrite ? { overwrite } : {}) };
      return jsonSend("POST", jobPath(job?.name ?? ""), JSON.stringify(body));
    },
  }),
  shape(dapr.getJob, {
    request: ({ name }) => ({ verb: "GET", path: jobPath(name) }),
    answer: (reply) => ({ job: fromJson(JobSchema, (jsonOf(reply) ?? {}) as JsonValue, readOptions) }),
  }),
  shape(dapr.deleteJob, { request: ({ name }) => ({ verb: "DELETE", path: jobPath(name) }) }),
  shape(dapr.getMetadata, {
    request: () => ({ verb: "GET", path: "/v1.0/metadata" }),
    answer: (reply) => fromJson(GetMetadataResponseSchema, nested(jsonOf(reply)), readOptions),
  }),
  shape(dapr.setMetadata, {
    request: ({ key, value }) => ({
      verb: "PUT",
      path: `/v1.0/metadata/${segment(key)}`,
      headers: { "content-type": "text/plain" },
      body: value,
    }),
  }),
  shape(dapr.shutdown, { request: () => ({ verb: "POST", path: "/v1.0/shutdown" }) }),
  // The standard health service is how gRPC asks; "outbound" is a name of ours for the part without the app.
  shape(Health.method.check, {
    request: ({ service }) => ({ verb: "GET", path: service ? `/v1.0/healthz/${segment(service)}` : "/v1.0/healthz" }),
    alsoReads: [500],
    answer: ({ status }) => ({ status: status === 500 ? Serving.NOT_SERVING : Serving.SERVING }),
  }),
];

const readOptions = { ignoreUnknownFields: true, registry: anyTypes };
const jobPath = (name: string) => `/v1.0/jobs/${segment(name)}`;

/** A job as HTTP has it: the name is in the path, the data is plain JSON. */
function jobJson(job: Job): JsonObject {
  const { name: _, data: __, ...rest } = toJson(JobSchema, job, { registry: anyTypes }) as JsonObject;
  const value = job.data && anyUnpack(job.data, ValueSchema);
  return value ? { ...rest, data: toJson(ValueSchema, value) } : rest;
}

/** Over HTTP the rules of a subscription are a flat array. */
function nested(json: unknown): JsonValue {
  const { subscriptions, ...rest } = (json ?? {}) as { subscriptions?: { rules?: unknown }[] };
  if (!subscriptions) return rest as JsonValue;
  return {
    ...rest,
    subscriptions: subscriptions.map((each) =>
      Array.isArray(each.rules) ? { ...each, rules: { rules: each.rules } } : each,
    ),
  } as JsonValue;
}
