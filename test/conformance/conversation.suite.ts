import { expect, test } from "vitest";
import type { ConversationDriver, ConverseRequest } from "../../components/contract/conversation.ts";
import { type Given, openDriver } from "../support/open-driver.ts";

/** A language model under test. */
export interface ConversationTarget {
  readonly driver: ConversationDriver;
  prepare(): Promise<Given> | Given;
}

const weather = {
  name: "get_weather",
  description: "Weather of a city",
  parameters: { type: "object", properties: { city: { type: "string" } } },
};

const request = (parts: Partial<ConverseRequest> = {}): ConverseRequest => ({
  messages: [{ role: "user", content: "hello there" }],
  tools: [],
  parameters: {},
  metadata: {},
  ...parts,
});

/** What every conversation driver must do, whatever its model says. */
export function conversationSuite({ driver, prepare }: ConversationTarget): void {
  const open = async () => openDriver(driver, await prepare());

  test("a message is answered, with the reason the answer ended", async () => {
    const answer = await (await open()).converse(request(), {});
    expect(answer).toMatchObject({ finishReason: "stop", toolCalls: [] });
    expect(answer.content).not.toBe("");
  });

  test("the tokens of both sides are counted when they are told", async () => {
    const { usage } = await (await open()).converse(request(), {});
    if (usage) expect(Math.min(usage.promptTokens, usage.completionTokens)).toBeGreaterThan(0);
  });

  test("the context id is kept", async () => {
    const answer = await (await open()).converse(request({ contextId: "c1" }), {});
    expect(answer.contextId).toBe("c1");
  });

  test("a tool that must be used is called with arguments in JSON", async () => {
    const answer = await (await open()).converse(request({ tools: [weather], toolChoice: "required" }), {});
    expect(answer.finishReason).toBe("tool_calls");
    expect(answer.toolCalls.map((call) => call.name)).toEqual(["get_weather"]);
    for (const call of answer.toolCalls) {
      expect(call.id).not.toBe("");
      expect(JSON.parse(call.arguments)).toBeTypeOf("object");
    }
  });

  test("a tool that must not be used is not called", async () => {
    const answer = await (await open()).converse(request({ tools: [weather], toolChoice: "none" }), {});
    expect(answer).toMatchObject({ finishReason: "stop", toolCalls: [] });
  });

  test("closing twice is closing once", async () => {
    const model = await open();
    await model.close();
    await model.close();
  });
}
