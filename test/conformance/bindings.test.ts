import { bindingSuite } from "./bindings.suite.ts";
import { bindingTargets } from "./bindings.targets.ts";

for (const target of bindingTargets) bindingSuite(target);
