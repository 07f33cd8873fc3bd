import type { JsonObject, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  type Any,
  anyPack,
  BoolValueSchema,
  DoubleValueSchema,
  Int64ValueSchema,
  StringValueSchema,
} from "@bufbuild/protobuf/wkt";
import type {
  ConversationMessageSchema,
  ConversationToolCallsSchema,
} from "../../../specs/gen/dapr/proto/runtime/v1/ai_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import type { Transport } from "../transport.ts";
import { defined } from "../values.ts";
import type { Metadata } from "./state-options.ts";

const rpc = Dapr.method.converseAlpha2;

/**
 * A tool that the model wants called.
 *
 * @example
 * ```ts
 * import type { ToolCall } from "@mecha/sdk";
 *
 * const parse = (call: ToolCall): unknown => JSON.parse(call.arguments);
 * console.log(parse({ id: "1", name: "weather", arguments: '{"city":"Rome"}' }));
 * ```
 */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text; nobody has checked it against the tool's schema. */
  readonly arguments: string;
}

/**
 * One message of a conversation.
 *
 * @example
 * ```ts
 * import type { ChatMessage } from "@mecha/sdk";
 *
 * const messages: ChatMessage[] = [
 *   { role: "system", content: "Answer in one word." },
 *   { role: "user", content: "Which city has the Colosseum?" },
 * ];
 * console.log(messages);
 * ```
 */
export interface ChatMessage {
  readonly role: "developer" | "system" | "user" | "assistant" | "tool";
  readonly content: string;
  readonly name?: string;
  /** Of an assistant. */
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool: the call that this answers. */
  readonly toolId?: string;
}

/**
 * A tool that the model may ask for.
 *
 * @example
 * ```ts
 * import type { ChatTool } from "@mecha/sdk";
 *
 * const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
 * const weather: ChatTool = { name: "weather", description: "Tells the weather of a city", parameters };
 * console.log(weather);
 * ```
 */
export interface ChatTool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments. */
  readonly parameters?: object;
}

/**
 * What to ask besides the messages.
 *
 * @example
 * ```ts
 * import { type ConverseOptions, createClient } from "@mecha/sdk";
 *
 * const options: ConverseOptions = { temperature: 0, scrubPii: true, timeoutMs: 60_000 };
 * const { choices } = await createClient().conversation("llm").converse([{ role: "user", content: "Hello" }], options);
 * console.log(choices[0]?.content);
 * ```
 */
export interface ConverseOptions extends CallOptions {
  /** An earlier conversation to go on with. */
  readonly contextId?: string | undefined;
  readonly tools?: readonly ChatTool[] | undefined;
  /** `none`, `auto`, `required` or the name of a tool. */
  readonly toolChoice?: string | undefined;
  readonly temperature?: number | undefined;
  /** Takes personal data out, both ways. */
  readonly scrubPii?: boolean | undefined;
  /** JSON Schema of the answer. */
  readonly responseFormat?: object | undefined;
  readonly parameters?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly metadata?: Metadata | undefined;
}

/**
 * What the model answered.
 *
 * @example
 * ```ts
 * import { type ChatAnswer, createClient } from "@mecha/sdk";
 *
 * const answer: ChatAnswer = await createClient().conversation("llm").converse([{ role: "user", content: "Hello" }]);
 * for (const { content, toolCalls } of answer.choices) console.log(content, toolCalls);
 * console.log(answer.usage?.totalTokens);
 * ```
 */
export interface ChatAnswer {
  readonly contextId: string | undefined;
  readonly choices: readonly {
    readonly content: string;
    readonly toolCalls: readonly ToolCall[];
    /** The model's word, such as `stop` or `tool_calls`. */
    readonly finishReason: string;
  }[];
  readonly model: string | undefined;
  readonly usage:
    | { readonly promptTokens: number; readonly completionTokens: number; readonly totalTokens: number }
    | undefined;
}

