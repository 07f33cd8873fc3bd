import { secretSuite } from "./secrets.suite.ts";
import { secretTargets } from "./secrets.targets.ts";

for (const target of secretTargets) secretSuite(target);
