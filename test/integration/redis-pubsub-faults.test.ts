import redisPubsub from "../../components/redis/pubsub.ts";
import { pubsubFaultSuite } from "./pubsub-faults.suite.ts";

await pubsubFaultSuite({
  driver: redisPubsub,
  service: "redis",
  settings: (_, port) => ({
    redisHost: `127.0.0.1:${port}`,
    redisMinRetryInterval: "5ms",
    redisMaxRetryInterval: "50ms",
    redeliverInterval: "200ms",
    processingTimeout: "2s",
  }),
});