/**
 * A language model.
 *
 * @example
 * ```ts
 * import { type Conversation, createClient } from "@mecha/sdk";
 *
 * const llm: Conversation = createClient().conversation("llm");
 * const { choices, contextId } = await llm.converse([{ role: "user", content: "Name a fruit." }]);
 * console.log(choices[0]?.content);
 * await llm.converse([{ role: "user", content: "Another one." }], { contextId });
 * ```
 */
export class Conversation {
  readonly #transport: Transport;
  readonly #name: string;

  /** @internal */
  constructor(transport: Transport, name: string) {
    this.#transport = transport;
    this.#name = name;
  }

  /** Asks the model once. */
  async converse(messages: readonly ChatMessage[], options: ConverseOptions = {}): Promise<ChatAnswer> {
    const { contextId, tools = [], toolChoice, temperature, scrubPii, responseFormat, parameters, metadata } = options;
    const input = {
      name: this.#name,
      inputs: [{ messages: messages.map(toMessage) }],
      tools: tools.map(toTool),
      parameters: toParameters(parameters ?? {}),
      metadata: { ...metadata },
      ...defined({ contextId, toolChoice, temperature, scrubPii }),
      ...(responseFormat ? { responseFormat: responseFormat as JsonObject } : {}),
    };
    return toAnswer(await this.#transport.unary(rpc, input, callOf(options)));
  }
}

type MessageInit = MessageInitShape<typeof ConversationMessageSchema>;
type Calls = MessageInitShape<typeof ConversationToolCallsSchema>[];

const cases = {
  developer: "ofDeveloper",
  system: "ofSystem",
  user: "ofUser",
  assistant: "ofAssistant",
  tool: "ofTool",
} as const;

function toMessage({ role, content, name, toolCalls = [], toolId }: ChatMessage): MessageInit {
  const value = { content: [{ text: content }], ...defined({ name }) };
  switch (role) {
    case "assistant":
      return { messageTypes: { case: cases.assistant, value: { ...value, toolCalls: toolCalls.map(toCall) } } };
    case "tool":
      return { messageTypes: { case: cases.tool, value: { ...value, name: name ?? "", ...defined({ toolId }) } } };
    default:
      return { messageTypes: { case: cases[role], value } };
  }
}

const toCall = ({ id, name, arguments: json }: ToolCall): Calls[number] => ({
  id,
  toolTypes: { case: "function", value: { name, arguments: json } },
});

const toTool = ({ name, description, parameters = {} }: ChatTool) => ({
  toolTypes: {
    case: "function" as const,
    value: { name, ...defined({ description }), parameters: parameters as JsonObject },
  },
});

function toParameters(parameters: Readonly<Record<string, string | number | boolean>>): Record<string, Any> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, toAny(value)]));
}

function toAny(value: string | number | boolean): Any {
  if (typeof value === "string") return anyPack(StringValueSchema, create(StringValueSchema, { value }));
  if (typeof value === "boolean") return anyPack(BoolValueSchema, create(BoolValueSchema, { value }));
  if (Number.isSafeInteger(value)) {
    return anyPack(Int64ValueSchema, create(Int64ValueSchema, { value: BigInt(value) }));
  }
  return anyPack(DoubleValueSchema, create(DoubleValueSchema, { value }));
}

function toAnswer({ contextId, outputs }: MessageShape<(typeof rpc)["output"]>): ChatAnswer {
  // One input was sent, so there is one output; its alternatives are the choices.
  const { choices = [], model, usage } = outputs[0] ?? {};
  return {
    contextId: contextId || undefined,
    model: model || undefined,
    choices: choices.map(({ finishReason, message }) => ({
      finishReason,
      content: message?.content ?? "",
      toolCalls: (message?.toolCalls ?? []).flatMap(({ id = "", toolTypes }) =>
        toolTypes.case === "function" ? [{ id, name: toolTypes.value.name, arguments: toolTypes.value.arguments }] : [],
      ),
    })),
    usage: usage && {
      promptTokens: Number(usage.promptTokens),
      completionTokens: Number(usage.completionTokens),
      totalTokens: Number(usage.totalTokens),
    },
  };
}
