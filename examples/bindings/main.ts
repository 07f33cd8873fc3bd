// A schedule that calls the app, and a folder that the app writes to.
import assert from "node:assert/strict";
import { createApp, createClient } from "@mecha/sdk";

const client = createClient();
const twice = Promise.withResolvers<void>();
let ticks = 0;
const app = await createApp({
  // An input binding calls the app: at the path of its name.
  bindings: {
    "every-second"() {
      console.log("tick", ++ticks);
      if (ticks === 2) twice.resolve();
    },
  },
}).listen();

// An output binding does what the app asks for; which operations there are depends on its type.
const files = client.binding("files");
await files.invoke("create", { ticks: "none yet" }, { metadata: { fileName: "notes/report.json" } });
const read = await files.invoke("get", undefined, { metadata: { fileName: "notes/report.json" } });
assert.deepEqual(read.json(), { ticks: "none yet" });
assert.deepEqual((await files.invoke("list")).json(), ["notes/report.json"]);
console.log("written, read and listed");

await twice.promise;
await files.invoke("delete", undefined, { metadata: { fileName: "notes/report.json" } });
await app.close();
await client.close();
