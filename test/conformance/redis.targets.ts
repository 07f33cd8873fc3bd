import redisState from "../../components/redis/state.ts";
import { requireService, startServer } from "../support/server.ts";
import type { StateTarget } from "./state.suite.ts";

const isMissing = !(await requireService("redis"));
/** A server keeps its own time. */
const common = { isMissing, time: "backend" } as const;

const from = (variant: string) => async () => (await startServer("redis", { variant })).settings;

export const redisStateTargets: Readonly<Record<string, StateTarget>> = {
  "state.redis": { ...common, driver: redisState, settings: from("single") },
  "state.redis with users": { ...common, driver: redisState, settings: from("acl") },
  "state.redis with TLS": { ...common, driver: redisState, settings: from("mtls") },
};
