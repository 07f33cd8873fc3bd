import memoryConfiguration from "../../components/memory/configuration.ts";
import memoryLock from "../../components/memory/lock.ts";
import memoryPubsub from "../../components/memory/pubsub.ts";
import memoryState from "../../components/memory/state.ts";
import sqliteConfiguration from "../../components/sqlite/configuration.ts";
import sqliteLock from "../../components/sqlite/lock.ts";
import sqlitePubsub from "../../components/sqlite/pubsub.ts";
import sqliteState from "../../components/sqlite/state.ts";
import { awsPubsubTargets, awsStateTarget } from "./aws.targets.ts";
import type { ConfigurationTarget } from "./configuration.suite.ts";
import { jetstreamPubsubTarget } from "./jetstream.targets.ts";
import { kafkaPubsubTarget } from "./kafka.targets.ts";
import type { LockTarget } from "./lock.suite.ts";
import { mqttPubsubTargets } from "./mqtt3.targets.ts";
import { mysqlStateTargets } from "./mysql.targets.ts";
import { pluggablePubsubTargets, pluggableStateTargets } from "./pluggable.targets.ts";
import {
  postgresqlConfigurationTarget,
  postgresqlLockTarget,
  postgresqlPubsubTarget,
  postgresqlStateTargets,
} from "./postgresql.targets.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import { rabbitmqPubsubTarget } from "./rabbitmq.targets.ts";
import { redisConfigurationTarget, redisLockTarget, redisPubsubTarget, redisStateTargets } from "./redis.targets.ts";
import type { StateTarget } from "./state.suite.ts";

// One record per kind, by component type; a suite runs once per entry.

export const stateTargets: Readonly<Record<string, StateTarget>> = {
  "state.in-memory": { driver: memoryState, isPrivate: true },
  "state.sqlite": { driver: sqliteState },
  "state.sqlite in memory": {
    driver: sqliteState,
    settings: () => ({ connectionString: ":memory:" }),
    isPrivate: true,
  },
  "state.sqlite without WAL": { driver: sqliteState, settings: () => ({ disableWAL: "true" }) },
  "state.aws.dynamodb": { ...awsStateTarget, maxBytes: 390 * 1024 },
  ...redisStateTargets,
  ...postgresqlStateTargets,
  ...mysqlStateTargets,
  ...pluggableStateTargets,
};

export const pubsubTargets: Readonly<Record<string, PubsubTarget>> = {
  "pubsub.in-memory": { driver: memoryPubsub },
  "pubsub.sqlite": { driver: sqlitePubsub },
  "pubsub.jetstream": jetstreamPubsubTarget,
  "pubsub.kafka": kafkaPubsubTarget,
  "pubsub.postgresql": postgresqlPubsubTarget,
  ...mqttPubsubTargets,
  "pubsub.rabbitmq": rabbitmqPubsubTarget,
  "pubsub.redis": redisPubsubTarget,
  ...awsPubsubTargets,
  ...pluggablePubsubTargets,
};

export const lockTargets: Readonly<Record<string, LockTarget>> = {
  "lock.in-memory": { driver: memoryLock },
  "lock.sqlite": { driver: sqliteLock },
  "lock.postgresql": postgresqlLockTarget,
  "lock.redis": redisLockTarget,
};

export const configurationTargets: Readonly<Record<string, ConfigurationTarget>> = {
  "configuration.in-memory": { driver: memoryConfiguration },
  "configuration.sqlite": { driver: sqliteConfiguration },
  "configuration.postgresql": postgresqlConfigurationTarget,
  "configuration.redis": redisConfigurationTarget,
};
