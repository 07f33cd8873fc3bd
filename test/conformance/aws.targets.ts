import { createHash, randomUUID } from "node:crypto";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import dynamodbState from "../../components/aws.dynamodb/state.ts";
import parameterStore from "../../components/aws.parameterstore/secretstores.ts";
import secretManager from "../../components/aws.secretmanager/secretstores.ts";
import snssqs from "../../components/aws.snssqs/pubsub.ts";
import { requireService, startServer } from "../support/server.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import type { SecretTarget } from "./secrets.suite.ts";
import type { StateTarget } from "./state.suite.ts";

// moto is a double of AWS: what passes here has met its ideas of AWS, not AWS.
const isMissing = !(await requireService("moto"));
const common = { isMissing, time: "backend" } as const;

/** A world of its own for every bench: a region, which lasts as long as the folder does. */
async function world(dataDir: string) {
  const { settings } = await startServer("moto");
  const region = `test-${createHash("sha256").update(dataDir).digest("hex").slice(0, 12)}`;
  return { ...settings, region };
}

const clientOptions = ({ endpoint = "", region = "" }: Readonly<Record<string, string>>) => ({
  endpoint,
  region,
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});

async function withTable(settings: Readonly<Record<string, string>>): Promise<void> {
  const client = new DynamoDBClient(clientOptions(settings));
  const table = new CreateTableCommand({
    TableName: "items",
    KeySchema: [{ AttributeName: "key", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }],
    BillingMode: "PAY_PER_REQUEST",
  });
  await client.send(table).catch((error: unknown) => {
    if (!(error instanceof Error) || error.name !== "ResourceInUseException") throw error;
  });
  client.destroy();
}

export const awsStateTarget: StateTarget = {
  ...common,
  driver: dynamodbState,
  settings: async (dataDir) => {
    const settings = await world(dataDir);
    await withTable(settings);
    return { ...settings, table: "items" };
  },
};

const secretsManagerTarget: SecretTarget = {
  isMissing,
  shortest: "-",
  driver: secretManager,
  prepare: async (secrets) => {
    const settings = await world(randomUUID());
    const client = new SecretsManagerClient(clientOptions(settings));
    for (const [Name, SecretString] of Object.entries(secrets)) {
      await client.send(new CreateSecretCommand({ Name, SecretString }));
    }
    client.destroy();
    return settings;
  },
};

const parameterStoreTarget: SecretTarget = {
  isMissing,
  shortest: "-",
  driver: parameterStore,
  prepare: async (secrets) => {
    const settings = await world(randomUUID());
    const client = new SSMClient(clientOptions(settings));
    for (const [name, Value] of Object.entries(secrets)) {
      await client.send(new PutParameterCommand({ Name: `/app/${name}`, Value, Type: "SecureString" }));
    }
    client.destroy();
    return { ...settings, prefix: "/app/" };
  },
};

export const awsSecretTargets: readonly SecretTarget[] = [secretsManagerTarget, parameterStoreTarget];

const broker = (more: Readonly<Record<string, string>>) => async (dataDir: string) => ({
  ...(await world(dataDir)),
  // Real time passes in these tests.
  messageVisibilityTimeout: "1",
  messageWaitTimeSeconds: "0",
  ...more,
});

export const awsPubsubTargets: Readonly<Record<string, PubsubTarget>> = {
  "pubsub.aws.snssqs": {
    ...common,
    driver: snssqs,
    settings: broker({}),
    maxBytes: 255 * 1024,
    unordered: true,
    forgetsUnheard: true,
    without: ["ordering"],
  },
  "pubsub.aws.snssqs in order": {
    ...common,
    driver: snssqs,
    settings: broker({ fifo: "true", fifoMessageGroupID: "all" }),
    maxBytes: 255 * 1024,
    holdsUp: true,
    forgetsUnheard: true,
  },
};
