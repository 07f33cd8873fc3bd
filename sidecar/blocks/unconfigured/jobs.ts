import { fail } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { decodeText, isRecord, parseJson } from "../../kernel/json.ts";
import { type AnyMethod, type HttpInput, method } from "../../kernel/method.ts";

const paths = ["/v1.0/jobs/:name", "/v1.0-alpha1/jobs/:name"];
const named = (http: HttpInput) => ({ name: http.params["name"] ?? "" });

/**
 * Jobs on a sidecar on which they are not configured. Requests are checked as the published API checks them before it
 * asks its scheduler, so that a wrong one is told apart from one that would do elsewhere.
 */
export function jobMethods(): readonly AnyMethod[] {
  const { method: m } = Dapr;
  const refuse = async ({ name }: { readonly name: string }): Promise<never> => {
    if (name === "") throw fail("jobNameEmpty", {});
    throw fail("jobsNotConfigured", {});
  };
  const refuseAll = async (): Promise<never> => {
    throw fail("jobsNotConfigured", {});
  };
  return [
    method(
      [m.scheduleJob, m.scheduleJobAlpha1],
      "jobs",
      { verbs: ["POST"], paths, input: scheduleInput },
      async ({ job }) => {
        if (!job) throw fail("jobEmpty", {});
        if (job.name !== "" && !job.schedule && !job.dueTime) throw fail("jobScheduleEmpty", {});
        return refuse(job);
      },
    ),
    method([m.getJob, m.getJobAlpha1], "jobs", { verbs: ["GET"], paths, input: named }, refuse),
    method([m.deleteJob, m.deleteJobAlpha1], "jobs", { verbs: ["DELETE"], paths, input: named }, refuse),
    method([m.listJobs, m.listJobsAlpha1], "jobs", undefined, refuseAll),
    method([m.deleteJobsByPrefix, m.deleteJobsByPrefixAlpha1], "jobs", undefined, refuseAll),
  ];
}

/** The fields of a job that are looked at here; its name stands in the path. */
function scheduleInput(http: HttpInput) {
  const json = http.body.length === 0 ? {} : parseJson(decodeText(http.body, "the body"), "the body");
  if (!isRecord(json)) throw fail("malformedRequest", { why: "the body must be an object with schedule or dueTime" });
  if ("name" in json) throw fail("jobNameInBody", {});
  return { job: { ...named(http), schedule: text(json, "schedule"), dueTime: text(json, "dueTime", "due_time") } };
}

function text(json: Record<string, unknown>, ...names: readonly string[]): string {
  const value = names.map((name) => json[name]).find((one) => one !== undefined && one !== null) ?? "";
  if (typeof value !== "string") throw fail("malformedRequest", { why: `${names[0]} must be a text` });
  return value;
}
