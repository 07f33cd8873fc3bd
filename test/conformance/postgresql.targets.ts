import postgresqlState from "../../components/postgresql/state.ts";
import postgresqlStateV2 from "../../components/postgresql/state.v2.ts";
import { requireService, startServer } from "../support/server.ts";
import type { StateTarget } from "./state.suite.ts";

// PostgreSQL keeps its own time, and one server serves all targets.
const shared = { isMissing: !(await requireService("postgres")), time: "backend" } as const;
const settings =
  (more: Readonly<Record<string, string>> = {}) =>
  async () => ({ ...(await startServer("postgres")).settings, ...more });

export const postgresqlStateTargets: Readonly<Record<string, StateTarget>> = {
  "state.postgresql": { driver: postgresqlState, ...shared, settings: settings() },
  "state.postgresql without prepared statements": {
    driver: postgresqlState,
    ...shared,
    settings: settings({ queryExecMode: "exec", tableName: "unprepared" }),
  },
  "state.postgresql v2": { driver: postgresqlStateV2, ...shared, settings: settings({ tablePrefix: "v2_" }) },
};
