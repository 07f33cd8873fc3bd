import jetstream from "../../components/jetstream/pubsub.ts";
import { type PubsubFaults, pubsubFaultSuite } from "./pubsub-faults.suite.ts";

const faults: PubsubFaults = {
  driver: jetstream,
  service: "nats",
  settings: (_, port) => ({
    natsURL: `nats://127.0.0.1:${port}`,
    concurrency: "parallel",
    ackWait: "2s",
    backOff: "200ms",
  }),
};

await pubsubFaultSuite(faults);

// A group without order has another way through the server.
const unordered = jetstream.capabilities.filter((capability) => capability !== "ordering");
await pubsubFaultSuite({ ...faults, driver: { ...jetstream, capabilities: unordered } });
