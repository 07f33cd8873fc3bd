import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import {
  type ConfigurationItem,
  type ConfigurationItems,
  defineConfigurationStore,
} from "../contract/configuration.ts";
import type { Call } from "../contract/driver.ts";
import { requiredText, text } from "../contract/settings.ts";
import type { Client } from "./client.ts";
import { ConfigurationWatch } from "./configuration-watch.ts";
import { codeOf } from "./failures.ts";
import { tableName } from "./names.ts";
import { openClient } from "./open-client.ts";
import { clientSettings } from "./settings.ts";

export default defineConfigurationStore({
  type: "configuration.postgresql",
  aliases: ["configuration.postgres"],
  status: "beta",
  summary:
    "Reads configuration items from a table in PostgreSQL, and hears of changes by the notifications of its trigger.",
  metadata: Type.Object({
    ...clientSettings,
    table: requiredText({
      description: "Table of the items with the columns key, value, version and metadata; may name its schema.",
      example: "configuration",
    }),
    notifyChannel: Type.Optional(
      text({
        description: "Channel on which a trigger of the table notifies; a request may name it as pgNotifyChannel.",
      }),
    ),
  }),
  async open(settings, context) {
    const table = tableName("table", settings.table);
    const channel = settings.notifyChannel ? checkChannel("notifyChannel", settings.notifyChannel) : undefined;
    const client = await openClient(settings, context, (opened) => checkTable(opened, table, settings.table));
    const watches = new Set<ConfigurationWatch>();
    return {
      get: (keys, _metadata, call) => readItems(client, table, keys, call),
      async subscribe(keys, metadata, onChange, call) {
        const named = metadata["pgNotifyChannel"];
        const from = named ? checkRequestChannel(named) : channel;
        if (from === undefined) {
          throw fail("requestMetadataInvalid", {
            key: "pgNotifyChannel",
            why: "is required where the component has no notifyChannel; it is the channel of the table's trigger",
          });
        }
        const read = (wanted: readonly string[], signal?: AbortSignal) => readItems(client, table, wanted, { signal });
        const watch = new ConfigurationWatch(keys, read, onChange, context);
        await watch.start((watcher) => client.watch(from, watcher), call);
        watches.add(watch);
        return {
          close: async () => {
            watches.delete(watch);
            await watch.close();
          },
        };
      },
      ping: async (call) => void (await client.read("SELECT 1", [], call)),
      async close() {
        await Promise.all([...watches].map((watch) => watch.close()));
        await client.close();
      },
    };
  },
});

/** A channel's name can stand in the trigger without quotes. */
const isChannel = (name: string) => /^[a-z0-9_]{1,63}$/.test(name);
const channelForm = "must be lower-case letters, digits and _, 63 at most";

function checkChannel(setting: string, name: string): string {
  if (isChannel(name)) return name;
  throw fail("openFailed", { why: `${setting}: ${JSON.stringify(name)} ${channelForm}` });
}

function checkRequestChannel(name: string): string {
  if (isChannel(name)) return name;
  throw fail("requestMetadataInvalid", { key: "pgNotifyChannel", why: `${channelForm}, got ${JSON.stringify(name)}` });
}

async function checkTable(client: Client, table: string, name: string): Promise<void> {
  try {
    await client.read(`SELECT key, value, version, metadata FROM ${table} LIMIT 0`, [], {});
  } catch (error) {
    if (codeOf(error) !== "42P01" && codeOf(error) !== "42703") throw error;
    throw fail(
      "openFailed",
      {
        why: `table: ${causeText(error)}; make it: CREATE TABLE ${name} (key VARCHAR NOT NULL, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON NOT NULL)`,
      },
      { cause: error },
    );
  }
}

/** The highest version of each key: by number where versions are numbers, which count more than texts. */
async function readItems(
  client: Client,
  table: string,
  keys: readonly string[],
  call: Call,
): Promise<ConfigurationItems> {
  const { rows } = await client.read(
    `SELECT DISTINCT ON (key) key, value, version, metadata FROM ${table} ${keys.length > 0 ? "WHERE key = ANY($1::text[])" : ""}
      ORDER BY key, CASE WHEN version ~ '^[0-9]{1,100}$' THEN version::numeric END DESC NULLS LAST, version DESC`,
    keys.length > 0 ? [keys] : [],
    call,
  );
  return Object.fromEntries(
    (rows as readonly (readonly string[])[]).map(([key = "", value = "", version = "", metadata]) => [
      key,
      { value, version, metadata: metadataOf(metadata) } satisfies ConfigurationItem,
    ]),
  );
}

/** Texts by name from a JSON object; other values as their JSON. */
function metadataOf(json: string | null | undefined): Readonly<Record<string, string>> {
  const value: unknown = JSON.parse(json ?? "null");
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, typeof one === "string" ? one : JSON.stringify(one)]),
  );
}
