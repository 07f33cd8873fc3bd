// Reads settings, and hears of a change while it runs.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@mecha/sdk";

/** An operator's part: an app reads configuration, and whoever runs it writes to the store with the store's own means. */
function write(key: string, value: string): void {
  const database = new DatabaseSync("examples/configuration/settings.db", { timeout: 2_000 });
  database.exec("BEGIN IMMEDIATE");
  const last = database.prepare("SELECT coalesce(max(revision), 0) AS revision FROM configuration").get();
  const revision = Number(last?.["revision"]) + 1;
  database
    .prepare("INSERT OR REPLACE INTO configuration (key, value, version, revision) VALUES (?, ?, ?, ?)")
    .run(key, value, String(revision), revision);
  database.exec("COMMIT");
  database.close();
}

await using client = createClient();
const settings = client.configuration("settings");

write("color", "green");
write("size", "large");
const { color } = await settings.get(["color"]);
assert.equal(color?.value, "green");
assert.deepEqual(Object.keys(await settings.get()).sort(), ["color", "size"]);
console.log("color is", color.value, "in version", color.version);

// A subscription is a stream: one update for each change, until the loop is left.
const updates = await settings.subscribe(["color"], { timeoutMs: 10_000 });
write("size", "small");
write("color", "blue");
for await (const { items } of updates) {
  assert.deepEqual(Object.keys(items), ["color"]);
  assert.equal(items["color"]?.value, "blue");
  console.log("color has become", items["color"].value);
  break;
}
