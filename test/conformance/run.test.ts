import { describe } from "vitest";
import { configurationSuite } from "./configuration.suite.ts";
import { lockSuite } from "./lock.suite.ts";
import { pubsubSuite } from "./pubsub.suite.ts";
import { stateSuite } from "./state.suite.ts";
import { configurationTargets, lockTargets, pubsubTargets, stateTargets } from "./targets.ts";

/** COMPONENTS=sqlite,memory keeps the targets whose name contains one of the words. */
const words = (process.env["COMPONENTS"] ?? "").split(",").filter((word) => word !== "");

function each<T extends { readonly isMissing?: boolean }>(
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
