import { Type } from "typebox";
import { durationMs, integer, text } from "../contract/settings.ts";
import { defineStateStore } from "../contract/state.ts";
import { connectionText, pemPath } from "./connection-settings.ts";
import { openClient } from "./open-client.ts";
import { prepareLayout } from "./state-layout.ts";
import { StateTable } from "./state-table.ts";
import { sweepEvery } from "./state-upkeep.ts";

const maxConnections = 10;
const maxIdleMs = 30 * 60_000;

/** Wherever the server is and whatever it is set to, one statement means one thing, and nothing is cut off quietly. */
const prelude = [
  "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
];

export default defineStateStore({
  type: "state.mysql",
  status: "beta",
  summary: "Keeps values in MySQL or MariaDB, in the tables that other sidecars use. Tested with MariaDB.",
  metadata: Type.Object({
    connectionString: connectionText(),
    pemPath,
    schemaName: text({ default: "dapr_state_store", description: "Database of the tables; made if it is not there." }),
    tableName: text({ default: "state", description: "Table of the values." }),
    metadataTableName: text({ default: "dapr_metadata", description: "Table that notes when values were swept." }),
    timeoutInSeconds: integer({ default: 20, minimum: 0, description: "Longest time of one call; 0: 20." }),
    cleanupInterval: durationMs({
      default: 3_600_000,
      unit: "s",
      description: "How often ended values are deleted; 0: never.",
    }),
  }),
  capabilities: ["etag", "ttl", "transaction", "bulkGet"],
  async open(settings, context) {
    const { connectionString, tableName, cleanupInterval } = settings;
    const timeoutMs = (settings.timeoutInSeconds || 20) * 1000;
    const limits = { maxOpen: maxConnections, maxIdle: maxConnections, maxIdleMs, maxLifeMs: 0 };
    const { client, made: layout } = await openClient(
      {
        ...limits,
        setting: "connectionString",
        connection: connectionString,
        pemPath: settings.pemPath,
        timeoutMs,
        prelude,
      },
      context,
      (opened) => prepareLayout(opened, settings, context),
    );
    const { table, metadataTable } = layout;
    const values = new StateTable(client, layout, context.clock);
    const key = tableName === "state" ? "last-cleanup" : `last-cleanup-${tableName}`;
    const stopSweeping = sweepEvery(client, { table, metadataTable, key, intervalMs: cleanupInterval }, context);
    return {
      get: (key, _options, call) => values.find(key, call),
      set: (key, data, options, call) => values.apply({ kind: "set", key, data, options }, call),
      delete: (key, options, call) => values.apply({ kind: "delete", key, options }, call),
      transact: (operations, call) => values.applyAll(operations, call),
      getMany: (keys, _options, call) => values.findMany(keys, call),
      list: (request, call) => values.list(request, call),
      ping: async (call) => void (await client.read("SELECT 1", [], call)),
      async close() {
        await stopSweeping();
        await client.close();
      },
    };
  },
});
