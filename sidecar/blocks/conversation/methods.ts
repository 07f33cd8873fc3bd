import { type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type Any, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import type {
  ChatMessage,
  Conversation,
  ConverseAnswer,
  ConverseRequest,
  Role,
} from "../../../components/contract/conversation.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import type {
  ConversationInputAlpha2,
  ConversationMessage,
  ConversationRequestAlpha2,
  ConversationResultAlpha2Schema,
  ConversationTools,
} from "../../../specs/gen/dapr/proto/runtime/v1/ai_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type Components, requireComponent } from "../../kernel/components.ts";
import { type AnyMethod, method } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";
import { wellKnown } from "../../kernel/well-known.ts";
import { scrub } from "./scrub.ts";

/** The conversation API, both versions. */
export function conversationMethods(components: Components): readonly AnyMethod[] {
  const find = (name: string): Conversation =>
    requireComponent(components, "conversation", name, {
      none: () => fail("conversationNotFound", { name }),
      unknown: (unknown, known) => fail("conversationNotFound", { name: unknown, known }),
    }).opened;
  return [converse(find), converseAlpha2(find)];
}

type Find = (name: string) => Conversation;

const http = (version: string) => ({
  verbs: ["POST" as const],
  paths: [`/${version}/conversation/:name/converse`],
  status: 200,
});

const converse = (find: Find) =>
  method(Dapr.method.converseAlpha1, "conversation", http("v1.0-alpha1"), async (input, request) => {
    const { name, contextID, inputs, metadata, scrubPII, temperature } = input;
    const component = find(name);
    if (inputs.length === 0) throw fail("conversationNoInputs", { name });
    const clean = (text: string, wanted: boolean | undefined) => (wanted ? scrub(text) : text);
    const answer = await ask(name, component, request, {
      messages: inputs.map(({ content, role, scrubPII: own }) => ({
        role: roleOf(name, role),
        content: clean(content, own),
      })),
      tools: [],
      temperature,
      contextId: contextID,
      parameters: parametersOf(name, input.parameters),
      metadata,
    });
    const context = answer.contextId ?? contextID;
    return {
      outputs: [{ result: clean(answer.content, scrubPII) }],
      ...(context === undefined ? {} : { contextID: context }),
    };
  });

const converseAlpha2 = (find: Find) =>
  method(Dapr.method.converseAlpha2, "conversation", http("v1.0-alpha2"), async (input, request) => {
    const { name, contextId, inputs, metadata, scrubPii, temperature, toolChoice } = input;
    const component = find(name);
    if (inputs.length === 0) throw fail("conversationNoInputs", { name });
    const tools = toolsOf(name, input.tools);
    const common = {
      tools,
      toolChoice: toolChoiceOf(name, toolChoice, tools),
      temperature,
      contextId,
      parameters: { ...parametersOf(name, input.parameters), ...wishesOf(input) },
      metadata,
    };
    const outputs: MessageInitShape<typeof ConversationResultAlpha2Schema>[] = [];
    let context = contextId;
    for (const one of inputs) {
      const answer = await ask(name, component, request, { ...common, messages: messagesOf(name, one) });
      context = answer.contextId ?? context;
      outputs.push(resultOf(answer, scrubPii === true));
    }
    return { outputs, ...(context === undefined ? {} : { contextId: context }) };
  });

async function ask(
  name: string,
  component: Conversation,
  request: Request,
  wanted: ConverseRequest,
): Promise<ConverseAnswer> {
  try {
    return await component.converse(wanted, request);
  } catch (error) {
    throw fail("conversationFailed", { name, cause: causeText(error) }, { cause: error });
  }
}

const roles: readonly Role[] = ["developer", "system", "user", "assistant", "tool"];

function roleOf(name: string, text: string | undefined): Role {
  const role = roles.find((one) => one === (text || "user").toLowerCase());
  if (!role)
    throw fail("conversationParameters", {
      name,
      why: `role must be one of ${roles.join(", ")}, got ${JSON.stringify(text)}`,
    });
  return role;
}

