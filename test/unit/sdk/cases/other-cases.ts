import { create, fromJson } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { Dapr } from "../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Health } from "../../../../specs/gen/grpc/health/v1/health_pb.js";
import { apiCase, json } from "./api-case.ts";

const { method: dapr } = Dapr;

const toValue = (value: unknown) => anyPack(ValueSchema, fromJson(ValueSchema, value as never));

/** Conversation, jobs and the sidecar itself. */
export const otherCases = [
  apiCase(
    "a conversation with tools",
    (client) =>
      client.conversation("llm").converse(
        [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Rain?", name: "Ann" },
          { role: "assistant", content: "", toolCalls: [{ id: "1", name: "weather", arguments: "{}" }] },
          { role: "tool", content: "dry", name: "weather", toolId: "1" },
        ],
        {
          tools: [{ name: "weather", parameters: { type: "object" } }],
          toolChoice: "auto",
          temperature: 0.5,
          contextId: "c",
          parameters: { model: "small" },
        },
      ),
    dapr.converseAlpha2,
    {
      input: {
        name: "llm",
        contextId: "c",
        temperature: 0.5,
        toolChoice: "auto",
        tools: [{ toolTypes: { case: "function", value: { name: "weather", parameters: { type: "object" } } } }],
        parameters: { model: anyPack(StringValueSchema, create(StringValueSchema, { value: "small" })) },
        inputs: [
          {
            messages: [
              { messageTypes: { case: "ofSystem", value: { content: [{ text: "Be brief." }] } } },
              { messageTypes: { case: "ofUser", value: { name: "Ann", content: [{ text: "Rain?" }] } } },
              {
                messageTypes: {
                  case: "ofAssistant",
                  value: {
                    content: [{ text: "" }],
                    toolCalls: [
                      { id: "1", toolTypes: { case: "function", value: { name: "weather", arguments: "{}" } } },
                    ],
                  },
                },
              },
              { messageTypes: { case: "ofTool", value: { toolId: "1", name: "weather", content: [{ text: "dry" }] } } },
            ],
          },
        ],
      },
      output: {
        contextId: "d",
        outputs: [
          {
            model: "small-2",
            usage: { promptTokens: 3n, completionTokens: 1n, totalTokens: 4n },
            choices: [{ finishReason: "stop", message: { content: "No." } }],
          },
        ],
      },
      line: "POST /v1.0-alpha2/conversation/llm/converse",
      body: {
        name: "llm",
        contextId: "c",
        temperature: 0.5,
        toolChoice: "auto",
        tools: [{ function: { name: "weather", parameters: { type: "object" } } }],
        parameters: { model: { "@type": "type.googleapis.com/google.protobuf.StringValue", value: "small" } },
        inputs: [
          {
            messages: [
              { ofSystem: { content: [{ text: "Be brief." }] } },
              { ofUser: { name: "Ann", content: [{ text: "Rain?" }] } },
              {
                ofAssistant: {
                  content: [{}],
                  toolCalls: [{ id: "1", function: { name: "weather", arguments: "{}" } }],
                },
              },
              { ofTool: { toolId: "1", name: "weather", content: [{ text: "dry" }] } },
            ],
          },
        ],
      },
      reply: json({
        contextId: "d",
        outputs: [
          {
            model: "small-2",
            usage: { promptTokens: "3", completionTokens: "1", totalTokens: "4" },
            choices: [{ finishReason: "stop", index: "0", message: { content: "No." } }],
          },
        ],
      }),
      gives: {
        contextId: "d",
        model: "small-2",
        usage: { promptTokens: 3, completionTokens: 1, totalTokens: 4 },
        choices: [{ content: "No.", toolCalls: [], finishReason: "stop" }],
      },
    },
  ),
  apiCase(
    "scheduling a job",
    (client) =>
      client.jobs.schedule(
        "backup",
        { schedule: "@daily", repeats: 3, data: { full: true }, failurePolicy: { intervalMs: 1500, maxRetries: 2 } },
        { overwrite: true },
      ),
    dapr.scheduleJob,
    {
      input: {
        job: {
          name: "backup",
          schedule: "@daily",
          repeats: 3,
          data: toValue({ full: true }),
          failurePolicy: {
            policy: { case: "constant", value: { interval: { seconds: 1n, nanos: 500_000_000 }, maxRetries: 2 } },
          },
        },
        overwrite: true,
      },
      line: "POST /v1.0/jobs/backup",
      body: {
        schedule: "@daily",
        repeats: 3,
        data: { full: true },
        failurePolicy: { constant: { interval: "1.500s", maxRetries: 2 } },
        overwrite: true,
      },
    },
  ),
  apiCase("reading a job", (client) => client.jobs.get("backup"), dapr.getJob, {
    input: { name: "backup" },
    output: {
      job: {
        name: "backup",
        dueTime: "90s",
        data: toValue({ full: true }),
        failurePolicy: { policy: { case: "drop", value: {} } },
      },
    },
    line: "GET /v1.0/jobs/backup",
    reply: json({
      name: "backup",
      dueTime: "90s",
      data: { "@type": "type.googleapis.com/google.protobuf.Value", value: { full: true } },
      failurePolicy: { drop: {} },
    }),
    gives: { name: "backup", dueTime: "90s", data: { full: true }, failurePolicy: "drop" },
  }),
  apiCase("removing a job", (client) => client.jobs.delete("backup"), dapr.deleteJob, {
    input: { name: "backup" },
    line: "DELETE /v1.0/jobs/backup",
  }),
  apiCase("the sidecar's metadata", (client) => client.sidecar.metadata(), dapr.getMetadata, {
    input: {},
    output: {
      id: "shop",
      runtimeVersion: "1",
      registeredComponents: [{ name: "s", type: "state.memory", version: "v1", capabilities: ["ETAG"] }],
      extendedMetadata: { k: "v" },
      subscriptions: [
        {
          pubsubName: "bus",
          topic: "t",
          type: 3,
          deadLetterTopic: "dead",
          rules: { rules: [{ match: "", path: "/" }] },
        },
      ],
      httpEndpoints: [{ name: "out" }],
      appConnectionProperties: { port: 3000, protocol: "http", channelAddress: "127.0.0.1", maxConcurrency: 2 },
    },
    line: "GET /v1.0/metadata",
    reply: json({
      id: "shop",
      runtimeVersion: "1",
      components: [{ name: "s", type: "state.memory", version: "v1", capabilities: ["ETAG"] }],
      extended: { k: "v" },
      subscriptions: [
        {
          pubsubname: "bus",
          topic: "t",
          type: "STREAMING",
          deadLetterTopic: "dead",
          rules: [{ match: "", path: "/" }],
        },
      ],
      httpEndpoints: [{ name: "out" }],
      appConnectionProperties: { port: 3000, protocol: "http", channelAddress: "127.0.0.1", maxConcurrency: 2 },
      actorRuntime: { runtimeStatus: "INITIALIZING", hostReady: false },
      scheduler: { connected_addresses: [] },
    }),
    gives: {
      appId: "shop",
      runtimeVersion: "1",
      enabledFeatures: [],
      components: [{ name: "s", type: "state.memory", version: "v1", capabilities: ["ETAG"] }],
      extended: { k: "v" },
      subscriptions: [
        {
          pubsubName: "bus",
          topic: "t",
          type: "STREAMING",
          deadLetterTopic: "dead",
          rules: [{ match: "", path: "/" }],
          metadata: {},
        },
      ],
      httpEndpoints: ["out"],
      app: { port: 3000, protocol: "http", address: "127.0.0.1", maxConcurrency: 2 },
    },
  }),
  apiCase("a label of the sidecar", (client) => client.sidecar.setMetadata("k", "v"), dapr.setMetadata, {
    input: { key: "k", value: "v" },
    line: "PUT /v1.0/metadata/k",
    body: "v",
  }),
  apiCase("shutdown", (client) => client.sidecar.shutdown({ force: true }), dapr.shutdown, {
    input: {},
    line: "POST /v1.0/shutdown",
    headers: { "dapr-force-shutdown": "true" },
  }),
  apiCase("a sidecar that is ready", (client) => client.sidecar.isReady(), Health.method.check, {
    input: {},
    output: { status: 1 },
    line: "GET /v1.0/healthz",
    gives: true,
  }),
  apiCase("a sidecar that is not ready", (client) => client.sidecar.isReady({ outbound: true }), Health.method.check, {
    input: { service: "outbound" },
    output: { status: 2 },
    line: "GET /v1.0/healthz/outbound",
    reply: { ...json({ errorCode: "ERR_OUTBOUND_HEALTH_NOT_READY", message: "not yet" }), status: 500 },
    gives: false,
  }),
];
