import kafkaPubsub from "../../components/kafka/pubsub.ts";
import { pubsubFaultSuite } from "./pubsub-faults.suite.ts";

await pubsubFaultSuite({
  driver: kafkaPubsub,
  service: "kafka",
  // Clients follow the address that the broker tells them.
  isDirect: true,
  settings: ({ settings }) => ({
    ...settings,
    initialOffset: "oldest",
    heartbeatInterval: "200ms",
    // Somebody else takes over from a killed sidecar after so long.
    sessionTimeout: "2s",
  }),
});
