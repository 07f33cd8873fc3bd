import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { text } from "../contract/settings.ts";
import { defineStateStore } from "../contract/state.ts";
import { indexName, tableName } from "./names.ts";
import { openState, stateSettings } from "./open-state.ts";
import { clientSettings } from "./settings.ts";
import { fromBytea, toBytea } from "./state-rows.ts";
import type { Layout } from "./state-table.ts";

export default defineStateStore({
  type: "state.postgresql",
  version: "v2",
  aliases: ["state.postgres"],
  status: "beta",
  summary: "Keeps values in PostgreSQL as they are, byte for byte.",
  metadata: Type.Object({
    ...clientSettings,
    tablePrefix: text({ default: "", description: "Put before the table's name, `state`; may name a schema, `app.`." }),
    ...stateSettings,
  }),
  capabilities: ["etag", "ttl", "transaction", "bulkGet"],
  async open(settings, context) {
    const table = tableName("tablePrefix", `${settings.tablePrefix}state`);
    const { store } = await openState(
      settings,
      {
        layout: layoutOf(table),
        steps: steps(table),
        migrationKey: `migrations-${settings.tablePrefix}state-v2`,
        cleanupKey: `last-cleanup-${settings.tablePrefix}state-v2`,
      },
      context,
    );
    return store;
  },
});

const steps = (table: string): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS ${table} (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    value bytea NOT NULL,
    etag uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    expires_at timestamptz
  );
  CREATE INDEX IF NOT EXISTS ${indexName(table, "expires_at")} ON ${table} (expires_at) WHERE expires_at IS NOT NULL`,
];

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

const layoutOf = (table: string): Layout => ({
  table,
  updated: "updated_at",
  expires: "expires_at",
  value: [{ column: "value", type: "bytea" }],
  selected: ["value"],
  etag: "etag",
  hasEtag: (parameter) => `etag = ${parameter}::uuid`,
  renew: ["etag = gen_random_uuid()"],
  toColumns: (data) => [toBytea(data)],
  fromColumns: ([value]) => fromBytea(value as string),
  checkEtag(key, etag) {
    if (!uuid.test(etag)) throw fail("etagMismatch", { key });
  },
});
