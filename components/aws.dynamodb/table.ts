import type { DynamoDBClient, TableDescription } from "@aws-sdk/client-dynamodb";
import { fail } from "../../specs/errors.ts";
import { type Client, openClient } from "../aws/client.ts";
import { errorName, type Fixes, isDenied, openFailure } from "../aws/failures.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { OpenContext } from "../contract/driver.ts";

type Library = typeof import("@aws-sdk/client-dynamodb");

/** A table and the way to it. */
export interface Table {
  readonly name: string;
  readonly client: Client<DynamoDBClient>;
  /** The library's commands. */
  readonly library: Library;
}

/** What the service says about writes that cannot be, and what to do. */
export const writeFixes: Fixes = {
  ItemCollectionSizeLimitExceededException: "the items of one partition key have reached their limit",
  ResourceNotFoundException: "table: it is gone; create it again",
};

/**
 * Opens the way to a table and looks at its description: there must be a table whose partition key fits. Where the policy
 * does not let the sidecar look, it says so and goes on. Rejects with `openFailed`.
 * @param partitionKey name that the key must have, with texts as values; absent: any key will do
 */
export async function openTable(
  settings: AwsSettings & { readonly table: string },
  partitionKey: string | undefined,
  context: OpenContext,
): Promise<Table> {
  const library = await import("@aws-sdk/client-dynamodb");
  const client = await openClient(
    (options) => new library.DynamoDBClient(options),
    { service: "DynamoDB" },
    settings,
    context,
  );
  const name = settings.table;
  try {
    const description = await client
      .ask((dynamo, options) => dynamo.send(new library.DescribeTableCommand({ TableName: name }), options), {
        signal: context.signal,
      })
      .catch((error: unknown) => {
        if (!isDenied(error) || errorName(error) !== "AccessDeniedException") throw error;
        context.log.warn("the table cannot be checked: the policy lacks dynamodb:DescribeTable", { table: name });
        return undefined;
      });
    if (description?.Table) check(description.Table, name, partitionKey);
    return { name, client, library };
  } catch (error) {
    await client.close();
    const missing = `table: there is no table ${name} in ${client.region}; create it, or correct table or region`;
    throw openFailure(error, client.asked, { ResourceNotFoundException: missing });
  }
}

function check(
  { TableStatus, KeySchema = [], AttributeDefinitions = [] }: TableDescription,
  name: string,
  key?: string,
): void {
  const wrong = (why: string) => fail("openFailed", { why });
  if (TableStatus === "CREATING" || TableStatus === "DELETING") {
    throw wrong(`table: ${name} is ${TableStatus.toLowerCase()}; wait until it is active`);
  }
  if (key === undefined) return;
  const hash = KeySchema.find(({ KeyType }) => KeyType === "HASH")?.AttributeName;
  if (hash !== key) {
    throw wrong(`partitionKey: the partition key of ${name} is ${hash}, not ${key}; set partitionKey to ${hash}`);
  }
  const sort = KeySchema.find(({ KeyType }) => KeyType === "RANGE")?.AttributeName;
  if (sort !== undefined)
    throw wrong(`table: ${name} has the sort key ${sort}; a state store needs a table without one`);
  const type = AttributeDefinitions.find(({ AttributeName }) => AttributeName === key)?.AttributeType;
  if (type !== "S") throw wrong(`table: the partition key ${key} of ${name} has type ${type}; it must be text, S`);
}
