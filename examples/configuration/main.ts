// Reads settings, and hears of a change while it runs.
import assert from "node:assert/strict";
import { createClient } from "@mecha/sdk";

await using client = createClient();
const settings = client.configuration("settings");

await settings.set({ color: "green", size: "large" });
const { color } = await settings.get(["color"]);
assert.equal(color?.value, "green");
assert.deepEqual(Object.keys(await settings.get()).sort(), ["color", "size"]);
console.log("color is", color.value, "in version", color.version);

// A subscription is a stream: one update for each change, until the loop is left.
const updates = await settings.subscribe(["color"], { timeoutMs: 10_000 });
await settings.set({ size: "small" });
await settings.set({ color: "blue" });
for await (const { items } of updates) {
  assert.deepEqual(Object.keys(items), ["color"]);
  assert.equal(items["color"]?.value, "blue");
  console.log("color has become", items["color"].value);
  break;
}
