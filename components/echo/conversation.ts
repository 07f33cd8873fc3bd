import { Type } from "typebox";
import { type ConverseRequest, defineConversation, type ToolCall } from "../contract/conversation.ts";
import { text } from "../contract/settings.ts";

export default defineConversation({
  type: "conversation.echo",
  status: "beta",
  summary: "Answers with what it was told, for development and tests.",
  metadata: Type.Object({
    model: text({ default: "echo", description: "Name to answer as." }),
  }),
  async open({ model }) {
    return {
      async converse(request) {
        const content = request.messages.map((message) => message.content).join("\n");
        const toolCalls = callsOf(request);
        const words = (content.match(/\S+/g) ?? []).length;
        return {
          content,
          toolCalls,
          finishReason: toolCalls.length > 0 ? "tool_calls" : "stop",
          model,
          usage: { promptTokens: words, completionTokens: words },
          contextId: request.contextId,
        };
      },
      close: async () => {},
    };
  },
});

/** One call of each tool that may be chosen. */
function callsOf({ tools, toolChoice }: ConverseRequest): readonly ToolCall[] {
  if (toolChoice === "none") return [];
  const any = !toolChoice || toolChoice === "auto" || toolChoice === "required";
  return tools
    .filter(({ name }) => any || name === toolChoice)
    .map(({ name, parameters }, index) => ({
      id: `call_${index}`,
      name,
      arguments: JSON.stringify(example(parameters)),
    }));
}

const emptyOf: Readonly<Record<string, unknown>> = {
  string: "",
  number: 0,
  integer: 0,
  boolean: false,
  array: [],
  object: {},
};

/** The plainest value for each property that the JSON Schema of a tool names. */
function example(schema: unknown): Record<string, unknown> {
  const properties = isRecord(schema) && isRecord(schema["properties"]) ? schema["properties"] : {};
  return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, plainest(property)]));
}

function plainest(property: unknown): unknown {
  if (!isRecord(property)) return null;
  if ("default" in property) return property["default"];
  if (Array.isArray(property["enum"])) return property["enum"][0];
  return emptyOf[String(property["type"])] ?? null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
