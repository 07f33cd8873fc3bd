import { createHash, randomUUID } from "node:crypto";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateStreamCommand, KinesisClient, PutRecordCommand } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { CreateEmailIdentityCommand, SESv2Client } from "@aws-sdk/client-sesv2";
import { CreateTopicCommand, SNSClient } from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { expect } from "vitest";
import dynamodbBinding from "../../components/aws.dynamodb/bindings.ts";
import dynamodbState from "../../components/aws.dynamodb/state.ts";
import kinesisBinding from "../../components/aws.kinesis/bindings.ts";
import parameterStore from "../../components/aws.parameterstore/secretstores.ts";
import s3Binding from "../../components/aws.s3/bindings.ts";
import secretManager from "../../components/aws.secretmanager/secretstores.ts";
import sesBinding from "../../components/aws.ses/bindings.ts";
import snsBinding from "../../components/aws.sns/bindings.ts";
import snssqs from "../../components/aws.snssqs/pubsub.ts";
import sqsBinding from "../../components/aws.sqs/bindings.ts";
import type { BindingDriver, BindingHandler } from "../../components/contract/bindings.ts";
import type { Subscription } from "../../components/contract/driver.ts";
import type { FakeClock } from "../support/fake-clock.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import type { SecretTarget } from "./secrets.suite.ts";
import type { StateTarget } from "./state.suite.ts";
import { fresh } from "./target.ts";

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

const kinesisOptions = (settings: Readonly<Record<string, string>>) => ({
  ...clientOptions(settings),
  requestHandler: new NodeHttpHandler(),
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

/** A binding that tells its events: how many, and whether anybody still reads. */
function observed(driver: BindingDriver) {
  let [count, isRead] = [0, false];
  const open: BindingDriver["open"] = async (settings, context) => {
    const binding = await driver.open(settings, context);
    [count, isRead] = [0, false];
    const stop = <T>(close: () => T) => {
      isRead = false;
      return close();
    };
    return {
      ...binding,
      close: () => stop(() => binding.close()),
      async read(handler, call) {
        const counted: BindingHandler = (event) => {
          count += 1;
          return handler(event);
        };
        const subscription = (await binding.read?.(counted, call)) as Subscription;
        isRead = true;
        return { close: () => stop(() => subscription.close()) };
      },
    };
  };
  /** Makes an event happen; settles when the handler has it, or at once where nobody reads. */
  const happen = async (clock: FakeClock, act: () => Promise<unknown>): Promise<void> => {
    const before = count;
    await act();
    while (isRead && count === before) {
      await clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { driver: { ...driver, open }, happen, isRead: () => isRead };
}

type Made = Readonly<Record<string, string>>;

/** Settings of the binding under test, which its `happen` needs. */
let made: Made = {};
const make = async (more: Made, act: (settings: Made) => Promise<unknown>): Promise<Made> => {
  made = { ...(await world(randomUUID())), ...more };
  await act(made);
  return made;
};

const output = (operation: string, data: string, answer: unknown, metadata: Made = {}) => ({
  request: { operation, data: Buffer.from(data), metadata },
  answer,
});

const sqsObserved = observed(sqsBinding);
const kinesisObserved = observed(kinesisBinding);

const sqsTarget: BindingTarget = {
  isMissing,
  driver: sqsObserved.driver,
  prepare: () =>
    make({ queueName: "orders" }, (settings) =>
      new SQSClient(clientOptions(settings)).send(new CreateQueueCommand({ QueueName: "orders" })),
    ),
  output: output("create", "hello", ""),
  input: {
    async happen(clock) {
      const client = new SQSClient(clientOptions(made));
      const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: "orders" }));
      await sqsObserved.happen(clock, () => client.send(new SendMessageCommand({ QueueUrl, MessageBody: "event" })));
      if (sqsObserved.isRead()) return;
      // What a request under way has taken comes back at once.
      await expect
        .poll(async () => (await client.send(new ReceiveMessageCommand({ QueueUrl }))).Messages)
        .toHaveLength(1);
    },
  },
};

const kinesisTarget: BindingTarget = {
  isMissing,
  driver: kinesisObserved.driver,
  prepare: () =>
    make({ streamName: "events", consumerName: "readers" }, (settings) =>
      new KinesisClient(kinesisOptions(settings)).send(
        new CreateStreamCommand({ StreamName: "events", ShardCount: 1 }),
      ),
    ),
  output: output("create", "hello", ""),
  input: {
    happen: (clock) =>
      kinesisObserved.happen(clock, () =>
        new KinesisClient(kinesisOptions(made)).send(
          new PutRecordCommand({ StreamName: "events", PartitionKey: "key", Data: Buffer.from("event") }),
        ),
      ),
  },
};

const s3Target: BindingTarget = {
  isMissing,
  driver: s3Binding,
  prepare: () =>
    // The names of buckets are those of all regions.
    make({ bucket: fresh("files") }, (settings) =>
      new S3Client({ ...clientOptions(settings), forcePathStyle: true }).send(
        new CreateBucketCommand({ Bucket: settings["bucket"] }),
      ),
    ),
  output: output(
    "create",
    '"hello"',
    expect.stringMatching(/^\{"location":"http:.*\/files-[\w-]+\/a%20b\.txt","versionID":null\}$/),
    { key: "a b.txt" },
  ),
};

const snsTarget: BindingTarget = {
  isMissing,
  driver: snsBinding,
  prepare: async () => {
    const settings = await make({}, async () => {});
    const { TopicArn = "" } = await new SNSClient(clientOptions(settings)).send(
      new CreateTopicCommand({ Name: "news" }),
    );
    return { ...settings, topicArn: TopicArn };
  },
  output: output("create", '{"message":"hello","subject":"greeting"}', ""),
};

const dynamodbTarget: BindingTarget = {
  isMissing,
  driver: dynamodbBinding,
  prepare: () => make({ table: "items" }, withTable),
  output: output("create", '{"key":"1","n":12345678901234567890,"list":[true,null]}', ""),
};

const sesTarget: BindingTarget = {
  isMissing,
  driver: sesBinding,
  prepare: () =>
    make({ emailFrom: "me@example.com", emailTo: "you@example.com", subject: "hello" }, (settings) =>
      new SESv2Client(clientOptions(settings)).send(
        new CreateEmailIdentityCommand({ EmailIdentity: "me@example.com" }),
      ),
    ),
  output: output("create", '"<b>hello</b>"', ""),
};

export const awsBindingTargets: readonly BindingTarget[] = [
  sqsTarget,
  kinesisTarget,
  s3Target,
  snsTarget,
  dynamodbTarget,
  sesTarget,
];
