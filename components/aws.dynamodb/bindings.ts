import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { awsSettings } from "../aws/settings.ts";
import { defineBinding } from "../contract/bindings.ts";
import { requiredText } from "../contract/settings.ts";
import { toAttributes } from "./attributes.ts";
import { openTable, writeFixes } from "./table.ts";

export default defineBinding({
  type: "bindings.aws.dynamodb",
  status: "beta",
  summary: "Puts items into a table of DynamoDB. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    table: requiredText({ description: "Name of the table. It must exist.", example: "orders" }),
  }),
  capabilities: ["output"],
  async open(settings, context) {
    const { client, library, name } = await openTable(settings, undefined, context);
    return {
      operations: ["create"],
      async invoke({ operation, data }, call) {
        if (operation !== "create") throw fail("unimplemented", { what: `operation ${operation} (only create)` });
        const item = toAttributes(Buffer.from(data).toString());
        const command = new library.PutItemCommand({ TableName: name, Item: item });
        await client.run((dynamo, options) => dynamo.send(command, options), call, {
          ...writeFixes,
          ValidationException: "the data does not fit the table: it must have the table's key, and at most 400 KB",
        });
        return undefined;
      },
      close: () => client.close(),
    };
  },
});
