import { cryptoSuite } from "./crypto.suite.ts";
import { cryptoTargets } from "./crypto.targets.ts";

for (const target of cryptoTargets) cryptoSuite(target);
