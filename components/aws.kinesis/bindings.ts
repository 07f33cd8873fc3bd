import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { awsSettings } from "../aws/settings.ts";
import { defineBinding } from "../contract/bindings.ts";
import { choice, requiredText, text } from "../contract/settings.ts";
import { Stream } from "./stream.ts";
import { StreamReader } from "./stream-reader.ts";

export default defineBinding({
  type: "bindings.aws.kinesis",
  status: "alpha",
  summary:
    "Puts records into a stream of Kinesis, and reads it: each shard in its order, by one sidecar of those with the same consumerName. A record that the app fails to handle is not delivered again. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    streamName: requiredText({ description: "Name of the stream. It must exist.", example: "orders" }),
    consumerName: text({
      default: "",
      description:
        "Name of the readers that share the stream, and of the DynamoDB table in which they note who reads which shard and how far; it is made when it is absent. Input needs it.",
    }),
    mode: choice(["shared", "extended"], {
      default: "shared",
      description: "How records are read; `extended`, by enhanced fan-out, is refused.",
    }),
  }),
  capabilities: ["input", "output"],
  async open(settings, context) {
    if (settings.mode === "extended") {
      throw fail("openFailed", {
        why: "mode: extended needs enhanced fan-out over HTTP/2, which is not offered; set mode to shared",
      });
    }
    const stream = await Stream.open(settings, settings.streamName, context);
    const readers = new Set<StreamReader>();
    return {
      operations: ["create"],
      async invoke({ operation, data, metadata }, call) {
        if (operation !== "create") throw fail("unimplemented", { what: `operation ${operation} (only create)` });
        await stream.put(data, metadata["partitionKey"] || randomUUID(), call);
        return undefined;
      },
      async read(handler, call) {
        if (settings.consumerName === "") {
          throw fail("openFailed", { why: "consumerName: reading needs it; name those who share the stream" });
        }
        const reader = await StreamReader.open(stream, settings, handler, context, call);
        readers.add(reader);
        return reader;
      },
      async close() {
        await Promise.all([...readers].map((reader) => reader.close()));
        await stream.client.close();
      },
    };
  },
});
