import { conversationSuite } from "./conversation.suite.ts";
import { conversationTargets } from "./conversation.targets.ts";

for (const target of conversationTargets) conversationSuite(target);
