import { describe } from "vitest";
import { bindingSuite } from "./bindings.suite.ts";
import { bindingTargets } from "./bindings.targets.ts";
import { configurationSuite } from "./configuration.suite.ts";
import { conversationSuite } from "./conversation.suite.ts";
import { conversationTargets } from "./conversation.targets.ts";
import { cryptoSuite } from "./crypto.suite.ts";
import { cryptoTargets } from "./crypto.targets.ts";
import { lockSuite } from "./lock.suite.ts";
import { nameResolutionSuite } from "./name-resolution.suite.ts";
import { resolverTargets } from "./name-resolution.targets.ts";
import { pubsubSuite } from "./pubsub.suite.ts";
import { secretSuite } from "./secrets.suite.ts";
import { secretTargets } from "./secrets.targets.ts";
import { stateSuite } from "./state.suite.ts";
import { configurationTargets, lockTargets, pubsubTargets, stateTargets } from "./targets.ts";

/** COMPONENTS=sqlite,memory keeps the targets whose name contains one of the words. */
const words = (process.env["COMPONENTS"] ?? "").split(",").filter((word) => word !== "");

/** Targets under the names of their types. */
const byType = <T extends { readonly driver: { readonly type: string } }>(targets: readonly T[]) =>
  Object.fromEntries(targets.map((target) => [target.driver.type, target]));

function each<T extends { readonly driver: object; readonly isMissing?: boolean }>(
  targets: Readonly<Record<string, T>>,
  suite: (target: T) => void,
): void {
  for (const [name, target] of Object.entries(targets)) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    describe.skipIf(target.isMissing)(name, () => suite(target));
  }
}

each(stateTargets, stateSuite);
each(pubsubTargets, pubsubSuite);
each(lockTargets, lockSuite);
each(configurationTargets, configurationSuite);
each(byType(bindingTargets), bindingSuite);
each(byType(secretTargets), secretSuite);
each(byType(cryptoTargets), cryptoSuite);
each(byType(conversationTargets), conversationSuite);
each(byType(resolverTargets), nameResolutionSuite);
