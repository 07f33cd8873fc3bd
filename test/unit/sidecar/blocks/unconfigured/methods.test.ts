import { describe, expect, it } from "vitest";
import { unconfiguredMethods } from "../../../../../sidecar/blocks/unconfigured/methods.ts";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

const answers = {
  actors: { status: 500, errorCode: "ERR_ACTOR_RUNTIME_NOT_FOUND", code: 13 },
  workflows: { status: 400, errorCode: "ERR_WORKFLOW_COMPONENT_NOT_FOUND", code: 3 },
  jobs: { status: 500, errorCode: "DAPR_SCHEDULER_SCHEDULE_JOB", code: 9 },
};

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
              body: verb === "GET" ? undefined : "not JSON",
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
        expect([rpc.name, (await wire.call(rpc, {})).code]).toEqual([
          rpc.name,
          answers[group as keyof typeof answers].code,
        ]);
      }
    }
  });
});
