// A file of its own: brokers take real time, and files run side by side.
import { each } from "./each-target.ts";
import { pubsubSuite } from "./pubsub.suite.ts";
import { pubsubTargets } from "./targets.ts";

each(pubsubTargets, pubsubSuite);
