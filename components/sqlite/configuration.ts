import { Type } from "typebox";
import { causeText } from "../../specs/errors.ts";
import {
  type ConfigurationItem,
  type ConfigurationItems,
  defineConfigurationStore,
} from "../contract/configuration.ts";
import { durationMs, text } from "../contract/settings.ts";
import { clientSettings, openClient, quoted } from "./client.ts";

const channel = "configuration";

// A removed item keeps its row, marked, so that every subscriber hears of it; `revision` grows with each change.
const steps = (table: string) => [
  `CREATE TABLE IF NOT EXISTS ${quoted(table)} (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    revision INTEGER NOT NULL,
    is_removed INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX IF NOT EXISTS ${quoted(`${table}_revision`)} ON ${quoted(table)} (revision)`,
];

export default defineConfigurationStore({
  type: "configuration.sqlite",
  status: "beta",
  summary: "Keeps configuration items in a SQLite file that sidecars and tools of one machine may share.",
  metadata: Type.Object({
    ...clientSettings,
    tableName: text({ default: "configuration", description: "Table of the items." }),
    pollInterval: durationMs({
      default: 50,
      unit: "s",
      description: "How often subscriptions look for changes by other processes.",
    }),
  }),
  async open(settings, context) {
    const { tableName, pollInterval } = settings;
    const client = await openClient(settings, context, (opened) =>
      opened.migrate(`mecha-configuration-${tableName}`, steps(tableName)),
    );
    const table = quoted(tableName);
    const columns = "key, value, version, metadata, revision, is_removed";
    const all = client.prepare(`SELECT ${columns} FROM ${table} WHERE is_removed = 0 ORDER BY key`);
    const one = client.prepare(`SELECT ${columns} FROM ${table} WHERE is_removed = 0 AND key = ?`);
    const since = client.prepare(`SELECT ${columns} FROM ${table} WHERE revision > ? ORDER BY revision`);
    const last = client.prepare(`SELECT coalesce(max(revision), 0) AS revision FROM ${table}`);
    const upsert = client.prepare(
      `INSERT INTO ${table} (key, value, version, revision) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (key) DO UPDATE SET value = ?2, version = ?3, revision = ?4, is_removed = 0`,
    );
    const mark = client.prepare(
      `UPDATE ${table} SET value = '', version = '', metadata = '{}', revision = ?, is_removed = 1
        WHERE key = ? AND is_removed = 0`,
    );
    const lastRevision = () => Number(last.get()?.["revision"] ?? 0);
    const write = { atomic: true, wakes: [channel] };
    return {
      get: (keys, _metadata, call) =>
        client.read(() => {
          const rows = keys.length === 0 ? all.all() : keys.map((key) => one.get(key));
          return toItems(rows.filter((row) => row !== undefined));
        }, call),
      async subscribe(keys, _metadata, onChange, call) {
        let seen = await client.read(lastRevision, call);
        const wanted = new Set(keys);
        const tell = async () => {
          const rows = await client.read(() => since.all(seen), {});
          // Two calls may have read the same rows while the file was locked.
          const fresh = rows.filter((row) => Number(row["revision"]) > seen);
          seen = Math.max(seen, ...fresh.map((row) => Number(row["revision"])));
          const changed = fresh.filter((row) => wanted.size === 0 || wanted.has(String(row["key"])));
          if (changed.length > 0) onChange(toItems(changed));
        };
        const unwatch = client.watch(channel, pollInterval, () => {
          tell().catch((error: unknown) =>
            context.log.warn(`changes could not be read before the next one: ${causeText(error)}`),
          );
        });
        return { close: async () => unwatch() };
      },
      put: (items, call) =>
        client.write(
          () => {
            const revision = lastRevision() + 1;
            for (const [key, { value, version }] of Object.entries(items))
              upsert.run(key, value, version ?? String(revision), revision);
          },
          call,
          write,
        ),
      remove: (keys, call) =>
        client.write(
          () => {
            const revision = lastRevision() + 1;
            for (const key of keys) mark.run(revision, key);
          },
          call,
          write,
        ),
      close: () => client.close(),
    };
  },
});

type Row = Readonly<Record<string, unknown>>;

function toItems(rows: readonly Row[]): ConfigurationItems {
  return Object.fromEntries(rows.map((row) => [String(row["key"]), toItem(row)] as const));
}

function toItem(row: Row): ConfigurationItem {
  return {
    value: String(row["value"]),
    version: String(row["version"]),
    metadata: JSON.parse(String(row["metadata"])),
  };
}
