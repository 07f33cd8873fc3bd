import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, type Duration, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { JobFailurePolicy } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { Job as JobMessage } from "../../../specs/gen/dapr/proto/runtime/v1/jobs_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import type { Transport } from "../transport.ts";
import { defined, toJsonText } from "../values.ts";

const { method: dapr } = Dapr;

/**
 * When a job triggers, and with what. It needs `schedule` or `dueTime`.
 *
 * @example
 * ```ts
 * import { createClient, type JobOptions } from "@mecha/sdk";
 *
 * const nightly: JobOptions = { schedule: "0 0 3 * * *", data: { full: true }, failurePolicy: { maxRetries: 2 } };
 * await createClient().jobs.schedule("backup", nightly);
 * ```
 */
export interface JobOptions {
  /** Six-field cron, `@daily` and its like, or `@every 1m`. */
  readonly schedule?: string | undefined;
  /** RFC 3339, or a duration (`90s`, `PT90S`) from now: when it triggers first. */
  readonly dueTime?: string | undefined;
  /** How many times it triggers. */
  readonly repeats?: number | undefined;
  /** RFC 3339 or a duration: when the job goes. */
  readonly ttl?: string | undefined;
  /** JSON for the handler. */
  readonly data?: unknown;
  /** What happens after a failure: nothing, or tries `intervalMs` apart (default: three, a second apart). */
  readonly failurePolicy?: "drop" | { readonly intervalMs?: number; readonly maxRetries?: number } | undefined;
}

/**
 * A job as it was scheduled.
 *
 * @example
 * ```ts
 * import { createClient, type Job } from "@mecha/sdk";
 *
 * const job: Job = await createClient().jobs.get("backup");
 * console.log(job.name, job.schedule ?? job.dueTime, job.data);
 * ```
 */
export interface Job extends JobOptions {
  readonly name: string;
}

/**
 * Named triggers of this app; `createApp({ jobs })` takes them.
 *
 * @example
 * ```ts
 * import { createClient, type Jobs } from "@mecha/sdk";
 *
 * const jobs: Jobs = createClient().jobs;
 * await jobs.schedule("backup", { schedule: "@daily" }, { overwrite: true });
 * console.log(await jobs.get("backup"));
 * await jobs.delete("backup");
 * ```
 */
export class Jobs {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Creates a job. Without `overwrite` a job of that name is an error (`already_exists`). */
  async schedule(
    name: string,
    job: JobOptions,
    options: { readonly overwrite?: boolean } & CallOptions = {},
  ): Promise<void> {
    const { schedule, dueTime, repeats, ttl, data, failurePolicy } = job;
    const message = {
      name,
      ...defined({ schedule, dueTime, repeats, ttl }),
      ...(data === undefined ? {} : { data: toAny(data, name) }),
      ...(failurePolicy === undefined ? {} : { failurePolicy: toPolicy(failurePolicy) }),
    };
    const { overwrite = false } = options;
    await this.#transport.unary(dapr.scheduleJob, { job: message, overwrite }, callOf(options));
  }

  /** Reads a job. */
  async get(name: string, call: CallOptions = {}): Promise<Job> {
    const { job } = await this.#transport.unary(dapr.getJob, { name }, callOf(call));
    return job ? { ...toJob(job), name: job.name || name } : { name };
  }

  /** Removes a job. */
  async delete(name: string, call: CallOptions = {}): Promise<void> {
    await this.#transport.unary(dapr.deleteJob, { name }, callOf(call));
  }

  /** Every job of this app. Over gRPC only. */
  async list(call: CallOptions = {}): Promise<Job[]> {
    const { jobs } = await this.#transport.unary(dapr.listJobs, {}, callOf(call));
    return jobs.map(toJob);
  }

  /** Removes the jobs whose names start with `prefix`. Over gRPC only. */
  async deleteByPrefix(prefix: string, call: CallOptions = {}): Promise<void> {
    await this.#transport.unary(dapr.deleteJobsByPrefix, { namePrefix: prefix }, callOf(call));
  }
}

function toAny(data: unknown, name: string): Any {
  const json = JSON.parse(toJsonText(data, `the data of job ${name}`)) as JsonValue;
  return anyPack(ValueSchema, fromJson(ValueSchema, json));
}

function toPolicy(policy: NonNullable<JobOptions["failurePolicy"]>) {
  if (policy === "drop") return { policy: { case: "drop" as const, value: {} } };
  const { intervalMs, maxRetries } = policy;
  const interval = intervalMs === undefined ? undefined : toDuration(intervalMs);
  return { policy: { case: "constant" as const, value: defined({ interval, maxRetries }) } };
}

const toDuration = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) });
const toMs = ({ seconds, nanos }: Duration): number => Number(seconds) * 1000 + nanos / 1e6;

function toJob({ name, schedule, dueTime, repeats, ttl, data, failurePolicy }: JobMessage): Job {
  const value = data && anyUnpack(data, ValueSchema);
  return {
    name,
    ...defined({ schedule, dueTime, repeats, ttl, failurePolicy: failurePolicy && fromPolicy(failurePolicy) }),
    ...(data ? { data: value ? toJson(ValueSchema, value) : data.value } : {}),
  };
}

function fromPolicy({ policy }: JobFailurePolicy): JobOptions["failurePolicy"] {
  if (policy.case === "drop") return "drop";
  if (policy.case !== "constant") return undefined;
  const { interval, maxRetries } = policy.value;
  return defined({ intervalMs: interval && toMs(interval), maxRetries });
}
