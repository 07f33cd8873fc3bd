import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { text } from "../contract/settings.ts";
import { defineStateStore } from "../contract/state.ts";
import { queryJson } from "./json-query.ts";
import { indexName, tableName } from "./names.ts";
import { openState, stateSettings } from "./open-state.ts";
import { clientSettings } from "./settings.ts";
import { fromStoredJson, toStoredJson } from "./state-rows.ts";
import type { Layout } from "./state-table.ts";

export default defineStateStore({
  type: "state.postgresql",
  aliases: ["state.postgres"],
  status: "beta",
  summary: "Keeps values in PostgreSQL, JSON as jsonb, which can be queried.",
  metadata: Type.Object({
    ...clientSettings,
    tableName: text({ default: "state", description: "Table of the values; may name its schema, `app.state`." }),
    ...stateSettings,
  }),
  capabilities: ["etag", "ttl", "transaction", "bulkGet", "query"],
  async open(settings, context) {
    const table = tableName("tableName", settings.tableName);
    const suffix = settings.tableName === "state" ? "" : `-${settings.tableName}`;
    const { client, store } = await openState(
      settings,
      {
        layout: layoutOf(table),
        steps: steps(table),
        migrationKey: `migrations${suffix}`,
        cleanupKey: `last-cleanup${suffix}`,
      },
      context,
    );
    return { ...store, query: (request, call) => queryJson(client, table, request, call) };
  },
});

const steps = (table: string): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS ${table} (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    value jsonb NOT NULL,
    isbinary boolean NOT NULL,
    insertdate timestamptz NOT NULL DEFAULT now(),
    updatedate timestamptz NULL
  )`,
  `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS expiredate timestamptz;
  CREATE INDEX IF NOT EXISTS ${indexName(table, "expiredate")} ON ${table} (expiredate) WHERE expiredate IS NOT NULL`,
];

const layoutOf = (table: string): Layout => ({
  table,
  updated: "updatedate",
  expires: "expiredate",
  value: [
    { column: "value", type: "jsonb" },
    { column: "isbinary", type: "boolean" },
  ],
  selected: ["value", "isbinary"],
  // The transaction that wrote the row.
  etag: "xmin",
  hasEtag: (parameter) => `xmin = ${parameter}::xid`,
  renew: [],
  toColumns(data) {
    const { json, isBinary } = toStoredJson(data);
    return [json, isBinary];
  },
  fromColumns: ([value, isBinary]) => fromStoredJson(value as string, isBinary === "t"),
  checkEtag(key, etag) {
    if (!/^\d{1,10}$/.test(etag) || Number(etag) >= 2 ** 32) throw fail("etagInvalid", { key });
  },
});
