import { create } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import type { Conversation, ConverseRequest } from "../../../../../components/contract/conversation.ts";
import echo from "../../../../../components/echo/conversation.ts";
import { conversationMethods } from "../../../../../sidecar/blocks/conversation/methods.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { componentsOf } from "../../../../support/components.ts";
import { openDriver } from "../../../../support/open-driver.ts";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

/** A model that repeats what it is told, and remembers it for the test. */
async function model(converse?: Conversation["converse"]) {
  const told: ConverseRequest[] = [];
  const inner = await openDriver(echo, {});
  const opened: Conversation = {
    ...inner,
    converse: async (request, call) => {
      told.push(request);
      return (converse ?? inner.converse)(request, call);
    },
  };
  return { told, methods: conversationMethods(componentsOf({ name: "echo", driver: echo, opened })) };
}

async function post(version: string, body: object, name = "echo", converse?: Conversation["converse"]) {
  const { told, methods } = await model(converse);
  const wire = await startHttpWire({ methods });
  const path = `/${version}/conversation/${name}/converse`;
  const { status, text } = await wire.call({ verb: "POST", path, body: JSON.stringify(body) });
  return { status, body: JSON.parse(text), told };
}

const user = (text: string, more = {}) => ({ messages: [{ ofUser: { content: [{ text }] } }], ...more });
const weather = {
  function: {
    name: "weather",
    description: "of a city",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

test("the first form answers one output for all inputs", async () => {
  const parameters = { max: { "@type": "type.googleapis.com/google.protobuf.Int64Value", value: "100" } };
  const inputs = [{ content: "be brief", role: "system" }, { content: "hello" }];
  const { status, body, told } = await post("v1.0-alpha1", { contextID: "c1", inputs, parameters, temperature: 0.5 });
  expect([status, body]).toEqual([200, { contextID: "c1", outputs: [{ result: "be brief\nhello" }] }]);
  expect(told).toMatchObject([
    {
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "hello" },
      ],
      parameters: { max: "100" },
      temperature: 0.5,
    },
  ]);
});

test("the second form answers choices, with model and usage", async () => {
  const { status, body } = await post("v1.0-alpha2", { contextId: "c1", inputs: [user("hello there")] });
  expect([status, body]).toMatchObject([
    200,
    {
      contextId: "c1",
      outputs: [
        {
          choices: [{ finishReason: "stop", message: { content: "hello there" } }],
          model: "echo",
          usage: { promptTokens: "2", completionTokens: "2", totalTokens: "4" },
        },
      ],
    },
  ]);
});

test("messages of every role reach the model, tool calls and their results included", async () => {
  const content = [{ text: "a" }, { text: "b" }];
  const call = { id: "1", function: { name: "weather", arguments: "{}" } };
  const messages = [
    { ofDeveloper: { content, name: "dev" } },
    { ofSystem: { content } },
    { ofUser: { content } },
    { ofAssistant: { content, toolCalls: [call] } },
    { ofTool: { content, toolId: "1", name: "weather" } },
  ];
  const { told } = await post("v1.0-alpha2", { inputs: [{ messages }] });
  expect(told[0]?.messages).toMatchObject([
    { role: "developer", content: "a\nb", name: "dev" },
    { role: "system", content: "a\nb" },
    { role: "user", content: "a\nb" },
    { role: "assistant", content: "a\nb", toolCalls: [{ id: "1", name: "weather", arguments: "{}" }] },
    { role: "tool", content: "a\nb", toolId: "1", name: "weather" },
  ]);
});

test("tools are offered, chosen by the model unless the caller says otherwise, and their calls answered", async () => {
  const { body, told } = await post("v1.0-alpha2", { inputs: [user("rain?")], tools: [weather] });
  expect(told[0]).toMatchObject({ tools: [{ ...weather.function }], toolChoice: "auto" });
  expect(body.outputs[0].choices[0]).toMatchObject({
    finishReason: "tool_calls",
    message: { toolCalls: [{ id: "call_0", function: { name: "weather", arguments: '{"city":""}' } }] },
  });
  const none = await post("v1.0-alpha2", { inputs: [user("rain?")], tools: [weather], toolChoice: "none" });
  expect(none.body.outputs[0].choices[0].finishReason).toBe("stop");
  const wrong = await post("v1.0-alpha2", { inputs: [user("rain?")], tools: [weather], toolChoice: "news" });
  expect(wrong).toMatchObject({
    status: 400,
    body: { errorCode: "ERR_CONVERSATION_INVALID_PARMS", message: expect.stringContaining("weather") },
  });
});

