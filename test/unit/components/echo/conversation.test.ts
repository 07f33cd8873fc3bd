import { expect, test } from "vitest";
import type { ConverseRequest } from "../../../../components/contract/conversation.ts";
import echo from "../../../../components/echo/conversation.ts";
import { openDriver } from "../../../support/open-driver.ts";

const converse = async (parts: Partial<ConverseRequest>) => {
  const model = await openDriver(echo, {});
  return model.converse({ messages: [], tools: [], parameters: {}, metadata: {}, ...parts }, {});
};

test("all contents come back, a line each, with words counted as tokens", async () => {
  const answer = await converse({
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: "how are you" },
    ],
  });
  expect(answer).toMatchObject({
    content: "be brief\nhow are you",
    finishReason: "stop",
    model: "echo",
    usage: { promptTokens: 5, completionTokens: 5 },
  });
});

test("each tool is called with the plainest value for each of its parameters", async () => {
  const properties = {
    city: { type: "string" },
    days: { type: "integer" },
    unit: { enum: ["C", "F"] },
    brief: { type: "boolean", default: true },
    any: {},
  };
  const answer = await converse({
    tools: [{ name: "weather", parameters: { type: "object", properties } }, { name: "time" }],
  });
  expect(answer.finishReason).toBe("tool_calls");
  expect(answer.toolCalls.map(({ arguments: text, ...call }) => ({ ...call, arguments: JSON.parse(text) }))).toEqual([
    { id: "call_0", name: "weather", arguments: { city: "", days: 0, unit: "C", brief: true, any: null } },
    { id: "call_1", name: "time", arguments: {} },
  ]);
});

test("a tool named by the choice is the only one called", async () => {
  const answer = await converse({ tools: [{ name: "weather" }, { name: "time" }], toolChoice: "time" });
  expect(answer.toolCalls.map(({ name }) => name)).toEqual(["time"]);
});
