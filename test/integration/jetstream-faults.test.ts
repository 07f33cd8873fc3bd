import jetstream from "../../components/jetstream/pubsub.ts";
import { pubsubFaultSuite } from "./pubsub-faults.suite.ts";

await pubsubFaultSuite({
  driver: jetstream,
  service: "nats",
  settings: (_, port) => ({ natsURL: `nats://127.0.0.1:${port}` }),
});
