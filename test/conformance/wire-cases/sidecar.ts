import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Health } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { ask, call, fails, nothing, type WireCase, type WireStep } from "../wire.suite.ts";

const m = Dapr.method;
const capabilities = ["ETAG", "TTL", "TRANSACTIONAL", "BULK_GET", "QUERY_API", "ACTOR"];

export const sidecarCases: readonly WireCase[] = [
  {
    name: "health is told without content",
    steps: [
      {
        http: ask("GET", "/v1.0/healthz"),
        grpc: call(Health.method.check, {}),
        expect: { message: { status: "SERVING" }, status: 204, text: "" },
      },
      { http: ask("GET", "/v1.0/healthz?appid=app"), expect: { status: 204, text: "" } },
      { http: ask("GET", "/v1.0/healthz/outbound"), expect: { status: 204, text: "" } },
      {
        http: ask("GET", "/v1.0/healthz?appid=other"),
        expect: fails("healthAppIdMismatch", { expected: "other", actual: "app" }),
      },
    ],
  },
  {
    name: "metadata tells id, version and components",
    steps: [
      {
        http: ask("GET", "/v1.0/metadata"),
        grpc: call(m.getMetadata, {}),
        expect: {
          message: expect.objectContaining({
            id: "app",
            runtimeVersion: "0.0.0-test",
            components: expect.arrayContaining([
              { name: "store", type: "state.in-memory", version: "v1", capabilities },
            ]),
            extended: expect.objectContaining({ daprRuntimeVersion: "0.0.0-test" }),
            appConnectionProperties: expect.objectContaining({ protocol: "http", channelAddress: "127.0.0.1" }),
          }),
        },
      },
    ],
  },
  {
    name: "metadata is extended",
    steps: [
      {
        http: { verb: "PUT", path: "/v1.0/metadata/cliPID", body: "4711" },
        grpc: call(m.setMetadata, { key: "cliPID", value: "4711" }),
        expect: nothing,
      },
      {
        http: ask("GET", "/v1.0/metadata"),
        grpc: call(m.getMetadata, {}),
        expect: {
          message: expect.objectContaining({ extended: { daprRuntimeVersion: "0.0.0-test", cliPID: "4711" } }),
        },
      },
    ],
  },
  {
    name: "shutdown is accepted",
    steps: [{ http: ask("POST", "/v1.0/shutdown"), grpc: call(m.shutdown, {}), expect: nothing }],
  },
];

const converse = "/v1.0-alpha1/conversation/echo/converse";
const converse2 = "/v1.0-alpha2/conversation/echo/converse";
const user = (text: string) => ({ ofUser: { content: [{ text }] } });

export const conversationCases: readonly WireCase[] = [
  {
    name: "the first version answers what was said",
    steps: [
      {
        http: ask("POST", converse, { inputs: [{ content: "hello" }] }),
        grpc: call(m.converseAlpha1, { name: "echo", inputs: [{ content: "hello" }] }),
        expect: { message: { outputs: [{ result: "hello" }] } },
      },
      {
        http: ask("POST", converse, { contextID: "c", inputs: [{ content: "a" }] }),
        grpc: call(m.converseAlpha1, { name: "echo", contextID: "c", inputs: [{ content: "a" }] }),
        expect: { message: { contextID: "c", outputs: [{ result: "a" }] } },
      },
    ],
  },
  {
    name: "the second version answers in choices",
    steps: [
      {
        http: ask("POST", converse2, { inputs: [{ messages: [user("hello")] }] }),
        grpc: call(m.converseAlpha2, {
          name: "echo",
          inputs: [{ messages: [{ messageTypes: { case: "ofUser", value: { content: [{ text: "hello" }] } } }] }],
        }),
        expect: {
          message: expect.objectContaining({
            outputs: [
              expect.objectContaining({
                choices: [expect.objectContaining({ message: expect.objectContaining({ content: "hello" }) })],
              }),
            ],
          }),
        },
      },
    ],
  },
  {
    name: "no inputs, or an unknown component, are refused",
    steps: [
      {
        http: ask("POST", converse, {}),
        grpc: call(m.converseAlpha1, { name: "echo" }),
        expect: fails("conversationNoInputs", { name: "echo" }),
      },
      {
        http: ask("POST", converse2, { inputs: [] }),
        grpc: call(m.converseAlpha2, { name: "echo" }),
        expect: fails("conversationNoInputs", { name: "echo" }),
      },
      {
        http: ask("POST", "/v1.0-alpha1/conversation/nope/converse", { inputs: [{ content: "a" }] }),
        grpc: call(m.converseAlpha1, { name: "nope", inputs: [{ content: "a" }] }),
        expect: fails("conversationNotFound", { name: "nope", known: "echo" }),
      },
    ],
  },
  {
    name: "a role that is none is refused",
    steps: [
      {
        http: ask("POST", converse, { inputs: [{ content: "a", role: "king" }] }),
        grpc: call(m.converseAlpha1, { name: "echo", inputs: [{ content: "a", role: "king" }] }),
        expect: fails("conversationParameters", {
          name: "echo",
          why: 'role must be one of developer, system, user, assistant, tool, got "king"',
        }),
      },
    ],
  },
];

const actor = "/v1.0/actors/type/id";
const missing = fails("actorRuntimeMissing", {});
const noWorkflow = fails("workflowNotConfigured", {});
const namespace = "default";
const noJob = { name: "j", cause: "jobs are not configured on this sidecar", namespace };
const workflow = (version: string, rpcVersion: "Alpha1" | "Beta1"): WireStep[] => [
  {
    http: ask("GET", `/${version}/workflows/dapr/i`),
    grpc: call(m[`getWorkflow${rpcVersion}`], { instanceId: "i" }),
    expect: noWorkflow,
  },
  {
    http: ask("POST", `/${version}/workflows/dapr/w/start`),
    grpc: call(m[`startWorkflow${rpcVersion}`], {}),
    expect: noWorkflow,
  },
  {
    http: ask("POST", `/${version}/workflows/dapr/i/raiseEvent/e`),
    grpc: call(m[`raiseEventWorkflow${rpcVersion}`], {}),
    expect: noWorkflow,
  },
];

