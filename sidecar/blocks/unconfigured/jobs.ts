import { fail } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { decodeText, isRecord, parseJson } from "../../kernel/json.ts";
import { type AnyMethod, type HttpInput, method } from "../../kernel/method.ts";

const paths = ["/v1.0/jobs/:name", "/v1.0-alpha1/jobs/:name"];
const named = (http: HttpInput) => ({ name: http.params["name"] ?? "" });

const cause = "jobs are not configured on this sidecar";

/**
 * Jobs on a sidecar on which they are not configured. Requests are checked as the published API checks them before it
 * asks its scheduler, so that a wrong one is told apart from one that would do elsewhere.
 */
export function jobMethods(namespace: string): readonly AnyMethod[] {
  const { method: m } = Dapr;
  const requireName = ({ name }: { readonly name: string }): string => {
    if (name === "") throw fail("jobNameEmpty", { namespace });
    return name;
  };
  return [
    method(
      [m.scheduleJob, m.scheduleJobAlpha1],
      "jobs",
      { verbs: ["POST"], paths, input: (http) => scheduleInput(http, namespace) },
      async ({ job }) => {
        if (!job) throw fail("jobEmpty", { namespace });
        requireName(job);
        if (!job.schedule && !job.dueTime) throw fail("jobScheduleEmpty", { namespace });
        throw fail("jobsNotConfigured", { namespace });
      },
    ),
    method([m.getJob, m.getJobAlpha1], "jobs", { verbs: ["GET"], paths, input: named }, async (job) => {
      throw fail("jobGet", { name: requireName(job), cause, namespace });
    }),
    method([m.deleteJob, m.deleteJobAlpha1], "jobs", { verbs: ["DELETE"], paths, input: named }, async (job) => {
      throw fail("jobDelete", { name: `job ${requireName(job)}`, cause, namespace });
    }),
    method([m.listJobs, m.listJobsAlpha1], "jobs", undefined, async () => {
      throw fail("jobList", { cause, namespace });
    }),
    method([m.deleteJobsByPrefix, m.deleteJobsByPrefixAlpha1], "jobs", undefined, async () => {
      throw fail("jobDelete", { name: "jobs by prefix", cause, namespace });
    }),
  ];
}

/** The fields of a job that are looked at here; its name stands in the path. */
function scheduleInput(http: HttpInput, namespace: string) {
  const json = http.body.length === 0 ? {} : parseJson(decodeText(http.body, "the body"), "the body");
  if (!isRecord(json)) throw fail("malformedRequest", { why: "the body must be an object with schedule or dueTime" });
  if ("name" in json) throw fail("jobNameInBody", { namespace });
  return { job: { ...named(http), schedule: text(json, "schedule"), dueTime: text(json, "dueTime", "due_time") } };
}

function text(json: Record<string, unknown>, ...names: readonly string[]): string {
  const value = names.map((name) => json[name]).find((one) => one !== undefined && one !== null) ?? "";
  if (typeof value !== "string") throw fail("malformedRequest", { why: `${names[0]} must be a text` });
  return value;
}
