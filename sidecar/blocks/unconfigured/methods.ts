import type { DescMethod } from "@bufbuild/protobuf";
import { fail, type MechaError } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type AnyMethod, type HttpShape, method, type Verb } from "../../kernel/method.ts";
import { jobMethods } from "./jobs.ts";

/** Actors, workflows and jobs on a sidecar on which they are not configured: each method answers with its reason. */
export function unconfiguredMethods(namespace: string): readonly AnyMethod[] {
  return [...actors(), ...workflows(), ...jobMethods(namespace)];
}

type Shapes = readonly (readonly [verbs: readonly Verb[], ...paths: string[]])[];

/** A method that only refuses; its body is not looked at. */
function refuse(
  rpcs: readonly [DescMethod, ...DescMethod[]],
  group: string,
  shapes: Shapes,
  reason: () => MechaError,
): AnyMethod {
  const http = shapes.map(([verbs, ...paths]): HttpShape<DescMethod> => ({ verbs, paths, input: () => ({}) as never }));
  return method(rpcs, group, http, async () => {
    throw reason();
  });
}

function actors(): AnyMethod[] {
  const { method: m } = Dapr;
  const at = "/v1.0/actors/:actorType/:actorId";
  const missing = () => fail("actorRuntimeMissing", {});
  const of = (rpc: DescMethod, ...shapes: Shapes) => refuse([rpc], "actors", shapes, missing);
  return [
    of(m.executeActorStateTransaction, [["POST", "PUT"], `${at}/state`]),
    of(m.getActorState, [["GET"], `${at}/state/:key`]),
    of(m.invokeActor, [["GET", "POST", "PUT", "DELETE"], `${at}/method/:method`]),
    of(m.registerActorReminder, [["POST", "PUT"], `${at}/reminders/:name`]),
    of(m.getActorReminder, [["GET"], `${at}/reminders/:name`]),
    of(m.unregisterActorReminder, [["DELETE"], `${at}/reminders/:name`]),
    of(m.registerActorTimer, [["POST", "PUT"], `${at}/timers/:name`]),
    of(m.unregisterActorTimer, [["DELETE"], `${at}/timers/:name`]),
    of(m.unregisterActorRemindersByType),
    of(m.listActorReminders),
    of(m.subscribeActorEventsAlpha1),
  ];
}

function workflows(): AnyMethod[] {
  const { method: m } = Dapr;
  const at = ["v1.0", "v1.0-beta1", "v1.0-alpha1"].map((version) => `/${version}/workflows/:component`);
  const under = (suffix: string) => at.map((root) => root + suffix);
  const missing = () => fail("workflowNotConfigured", {});
  const of = (rpcs: readonly [DescMethod, DescMethod], ...shapes: Shapes) => refuse(rpcs, "workflows", shapes, missing);
  return [
    of([m.getWorkflowBeta1, m.getWorkflowAlpha1], [["GET"], ...under("/:instanceId")]),
    of([m.startWorkflowBeta1, m.startWorkflowAlpha1], [["POST"], ...under("/:workflowName/start")]),
    of([m.pauseWorkflowBeta1, m.pauseWorkflowAlpha1], [["POST"], ...under("/:instanceId/pause")]),
    of([m.resumeWorkflowBeta1, m.resumeWorkflowAlpha1], [["POST"], ...under("/:instanceId/resume")]),
    of([m.terminateWorkflowBeta1, m.terminateWorkflowAlpha1], [["POST"], ...under("/:instanceId/terminate")]),
    of([m.purgeWorkflowBeta1, m.purgeWorkflowAlpha1], [["POST"], ...under("/:instanceId/purge")]),
    of(
      [m.raiseEventWorkflowBeta1, m.raiseEventWorkflowAlpha1],
      [["POST"], ...under("/:instanceId/raiseEvent/:eventName")],
    ),
  ];
}
