import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { file_dapr_proto_common_v1_common as common } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { file_dapr_proto_components_v1_bindings as componentBindings } from "../../../specs/gen/dapr/proto/components/v1/bindings_pb.js";
import { file_dapr_proto_components_v1_common as componentCommon } from "../../../specs/gen/dapr/proto/components/v1/common_pb.js";
import { file_dapr_proto_components_v1_pubsub as componentPubsub } from "../../../specs/gen/dapr/proto/components/v1/pubsub_pb.js";
import { file_dapr_proto_components_v1_secretstore as componentSecrets } from "../../../specs/gen/dapr/proto/components/v1/secretstore_pb.js";
import { file_dapr_proto_components_v1_state as componentState } from "../../../specs/gen/dapr/proto/components/v1/state_pb.js";
import { file_dapr_proto_internals_v1_apiversion as apiVersion } from "../../../specs/gen/dapr/proto/internals/v1/apiversion_pb.js";
import { file_dapr_proto_internals_v1_jobs as internalJobs } from "../../../specs/gen/dapr/proto/internals/v1/jobs_pb.js";
import { file_dapr_proto_internals_v1_reminders as reminders } from "../../../specs/gen/dapr/proto/internals/v1/reminders_pb.js";
import { file_dapr_proto_internals_v1_service_invocation as invocation } from "../../../specs/gen/dapr/proto/internals/v1/service_invocation_pb.js";
import { file_dapr_proto_internals_v1_status as status } from "../../../specs/gen/dapr/proto/internals/v1/status_pb.js";
import { file_dapr_proto_runtime_v1_appcallback as appCallback } from "../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { Dapr, file_dapr_proto_runtime_v1_dapr as dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { file_dapr_proto_scheduler_v1_scheduler as scheduler } from "../../../specs/gen/dapr/proto/scheduler/v1/scheduler_pb.js";
import { Health } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../../specs/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../../specs/gen/grpc/reflection/v1alpha/reflection_pb.js";
import {
  TaskHubSidecarService,
  file_taskhub_orchestrator_service as taskHub,
} from "../../../specs/gen/taskhub/orchestrator_service_pb.js";
import { linesByPackage, wireLines } from "./wire-lines.ts";

const files = [
  common,
  dapr,
  // The blocks' files are imports of the service's file.
  ...dapr.dependencies.filter((file) => file.proto.package === dapr.proto.package),
  appCallback,
  ...[apiVersion, internalJobs, reminders, invocation, status],
  scheduler,
  taskHub,
  ...[componentCommon, componentState, componentPubsub, componentBindings, componentSecrets],
];
const contract = linesByPackage(readFileSync(join(import.meta.dirname, "wire-contract.txt"), "utf8"));
const messages = new Map(files.flatMap((file) => file.messages).map((message) => [message.typeName, message]));

function requireMessage(typeName: string): DescMessage {
  const message = messages.get(typeName);
  if (!message) throw new Error(`no message ${typeName}`);
  return message;
}

describe("the generated types", () => {
  it.each([...contract])("say in package [%s] exactly what the contract says", (name, lines) => {
    const ours = files.filter((file) => file.proto.package === name).flatMap(wireLines);
    expect(ours.sort()).toEqual(lines.sort());
  });

  it("cover every package of the contract and no other", () => {
    expect(new Set(files.map((file) => file.proto.package))).toEqual(new Set(contract.keys()));
  });

  it("offer the whole API in one service of 72 methods", () => {
    expect(Dapr.typeName).toBe("dapr.proto.runtime.v1.Dapr");
    expect(Dapr.methods).toHaveLength(72);
  });

  it("keep the workflow service outside of any package, because its path on the wire has none", () => {
    expect(TaskHubSidecarService.typeName).toBe("TaskHubSidecarService");
  });

  it("offer health and both versions of reflection under their well-known names", () => {
    expect([Health, ServerReflection, ServerReflectionAlpha].map((service) => service.typeName)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
  });

  it("differ from lower camel case in JSON only where the published API does", () => {
    const odd = files
      .flatMap((file) => file.messages)
      .flatMap((message) => message.fields)
      .filter((field) => field.jsonName !== lowerCamelCase(field.name))
      .map((field) => `${field.parent.name}.${field.name} ${field.jsonName}`);
    expect(odd.sort()).toEqual(oddJsonNames.sort());
  });

  it("never reuse the numbers that older messages used", () => {
    const reserved = (name: string) => requireMessage(name).proto.reservedRange.map((range) => range.start);
    expect({
      WorkflowRequest: reserved("WorkflowRequest"),
      CreateInstanceRequest: reserved("CreateInstanceRequest"),
      GetWorkItemsRequest: reserved("GetWorkItemsRequest"),
      WorkItem: reserved("WorkItem"),
      ScheduleTaskAction: reserved("ScheduleTaskAction"),
      WorkflowAction: reserved("WorkflowAction"),
      HistoryEvent: reserved("HistoryEvent"),
    }).toEqual({
      WorkflowRequest: [5],
      CreateInstanceRequest: [6],
      GetWorkItemsRequest: [1, 2, 3, 10],
      WorkItem: [3, 4, 5],
      ScheduleTaskAction: [4],
      WorkflowAction: [8],
      HistoryEvent: [18, 19, 23, 24, 25, 26, 27, 28, 29],
    });
  });
});

const oddJsonNames = [
  "ActorReminder.actor_id actorID",
  "GetActorReminderRequest.actor_id actorID",
  "GetActorReminderResponse.actor_id actorID",
  "GetMetadataResponse.active_actors_count actors",
  "GetMetadataResponse.extended_metadata extended",
  "GetMetadataResponse.registered_components components",
  "PubsubSubscription.pubsub_name pubsubname",
  "RegisterActorReminderRequest.failure_policy failure_policy",
  "StartWorkflowResponse.instance_id instanceID",
  "GetWorkflowResponse.instance_id instanceID",
  ...["Get", "Start", "Terminate", "Pause", "Resume", "RaiseEvent", "Purge"].flatMap((verb) => [
    `${verb}WorkflowRequest.instance_id instanceID`,
    `${verb}WorkflowRequest.app_id appID`,
  ]),
];

function lowerCamelCase(name: DescField["name"]): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