function messagesOf(name: string, input: ConversationInputAlpha2): ChatMessage[] {
  if (input.messages.length === 0) throw fail("conversationNoInputs", { name });
  return input.messages.map((message) => messageOf(name, message, input.scrubPii === true));
}

function messageOf(name: string, { messageTypes }: ConversationMessage, scrubbed: boolean): ChatMessage {
  if (messageTypes.case === undefined)
    throw fail("conversationParameters", {
      name,
      why: "a message says none of ofUser, ofSystem, ofAssistant, ofDeveloper, ofTool",
    });
  const { value } = messageTypes;
  const text = value.content.map((part) => part.text).join("\n");
  return {
    role: messageTypes.case.slice(2).toLowerCase() as Role,
    name: value.name || undefined,
    content: scrubbed ? scrub(text) : text,
    ...(messageTypes.case === "ofTool" ? { toolId: messageTypes.value.toolId } : {}),
    ...(messageTypes.case === "ofAssistant"
      ? {
          toolCalls: messageTypes.value.toolCalls.map(({ id, toolTypes }) => ({
            id: id ?? "",
            name: toolTypes.value?.name ?? "",
            arguments: toolTypes.value?.arguments ?? "",
          })),
        }
      : {}),
  };
}

function toolsOf(name: string, tools: readonly ConversationTools[]) {
  return tools.map(({ toolTypes }, i) => {
    if (!toolTypes.value?.name)
      throw fail("conversationParameters", { name, why: `tools[${i}].function.name is required` });
    return {
      name: toolTypes.value.name,
      description: toolTypes.value.description,
      parameters: toolTypes.value.parameters,
    };
  });
}

function toolChoiceOf(
  name: string,
  given: string | undefined,
  tools: readonly { readonly name: string }[],
): string | undefined {
  if (!given) return tools.length > 0 ? "auto" : undefined;
  const words = ["none", "auto", "required", ...tools.map((tool) => tool.name)];
  if (words.includes(given)) return given;
  throw fail("conversationParameters", {
    name,
    why: `toolChoice must be one of ${words.join(", ")}, got ${JSON.stringify(given)}`,
  });
}

/** What the request asks of the model beside its messages reaches the driver among the parameters. */
function wishesOf({ responseFormat, promptCacheRetention }: ConversationRequestAlpha2): Record<string, unknown> {
  return {
    ...(responseFormat ? { responseFormat } : {}),
    ...(promptCacheRetention ? { promptCacheRetentionMs: durationMs(promptCacheRetention) } : {}),
  };
}

/** Parameters as JSON values. */
function parametersOf(name: string, parameters: Readonly<Record<string, Any>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters).map(([key, any]) => {
      const value = anyUnpack(any, wellKnown);
      const schema = value && wellKnown.getMessage(value.$typeName);
      if (!schema)
        throw fail("conversationParameters", {
          name,
          why: `parameters.${key} must be a google.protobuf.Value or a wrapper, got ${any.typeUrl}`,
        });
      return [key, toJson(schema, value)];
    }),
  );
}

function resultOf(answer: ConverseAnswer, scrubbed: boolean): MessageInitShape<typeof ConversationResultAlpha2Schema> {
  const { usage, model } = answer;
  return {
    choices: [
      {
        finishReason: answer.finishReason,
        message: {
          content: scrubbed ? scrub(answer.content) : answer.content,
          toolCalls: answer.toolCalls.map(({ id, name, arguments: args }) => ({
            id,
            toolTypes: { case: "function" as const, value: { name, arguments: args } },
          })),
        },
      },
    ],
    ...(model === undefined ? {} : { model }),
    ...(usage
      ? {
          usage: {
            promptTokens: BigInt(usage.promptTokens),
            completionTokens: BigInt(usage.completionTokens),
            totalTokens: BigInt(usage.promptTokens + usage.completionTokens),
          },
        }
      : {}),
  };
}
