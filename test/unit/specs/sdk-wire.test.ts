/** The official SDK ships generated code of its own; both sides must read each other's bytes. */
import type { DescFile, DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import * as sdkCommon from "@dapr/dapr/proto/dapr/proto/common/v1/common_pb.js";
import * as sdkAppCallback from "@dapr/dapr/proto/dapr/proto/runtime/v1/appcallback_pb.js";
import * as sdkDapr from "@dapr/dapr/proto/dapr/proto/runtime/v1/dapr_pb.js";
import sdkTasks from "@dapr/dapr/workflow/internal/durabletask/proto/orchestrator_service_pb.js";
import { describe, expect, it } from "vitest";
import * as common from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import * as actors from "../../../specs/gen/dapr/proto/runtime/v1/actors_pb.js";
import * as ai from "../../../specs/gen/dapr/proto/runtime/v1/ai_pb.js";
import * as appCallback from "../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import * as configuration from "../../../specs/gen/dapr/proto/runtime/v1/configuration_pb.js";
import * as crypto from "../../../specs/gen/dapr/proto/runtime/v1/crypto_pb.js";
import { file_dapr_proto_runtime_v1_dapr as dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import * as invoke from "../../../specs/gen/dapr/proto/runtime/v1/invoke_pb.js";
import * as jobs from "../../../specs/gen/dapr/proto/runtime/v1/jobs_pb.js";
import * as lock from "../../../specs/gen/dapr/proto/runtime/v1/lock_pb.js";
import * as metadata from "../../../specs/gen/dapr/proto/runtime/v1/metadata_pb.js";
import * as pubsub from "../../../specs/gen/dapr/proto/runtime/v1/pubsub_pb.js";
import * as state from "../../../specs/gen/dapr/proto/runtime/v1/state_pb.js";
import * as tasks from "../../../specs/gen/taskhub/orchestrator_service_pb.js";
import { typeText } from "./wire-lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: string) => anyPack(StringValueSchema, create(StringValueSchema, { value }));

/** A message of ours, filled in, and the SDK's descriptor of the same message. */
function sample<D extends DescMessage>(ours: D, sdk: DescMessage, init: MessageInitShape<D>) {
  return { name: ours.name, ours: ours as DescMessage, sdk, message: create<DescMessage>(ours, init) };
}

const samples = [
  sample(state.SaveStateRequestSchema, sdkDapr.SaveStateRequestSchema, {
    storeName: "store",
    states: [
      {
        key: "k",
        value: bytes("v"),
        etag: { value: "7" },
        metadata: { ttlInSeconds: "60" },
        options: {
          concurrency: common.StateOptions_StateConcurrency.CONCURRENCY_FIRST_WRITE,
          consistency: common.StateOptions_StateConsistency.CONSISTENCY_STRONG,
        },
      },
      { key: "empty etag", etag: {} },
    ],
  }),
  sample(state.ExecuteStateTransactionRequestSchema, sdkDapr.ExecuteStateTransactionRequestSchema, {
    storeName: "store",
    operations: [{ operationType: "delete", request: { key: "k" } }],
    metadata: { partitionKey: "p" },
  }),
  sample(invoke.InvokeServiceRequestSchema, sdkDapr.InvokeServiceRequestSchema, {
    id: "app",
    message: {
      method: "m",
      data: text("body"),
      contentType: "text/plain",
      httpExtension: { verb: common.HTTPExtension_Verb.PATCH, querystring: "a=b" },
    },
  }),
  sample(pubsub.BulkPublishRequestSchema, sdkDapr.BulkPublishRequestSchema, {
    pubsubName: "p",
    topic: "t",
    entries: [{ entryId: "1", event: bytes("{}"), contentType: "application/json", metadata: { rawPayload: "true" } }],
  }),
  sample(pubsub.SubscribeTopicEventsRequestAlpha1Schema, sdkDapr.SubscribeTopicEventsRequestAlpha1Schema, {
    subscribeTopicEventsRequestType: {
      case: "initialRequest",
      value: { pubsubName: "p", topic: "t", deadLetterTopic: "dead" },
    },
  }),
  sample(configuration.SubscribeConfigurationResponseSchema, sdkDapr.SubscribeConfigurationResponseSchema, {
    id: "1",
    items: { key: { value: "v", version: "2", metadata: { from: "test" } } },
  }),
  sample(lock.UnlockResponseSchema, sdkDapr.UnlockResponseSchema, {
    status: lock.UnlockResponse_Status.LOCK_BELONGS_TO_OTHERS,
  }),
  sample(crypto.EncryptRequestSchema, sdkDapr.EncryptRequestSchema, {
    options: { componentName: "c", keyName: "k", keyWrapAlgorithm: "RSA", omitDecryptionKeyName: true },
    payload: { data: bytes("piece"), seq: 3n },
  }),
  sample(metadata.GetMetadataResponseSchema, sdkDapr.GetMetadataResponseSchema, {
    id: "app",
    registeredComponents: [{ name: "store", type: "state.redis", version: "v1", capabilities: ["ETAG"] }],
    extendedMetadata: { label: "x" },
    actorRuntime: { runtimeStatus: metadata.ActorRuntime_ActorRuntimeStatus.RUNNING, hostReady: true },
  }),
  sample(jobs.ScheduleJobRequestSchema, sdkDapr.ScheduleJobRequestSchema, {
    job: { name: "j", schedule: "@every 1m", repeats: 3, ttl: "1h", data: text("job") },
  }),
  sample(actors.RegisterActorReminderRequestSchema, sdkDapr.RegisterActorReminderRequestSchema, {
    actorType: "T",
    actorId: "1",
    name: "r",
    dueTime: "1s",
    period: "R2/PT1S",
    data: bytes("data"),
    ttl: "1h",
  }),
  sample(ai.ConversationRequestAlpha2Schema, sdkDapr.ConversationRequestAlpha2Schema, {
    name: "model",
    contextId: "c",
    inputs: [
      {
        messages: [{ messageTypes: { case: "ofUser", value: { name: "u", content: [{ text: "hello" }] } } }],
        scrubPii: true,
      },
    ],
    tools: [{ toolTypes: { case: "function", value: { name: "f", parameters: { type: "object" } } } }],
  }),
  sample(appCallback.TopicEventRequestSchema, sdkAppCallback.TopicEventRequestSchema, {
    id: "1",
    source: "s",
    type: "t",
    specVersion: "1.0",
    dataContentType: "text/plain",
    data: bytes("hi"),
    topic: "topic",
    pubsubName: "p",
    path: "/route",
    extensions: { traceparent: "00-0-0-00" },
  }),
  sample(appCallback.TopicEventBulkRequestSchema, sdkAppCallback.TopicEventBulkRequestSchema, {
    id: "bulk",
    entries: [{ entryId: "1", event: { case: "bytes", value: bytes("raw") }, contentType: "text/plain" }],
  }),
];

describe("the messages of the official SDK", () => {
  it.each(samples)("read $name as we write it, and write it as we read it", ({ ours, sdk, message }) => {
    const theirs = fromBinary(sdk, toBinary(ours, message));
    // Ours may have fields the SDK does not know yet; no field may arrive that it cannot name.
    expect(message).toMatchObject(theirs);
    expect(theirs.$unknown).toBeUndefined();
    expect(fromBinary(ours, toBinary(sdk, theirs))).toEqual(message);
  });

  it.each([
    ["common", sdkCommon.file_dapr_proto_common_v1_common],
    ["dapr", sdkDapr.file_dapr_proto_runtime_v1_dapr],
    ["appcallback", sdkAppCallback.file_dapr_proto_runtime_v1_appcallback],
  ])("have no field in %s that ours lack or number differently", (_, file) => {
    const known = new Set(ourFiles.flatMap(fieldFacts));
    expect(fieldFacts(file).filter((fact) => !known.has(fact))).toEqual([]);
  });
});

const ourFiles = [
  dapr,
  ...dapr.dependencies,
  appCallback.file_dapr_proto_runtime_v1_appcallback,
  common.file_dapr_proto_common_v1_common,
];

function fieldFacts(file: DescFile): string[] {
  return file.messages
    .flatMap((message) => message.fields)
    .map((field) => `${field.parent.typeName} ${field.number} ${typeText(field)} ${field.name} as ${field.jsonName}`);
}

/** The workflow stubs are of another generator, and older: message names differ, numbers do not. */
interface StubClass {
  deserializeBinary(bytes: Uint8Array): { serializeBinary(): Uint8Array; toObject(): object };
}

function stub<D extends DescMessage>(ours: D, sdk: StubClass, init: MessageInitShape<D>, seen: object) {
  return { name: ours.name, ours: ours as DescMessage, sdk, message: create<DescMessage>(ours, init), seen };
}

const at = timestampFromMs(1_700_000_000_500);
const stubs = [
  stub(
    tasks.CreateInstanceRequestSchema,
    sdkTasks.CreateInstanceRequest,
    { instanceId: "i", name: "wf", input: "1", scheduledStartTimestamp: at },
    { instanceid: "i", name: "wf", input: { value: "1" } },
  ),
  stub(
    tasks.GetInstanceResponseSchema,
    sdkTasks.GetInstanceResponse,
    {
      exists: true,
      workflowState: {
        instanceId: "i",
        name: "wf",
        workflowStatus: tasks.OrchestrationStatus.FAILED,
        createdTimestamp: at,
        failureDetails: { errorType: "E", errorMessage: "m", innerFailure: { errorType: "cause" } },
      },
    },
    { exists: true, orchestrationstate: { orchestrationstatus: 3, failuredetails: { errormessage: "m" } } },
  ),
  stub(
    tasks.WorkItemSchema,
    sdkTasks.WorkItem,
    {
      request: {
        case: "workflowRequest",
        value: {
          instanceId: "i",
          pastEvents: [
            { eventId: -1, timestamp: at, eventType: { case: "workflowStarted", value: {} } },
            { eventId: -1, eventType: { case: "executionStarted", value: { name: "wf", input: "1" } } },
            { eventId: 0, eventType: { case: "taskScheduled", value: { name: "a" } } },
            { eventId: 1, eventType: { case: "childWorkflowInstanceCreated", value: { instanceId: "c", name: "wf" } } },
          ],
          newEvents: [
            { eventId: -1, eventType: { case: "taskCompleted", value: { taskScheduledId: 0, result: "2" } } },
            { eventId: -1, eventType: { case: "timerFired", value: { fireAt: at, timerId: 5 } } },
          ],
        },
      },
    },
    { orchestratorrequest: { instanceid: "i", neweventsList: [{ taskcompleted: { result: { value: "2" } } }, {}] } },
  ),
  stub(
    tasks.WorkItemSchema,
    sdkTasks.WorkItem,
    {
      request: {
        case: "activityRequest",
        value: { name: "a", input: "1", workflowInstance: { instanceId: "i" }, taskId: 4 },
      },
    },
    { activityrequest: { name: "a", taskid: 4, orchestrationinstance: { instanceid: "i" } } },
  ),
  stub(
    tasks.WorkflowResponseSchema,
    sdkTasks.OrchestratorResponse,
    {
      instanceId: "i",
      customStatus: "s",
      actions: [
        { id: 0, workflowActionType: { case: "scheduleTask", value: { name: "a", input: "1" } } },
        { id: 1, workflowActionType: { case: "createChildWorkflow", value: { instanceId: "c", name: "wf" } } },
        { id: 2, workflowActionType: { case: "createTimer", value: { fireAt: at } } },
        {
          id: 3,
          workflowActionType: {
            case: "completeWorkflow",
            value: { workflowStatus: tasks.OrchestrationStatus.COMPLETED, result: "2" },
          },
        },
      ],
    },
    {
      instanceid: "i",
      actionsList: [
        { scheduletask: { name: "a" } },
        { createsuborchestration: { instanceid: "c" } },
        { createtimer: {} },
        { completeorchestration: { orchestrationstatus: 1 } },
      ],
    },
  ),
  stub(
    tasks.ActivityResponseSchema,
    sdkTasks.ActivityResponse,
    { instanceId: "i", taskId: 4, result: "2" },
    { instanceid: "i", taskid: 4, result: { value: "2" } },
  ),
  stub(
    tasks.PurgeInstancesRequestSchema,
    sdkTasks.PurgeInstancesRequest,
    { request: { case: "instanceId", value: "i" } },
    { instanceid: "i" },
  ),
];

describe("the workflow stubs of the official SDK", () => {
  it.each(stubs)("read $name as we write it, and write it as we read it", ({ ours, sdk, message, seen }) => {
    const theirs = sdk.deserializeBinary(toBinary(ours, message));
    expect(theirs.toObject()).toMatchObject(seen);
    expect(fromBinary(ours, theirs.serializeBinary())).toEqual(message);
  });
});
