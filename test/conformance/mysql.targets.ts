import mysqlBinding from "../../components/mysql/bindings.ts";
import mysqlState from "../../components/mysql/state.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { StateTarget } from "./state.suite.ts";

// A server keeps its own time.
const shared = { isMissing: !(await requireService("mariadb")), time: "backend" } as const;
const from = (variant: string) => async () => (await startServer("mariadb", { variant })).settings;

export const mysqlStateTargets: Readonly<Record<string, StateTarget>> = {
  "state.mysql": { ...shared, driver: mysqlState, settings: from("single") },
  "state.mysql with TLS": { ...shared, driver: mysqlState, settings: from("tls") },
};

export const mysqlBindingTarget: BindingTarget = {
  driver: mysqlBinding,
  isMissing: shared.isMissing,
  prepare: async () => ({ url: (await startServer("mariadb")).settings["connectionString"] }),
  output: {
    request: {
      operation: "query",
      data: Buffer.alloc(0),
      metadata: { sql: "SELECT ? AS n, CONCAT('x', ?) AS t", params: '[1, "ä"]' },
    },
    answer: '[{"n":1,"t":"xä"}]',
  },
};
