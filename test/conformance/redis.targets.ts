import { Redis } from "ioredis";
import redisBindings from "../../components/redis/bindings.ts";
import redisConfiguration from "../../components/redis/configuration.ts";
import redisLock from "../../components/redis/lock.ts";
import redisPubsub from "../../components/redis/pubsub.ts";
import redisState from "../../components/redis/state.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { ConfigurationTarget } from "./configuration.suite.ts";
import type { LockTarget } from "./lock.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import type { StateTarget } from "./state.suite.ts";
import { fresh } from "./target.ts";

const isMissing = !(await requireService("redis"));
/** A server keeps its own time. */
const common = { isMissing, time: "backend" } as const;

const from = (variant: string) => async () => (await startServer("redis", { variant })).settings;

export const redisStateTargets: Readonly<Record<string, StateTarget>> = {
  "state.redis": { ...common, driver: redisState, settings: from("single") },
  "state.redis with users": { ...common, driver: redisState, settings: from("acl") },
  "state.redis with TLS": { ...common, driver: redisState, settings: from("mtls") },
};

export const redisPubsubTarget: PubsubTarget = {
  ...common,
  driver: redisPubsub,
  // Real time passes in these tests.
  settings: async () => ({ ...(await from("single")()), redeliverInterval: "100ms", processingTimeout: "3s" }),
};

export const redisLockTarget: LockTarget = { ...common, driver: redisLock, settings: from("single") };

/** Writes as an operator would, by other means than the driver. */
async function withServer(act: (server: Redis) => Promise<unknown>): Promise<void> {
  const { host, port } = await startServer("redis", { variant: "single" });
  const server = new Redis({ host, port });
  await act(server).finally(() => server.disconnect());
}

export const redisConfigurationTarget: ConfigurationTarget = {
  ...common,
  driver: redisConfiguration,
  settings: from("single"),
  put: (items) =>
    withServer(async (server) => {
      for (const [key, { value, version }] of Object.entries(items)) {
        await server.set(key, version === undefined ? value : `${value}||${version}`);
      }
    }),
  remove: (keys) => withServer((server) => server.del(...keys)),
};

export const redisBindingTarget: BindingTarget = {
  driver: redisBindings,
  isMissing,
  prepare: from("single"),
  output: {
    request: {
      operation: "increment",
      data: Buffer.alloc(0),
      metadata: { key: fresh("counter"), ttlInSeconds: "0" },
    },
    answer: "1",
  },
};
