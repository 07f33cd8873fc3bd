import { nameResolutionSuite } from "./name-resolution.suite.ts";
import { resolverTargets } from "./name-resolution.targets.ts";

for (const target of resolverTargets) nameResolutionSuite(target);
