import echo from "../../components/echo/conversation.ts";
import type { ConversationTarget } from "./conversation.suite.ts";

/** The language models under test. */
export const conversationTargets: readonly ConversationTarget[] = [{ driver: echo, prepare: () => ({}) }];