test("the form of the answer and how long to keep the prompt reach the model as parameters", async () => {
  const { told } = await post("v1.0-alpha2", {
    inputs: [user("x")],
    responseFormat: { type: "object" },
    promptCacheRetention: "90s",
  });
  expect(told[0]?.parameters).toEqual({ responseFormat: { type: "object" }, promptCacheRetentionMs: 90_000 });
});

test("personal data is taken out of what goes in and of what comes out, where that is asked for", async () => {
  const mail = "a@b.example";
  const into = await post("v1.0-alpha2", { inputs: [user(mail, { scrubPii: true })] });
  expect(into.told[0]?.messages[0]?.content).toBe("<EMAIL_ADDRESS>");
  const outOf = await post("v1.0-alpha1", { inputs: [{ content: mail }], scrubPII: true });
  expect([outOf.told[0]?.messages[0]?.content, outOf.body.outputs[0].result]).toEqual([mail, "<EMAIL_ADDRESS>"]);
});

test.each([
  [
    "v1.0-alpha1",
    "nobody",
    { inputs: [{ content: "x" }] },
    "ERR_CONVERSATION_NOT_FOUND",
    /nobody not found; configured: echo/,
  ],
  ["v1.0-alpha1", "echo", {}, "ERR_CONVERSATION_MISSING_INPUTS", /missing inputs/],
  ["v1.0-alpha2", "echo", { inputs: [] }, "ERR_CONVERSATION_MISSING_INPUTS", /missing inputs/],
  ["v1.0-alpha2", "echo", { inputs: [{ messages: [] }] }, "ERR_CONVERSATION_MISSING_INPUTS", /missing inputs/],
  [
    "v1.0-alpha1",
    "echo",
    { inputs: [{ content: "x", role: "king" }] },
    "ERR_CONVERSATION_INVALID_PARMS",
    /role must be one of/,
  ],
  ["v1.0-alpha2", "echo", { inputs: [{ messages: [{}] }] }, "ERR_CONVERSATION_INVALID_PARMS", /ofUser/],
])("%s %s with %j is refused", async (version, name, body, errorCode, message) => {
  const answer = await post(version, body, name);
  expect([answer.status, answer.body]).toEqual([400, { errorCode, message: expect.stringMatching(message) }]);
});

test("a model that fails is told", async () => {
  const failing = async () => Promise.reject(new Error("out of tokens"));
  for (const [version, body] of [
    ["v1.0-alpha1", { inputs: [{ content: "x" }] }],
    ["v1.0-alpha2", { inputs: [user("x")] }],
  ] as const) {
    const answer = await post(version, body, "echo", failing);
    expect(answer).toMatchObject({
      status: 500,
      body: { errorCode: "ERR_CONVERSATION_INVOKE", message: expect.stringContaining("out of tokens") },
    });
  }
});

test("the same over gRPC, parameters packed by the caller", async () => {
  const { told, methods } = await model();
  const wire = await startGrpcWire({ methods });
  const parameters = { tone: anyPack(StringValueSchema, create(StringValueSchema, { value: "dry" })) };
  const first = await wire.call(Dapr.method.converseAlpha1, { name: "echo", inputs: [{ content: "hi" }], parameters });
  expect(first.messages).toMatchObject([{ outputs: [{ result: "hi" }] }]);
  expect(told[0]?.parameters).toEqual({ tone: "dry" });
  const messageTypes = { case: "ofUser" as const, value: { content: [{ text: "hi" }] } };
  const second = await wire.call(Dapr.method.converseAlpha2, {
    name: "echo",
    inputs: [{ messages: [{ messageTypes }] }],
  });
  expect(second.messages).toMatchObject([
    { outputs: [{ choices: [{ finishReason: "stop", message: { content: "hi" } }] }] },
  ]);
});
