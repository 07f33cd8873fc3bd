import { each } from "./each-target.ts";
import { stateSuite } from "./state.suite.ts";
import { stateTargets } from "./targets.ts";

each(stateTargets, stateSuite);
