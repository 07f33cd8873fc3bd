import type { DescMethod } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { unconfiguredMethods } from "../../../../../sidecar/blocks/unconfigured/methods.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

const actors = { status: 500, errorCode: "ERR_ACTOR_RUNTIME_NOT_FOUND", code: 13 };
const workflows = { status: 400, errorCode: "ERR_WORKFLOW_COMPONENT_NOT_FOUND", code: 3 };
const jobs = (errorCode: string, code = 13) => ({ status: 500, errorCode: `DAPR_SCHEDULER_${errorCode}`, code });

function answerOf(group: string, rpc: string) {
  if (group === "actors") return actors;
  if (group === "workflows") return workflows;
  if (/^Schedule/.test(rpc)) return jobs("SCHEDULE_JOB", 9);
  return jobs(/^Get/.test(rpc) ? "GET_JOB" : /^List/.test(rpc) ? "LIST_JOBS" : "DELETE_JOB");
}

/** Something that a sidecar with jobs would take. */
const requestOf = ({ name }: DescMethod) => {
  if (/^ScheduleJob/.test(name)) return { job: { name: "j", ...job } };
  return /^(Get|Delete)Job(Alpha1)?$/.test(name) ? { name: "j" } : {};
};
const job = { schedule: "@daily" };

describe("what a sidecar does not offer", () => {
  it("answers its reason on every path and verb", async () => {
    const methods = unconfiguredMethods("ns");
    const wire = await startHttpWire({ methods });
    for (const { group, rpcs, http } of methods) {
      const { status, errorCode } = answerOf(group, rpcs[0].name);
      for (const { verbs, paths } of http) {
        for (const verb of verbs) {
          for (const path of paths) {
            const reply = await wire.call({
              verb,
              path: path.replace(/:\w+/g, "x"),
              body: group === "jobs" ? JSON.stringify(job) : "not JSON",
            });
            expect([verb, path, reply.status, (reply.json() as { errorCode: string }).errorCode]).toEqual([
              verb,
              path,
              status,
              errorCode,
            ]);
          }
        }
      }
    }
  });

  it("answers its reason to every rpc", async () => {
    const methods = unconfiguredMethods("ns");
    const wire = await startGrpcWire({ methods });
    for (const { group, rpcs } of methods) {
      for (const rpc of rpcs) {
        expect([rpc.name, (await wire.call(rpc, requestOf(rpc))).code]).toEqual([
          rpc.name,
          answerOf(group, rpc.name).code,
        ]);
      }
    }
  });
});

describe("a job that no sidecar would take", () => {
  it("is refused for what is wrong with it over HTTP", async () => {
    const wire = await startHttpWire({ methods: unconfiguredMethods("ns") });
    const codeOf = async (body: string) => {
      const { status, text } = await wire.call({ verb: "POST", path: "/v1.0/jobs/j", body });
      return [status, (JSON.parse(text) as { errorCode: string }).errorCode];
    };
    expect(await codeOf('{"name":"j","schedule":"@daily"}')).toEqual([400, "DAPR_SCHEDULER_JOB_NAME"]);
    expect(await codeOf("{}")).toEqual([400, "DAPR_SCHEDULER_SCHEDULE_EMPTY"]);
    expect(await codeOf("")).toEqual([400, "DAPR_SCHEDULER_SCHEDULE_EMPTY"]);
    expect(await codeOf('{"due_time":"10s"}')).toEqual([500, "DAPR_SCHEDULER_SCHEDULE_JOB"]);
    const { text } = await wire.call({ path: "/v1.0/jobs/j" });
    expect(JSON.parse(text)).toMatchObject({ details: [{ metadata: { appID: "app", namespace: "ns" } }] });
    for (const body of ["{", "[]", '{"schedule":5}'])
      expect(await codeOf(body)).toEqual([400, "ERR_MALFORMED_REQUEST"]);
  });

  it("is refused for what is wrong with it over gRPC", async () => {
    const wire = await startGrpcWire({ methods: unconfiguredMethods("ns") });
    const reasonOf = async (rpc: DescMethod, init: Record<string, unknown>) =>
      ((await wire.call(rpc, init)).details[0] as { reason: string }).reason;
    const { scheduleJob, getJob, deleteJob } = Dapr.method;
    expect(await reasonOf(scheduleJob, {})).toBe("DAPR_SCHEDULER_EMPTY");
    expect(await reasonOf(scheduleJob, { job: job })).toBe("DAPR_SCHEDULER_JOB_NAME_EMPTY");
    expect(await reasonOf(scheduleJob, { job: { name: "j" } })).toBe("DAPR_SCHEDULER_SCHEDULE_EMPTY");
    expect(await reasonOf(getJob, {})).toBe("DAPR_SCHEDULER_JOB_NAME_EMPTY");
    expect(await reasonOf(deleteJob, {})).toBe("DAPR_SCHEDULER_JOB_NAME_EMPTY");
  });
});
