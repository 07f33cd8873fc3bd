import { Type } from "typebox";
import { type ConfigurationItems, defineConfigurationStore } from "../contract/configuration.ts";
import type { Call } from "../contract/driver.ts";
import { type Client, openClient } from "./client.ts";
import { KeyWatch } from "./key-watch.ts";
import { scanKeys } from "./keys.ts";
import { connectionSettings } from "./settings.ts";

export default defineConfigurationStore({
  type: "configuration.redis",
  status: "beta",
  summary: "Reads configuration items from keys of Redis, and hears of their changes.",
  metadata: Type.Object(connectionSettings({ redisMinRetryInterval: 8, redisMaxRetryInterval: 2000 })),
  async open(settings, context) {
    const client = await openClient(settings, context);
    const read = (keys: readonly string[], call: Call) => readItems(client, keys, call);
    const watch = new KeyWatch(client, read, context);
    return {
      get: async (keys, _metadata, call) => {
        if (keys.length > 0) return read(keys, call);
        const found: ConfigurationItems[] = [];
        for await (const some of scanKeys(client, "", call)) found.push(await read(some, call));
        return Object.assign({}, ...found) as ConfigurationItems;
      },
      subscribe: (keys, _metadata, onChange, call) => watch.subscribe(keys, onChange, call),
      ping: (call) => client.ping(call),
      async close() {
        await watch.close();
        await client.close();
      },
    };
  },
});

/** Keys that hold something else than a text are no items. */
async function readItems(client: Client, keys: readonly string[], call: Call): Promise<ConfigurationItems> {
  // One by one in one journey: several keys of one command must live on one node of a cluster.
  const values = await client.send(
    (connection) => Promise.all(keys.map(async (key) => (await connection.mget(key))[0])),
    call,
  );
  const found = keys.flatMap((key, index) => {
    const text = values[index];
    return typeof text === "string" ? [[key, toItem(text)] as const] : [];
  });
  return Object.fromEntries(found);
}

function toItem(text: string): ConfigurationItems[string] {
  const [value = "", version = ""] = text.split("||");
  return { value, version, metadata: {} };
}
