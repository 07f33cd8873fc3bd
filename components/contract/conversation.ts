import type { TObject } from "typebox";
import type { Call, Definition, Open, Opened } from "./driver.ts";

export type Role = "developer" | "system" | "user" | "assistant" | "tool";

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

export interface ChatMessage {
  readonly role: Role;
  readonly name?: string | undefined;
  readonly content: string;
  readonly toolCalls?: readonly ToolCall[] | undefined;
  readonly toolId?: string | undefined;
}

export interface ConverseRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly {
    readonly name: string;
    readonly description?: string | undefined;
    readonly parameters?: unknown;
  }[];
  readonly toolChoice?: string | undefined;
  readonly temperature?: number | undefined;
  readonly contextId?: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ConverseAnswer {
  readonly content: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: string;
  readonly model?: string | undefined;
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number } | undefined;
  readonly contextId?: string | undefined;
}

/** A language model behind one call. */
export interface Conversation extends Opened {
  converse(request: ConverseRequest, call: Call): Promise<ConverseAnswer>;
}

export interface ConversationDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "conversation";
  readonly capabilities: readonly never[];
  readonly open: Open<M, Conversation>;
}

/** Defines a conversation driver. */
export function defineConversation<M extends TObject>(
  driver: Definition<M> & { readonly open: Open<M, Conversation> },
): ConversationDriver<M> {
  return { kind: "conversation", capabilities: [], ...driver };
}
