import rabbitmqPubsub from "../../components/rabbitmq/pubsub.ts";
import { pubsubFaultSuite } from "./pubsub-faults.suite.ts";

await pubsubFaultSuite({
  driver: rabbitmqPubsub,
  service: "rabbitmq",
  settings: (_, port) => ({
    connectionString: `amqp://guest:guest@127.0.0.1:${port}`,
    durable: "true",
    deletedWhenUnused: "false",
    reconnectWaitSeconds: "50ms",
    redeliverInterval: "200ms",
  }),
});