/** A sidecar on which nothing is declared. */
export const bareCases: readonly WireCase[] = [
  {
    name: "a block without components says so",
    steps: [
      {
        http: ask("GET", "/v1.0/state/s/k"),
        grpc: call(m.getState, { storeName: "s", key: "k" }),
        expect: fails("stateNotConfigured", {}),
      },
      {
        http: ask("POST", "/v1.0/state/s", []),
        grpc: call(m.saveState, { storeName: "s" }),
        expect: fails("stateNotConfigured", {}),
      },
      {
        http: ask("POST", "/v1.0/publish/p/t", {}),
        grpc: call(m.publishEvent, { pubsubName: "p", topic: "t" }),
        expect: fails("pubsubNotConfigured", {}),
      },
      {
        http: ask("GET", "/v1.0/secrets/s/k"),
        grpc: call(m.getSecret, { storeName: "s", key: "k" }),
        expect: fails("secretsNotConfigured", {}),
      },
      {
        http: ask("GET", "/v1.0/secrets/s/bulk"),
        grpc: call(m.getBulkSecret, { storeName: "s" }),
        expect: fails("secretsNotConfigured", {}),
      },
      {
        http: ask("GET", "/v1.0/configuration/s"),
        grpc: call(m.getConfiguration, { storeName: "s" }),
        expect: fails("configurationNotConfigured", {}),
      },
      {
        http: ask("POST", "/v1.0-alpha1/lock/s", { resourceId: "r", lockOwner: "o", expiryInSeconds: 1 }),
        grpc: call(m.tryLockAlpha1, { storeName: "s", resourceId: "r", lockOwner: "o", expiryInSeconds: 1 }),
        expect: fails("lockNotConfigured", {}),
      },
      {
        http: ask("POST", "/v1.0-alpha1/unlock/s", { resourceId: "r", lockOwner: "o" }),
        grpc: call(m.unlockAlpha1, { storeName: "s", resourceId: "r", lockOwner: "o" }),
        expect: fails("lockNotConfigured", {}),
      },
      {
        http: ask("POST", "/v1.0-alpha1/subtlecrypto/c/sign", {}),
        grpc: call(m.subtleSignAlpha1, { componentName: "c" }),
        expect: fails("cryptoNotConfigured", {}),
      },
      {
        http: ask("POST", "/v1.0-alpha1/conversation/c/converse", { inputs: [{ content: "a" }] }),
        grpc: call(m.converseAlpha1, { name: "c", inputs: [{ content: "a" }] }),
        expect: fails("conversationNotFound", { name: "c" }),
      },
      {
        http: ask("POST", "/v1.0/bindings/b", { operation: "create" }),
        grpc: call(m.invokeBinding, { name: "b", operation: "create" }),
        expect: fails("bindingFailed", { name: "b", cause: "couldn't find output binding b; configured: none" }),
      },
    ],
  },
  {
    name: "actors, workflows and jobs say that they are not configured, in every version",
    steps: [
      { http: ask("POST", `${actor}/state`, []), grpc: call(m.executeActorStateTransaction, {}), expect: missing },
      { http: ask("GET", `${actor}/state/k`), grpc: call(m.getActorState, {}), expect: missing },
      { http: ask("PUT", `${actor}/method/m`), grpc: call(m.invokeActor, {}), expect: missing },
      { http: ask("GET", `${actor}/reminders/r`), grpc: call(m.getActorReminder, {}), expect: missing },
      { http: ask("POST", `${actor}/timers/t`, {}), grpc: call(m.registerActorTimer, {}), expect: missing },
      ...workflow("v1.0", "Beta1"),
      ...workflow("v1.0-beta1", "Beta1"),
      ...workflow("v1.0-alpha1", "Alpha1"),
      {
        http: ask("POST", "/v1.0/jobs/j", { schedule: "@daily" }),
        grpc: call(m.scheduleJob, { job: { name: "j", schedule: "@daily" } }),
        expect: fails("jobsNotConfigured", { namespace }),
      },
      {
        http: ask("POST", "/v1.0/jobs/j", {}),
        grpc: call(m.scheduleJob, { job: { name: "j" } }),
        expect: fails("jobScheduleEmpty", { namespace }),
      },
      { http: ask("POST", "/v1.0/jobs/j", { name: "j" }), expect: fails("jobNameInBody", { namespace }) },
      {
        http: ask("GET", "/v1.0-alpha1/jobs/j"),
        grpc: call(m.getJobAlpha1, { name: "j" }),
        expect: fails("jobGet", noJob),
      },
      {
        http: ask("DELETE", "/v1.0-alpha1/jobs/j"),
        grpc: call(m.deleteJob, { name: "j" }),
        expect: fails("jobDelete", { ...noJob, name: "job j" }),
      },
      { grpc: call(m.listJobs, {}), expect: fails("jobList", noJob) },
    ],
  },
  {
    name: "nobody to invoke is told as such",
    steps: [
      {
        http: ask("GET", "/v1.0/invoke/app/method/x"),
        grpc: call(m.invokeService, { id: "app", message: { method: "x", httpExtension: { verb: 1 } } }),
        expect: fails("invokeFailed", { id: "app", cause: "app channel is not initialized: no --app-port is given" }),
      },
    ],
  },
];
