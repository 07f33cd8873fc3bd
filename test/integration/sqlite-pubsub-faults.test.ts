import sqlitePubsub from "../../components/sqlite/pubsub.ts";
import { pubsubFaultSuite } from "./pubsub-faults.suite.ts";

await pubsubFaultSuite({
  driver: sqlitePubsub,
  settings: () => ({ redeliverInterval: "200ms", processingTimeout: "2s" }),
});
