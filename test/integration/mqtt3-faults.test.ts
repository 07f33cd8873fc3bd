import mqttPubsub from "../../components/mqtt3/pubsub.ts";
import { pubsubFaultSuite } from "./pubsub-faults.suite.ts";

// Of brokers at hand this one keeps what it has acknowledged over a crash; it speaks 3.1.1 alone, which carries no keys.
await pubsubFaultSuite({
  driver: mqttPubsub,
  service: "rabbitmq",
  variant: "mqtt",
  settings: (_, port) => ({ url: `tcp://guest:guest@127.0.0.1:${port}`, redeliverInterval: "200ms" }),
  isUnordered: true,
});

await pubsubFaultSuite({
  driver: mqttPubsub,
  service: "mosquitto",
  settings: (_, port) => ({
    url: `tcp://127.0.0.1:${port}`,
    redeliverInterval: "200ms",
    protocolVersion: "5",
  }),
  isAskedToEnd: true,
});
