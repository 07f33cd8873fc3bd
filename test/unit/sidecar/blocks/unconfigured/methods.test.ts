import type { DescMethod } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { unconfiguredMethods } from "../../../../../sidecar/blocks/unconfigured/methods.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

const answers = {
  actors: { status: 500, errorCode: "ERR_ACTOR_RUNTIME_NOT_FOUND", code: 13 },
  workflows: { status: 400, errorCode: "ERR_WORKFLOW_COMPONENT_NOT_FOUND", code: 3 },
  jobs: { status: 500, errorCode: "DAPR_SCHEDULER_SCHEDULE_JOB", code: 9 },
};

/** Something that a sidecar with jobs would take. */
const requestOf = ({ name }: DescMethod) => {
  if (/^ScheduleJob/.test(name)) return { job: { name: "j", ...job } };
  return /^(Get|Delete)Job(Alpha1)?$/.test(name) ? { name: "j" } : {};
};
const job = { schedule: "@daily" };

describe("what a sidecar does not offer", () => {
  it("answers its reason on every path and verb", async () => {
    const methods = unconfiguredMethods();
    const wire = await startHttpWire({ methods });
    for (const { group, http } of methods) {
      const { status, errorCode } = answers[group as keyof typeof answers];
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
    const methods = unconfiguredMethods();
    const wire = await startGrpcWire({ methods });
    for (const { group, rpcs } of methods) {
      for (const rpc of rpcs) {
        expect([rpc.name, (await wire.call(rpc, requestOf(rpc))).code]).toEqual([
          rpc.name,
          answers[group as keyof typeof answers].code,
        ]);
      }
    }
  });
});

describe("a job that no sidecar would take", () => {
  it("is refused for what is wrong with it over HTTP", async () => {
    const wire = await startHttpWire({ methods: unconfiguredMethods() });
    const codeOf = async (body: string) => {
      const { status, text } = await wire.call({ verb: "POST", path: "/v1.0/jobs/j", body });
      return [status, (JSON.parse(text) as { errorCode: string }).errorCode];
    };
    expect(await codeOf('{"name":"j","schedule":"@daily"}')).toEqual([400, "DAPR_SCHEDULER_JOB_NAME"]);
    expect(await codeOf("{}")).toEqual([400, "DAPR_SCHEDULER_SCHEDULE_EMPTY"]);
    expect(await codeOf("")).toEqual([400, "DAPR_SCHEDULER_SCHEDULE_EMPTY"]);
    expect(await codeOf('{"due_time":"10s"}')).toEqual([500, "DAPR_SCHEDULER_SCHEDULE_JOB"]);
    for (const body of ["{", "[]", '{"schedule":5}'])
      expect(await codeOf(body)).toEqual([400, "ERR_MALFORMED_REQUEST"]);
  });

  it("is refused for what is wrong with it over gRPC", async () => {
    const wire = await startGrpcWire({ methods: unconfiguredMethods() });
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
