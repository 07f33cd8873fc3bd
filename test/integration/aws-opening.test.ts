import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, test, vi } from "vitest";
import dynamodbBinding from "../../components/aws.dynamodb/bindings.ts";
import dynamodbState from "../../components/aws.dynamodb/state.ts";
import kinesisBinding from "../../components/aws.kinesis/bindings.ts";
import parameterStore from "../../components/aws.parameterstore/secretstores.ts";
import s3Binding from "../../components/aws.s3/bindings.ts";
import snsBinding from "../../components/aws.sns/bindings.ts";
import sqsBinding from "../../components/aws.sqs/bindings.ts";
import { type AwsPlace, awsClient, awsSettings, ownAws } from "../support/aws.ts";
import { authority, server as serverPair } from "../support/certificates.ts";
import { startHttpServer } from "../support/http-server.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("moto"));

const openFailed = (message: RegExp) => ({ reason: "openFailed", message: expect.stringMatching(message) });

async function withTable(place: AwsPlace, keys: readonly (readonly [string, "HASH" | "RANGE", "S" | "N"])[]) {
  const create = new CreateTableCommand({
    TableName: "items",
    KeySchema: keys.map(([AttributeName, KeyType]) => ({ AttributeName, KeyType })),
    AttributeDefinitions: keys.map(([AttributeName, , AttributeType]) => ({ AttributeName, AttributeType })),
    BillingMode: "PAY_PER_REQUEST",
  });
  await awsClient(DynamoDBClient, place).send(create);
}

describe("the settings of a component of AWS", () => {
  const settings = {
    region: "eu-west-1",
    endpoint: "http://127.0.0.1:1",
    accessKey: "AKIA",
    secretKey: "5ecret",
    table: "t",
  };

  test.each([
    [{ secretKey: "" }, /^accessKey, secretKey: give both, or neither/],
    [{ accessKey: "", secretKey: "", sessionToken: "t" }, /^sessionToken: it belongs to an accessKey/],
    [
      { trustAnchorArn: "arn:aws:rolesanywhere:x" },
      /^trustAnchorArn, trustProfileArn: IAM Roles Anywhere needs a certificate/,
    ],
    [{ endpoint: "ftp://x" }, /^endpoint: must be an address such as https:/],
    [{}, /^endpoint: nothing listens at http:\/\/127.0.0.1:1; start it/],
    [
      { endpoint: "http://no-such-host.invalid" },
      /^region, endpoint: the name of http:\/\/no-such-host.invalid is not known/,
    ],
    [{ endpoint: "http://127.0.0.1:1", assumeRoleArn: "arn:aws:iam::1:role/r" }, /^endpoint: nothing listens/],
  ])("%j are refused by name", async (more, message) => {
    await expect(openDriver(dynamodbState, { ...settings, ...more })).rejects.toMatchObject(openFailed(message));
  });

  test("a region and credentials must come from somewhere", async () => {
    const empty = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    for (const name of empty) vi.stubEnv(name, "");
    for (const file of ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"]) vi.stubEnv(file, "/nowhere");
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    const none = { accessKey: "", secretKey: "" };
    const noRegion = openDriver(parameterStore, { ...none });
    await expect(noRegion).rejects.toMatchObject(openFailed(/^region: none is given; set it, or AWS_REGION/));
    const noKey = openDriver(parameterStore, { ...none, region: "eu-west-1" });
    await expect(noKey).rejects.toMatchObject(
      openFailed(/^accessKey, secretKey: none are given, and neither environment/),
    );
  });

  test("the environment may give both", async () => {
    vi.stubEnv("AWS_REGION", "eu-west-1");
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIA");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
    await openDriver(parameterStore, {});
  });

  test("mode extended of Kinesis is refused", async () => {
    const opening = openDriver(kinesisBinding, { ...settings, streamName: "s", mode: "extended" });
    await expect(opening).rejects.toMatchObject(openFailed(/^mode: extended needs enhanced fan-out/));
  });

  test("a topic is named by its ARN", async () => {
    const opening = openDriver(snsBinding, { ...settings, topicArn: "orders" });
    await expect(opening).rejects.toMatchObject(openFailed(/^topicArn: must be the ARN of a topic/));
  });

  test("a certificate must be trusted, unless S3 is told otherwise", async () => {
    const endpoint = await startHttpServer(() => ({ status: 200 }), {
      cert: serverPair.certificate,
      key: serverPair.key,
    });
    expect(authority.certificate).toBeDefined();
    const secure = { ...settings, endpoint, bucket: "b", forcePathStyle: true };
    await expect(openDriver(s3Binding, secure)).rejects.toMatchObject(
      openFailed(/^endpoint: the certificate of .* is not trusted/),
    );
    await openDriver(s3Binding, { ...secure, insecureSSL: true });
  });

  test.each([
    ["UnrecognizedClientException", /^accessKey, secretKey: AWS does not know this key; correct them/],
    ["ExpiredTokenException", /^sessionToken: it has expired/],
    [
      "InvalidSignatureException",
      /^secretKey: it does not belong to accessKey; correct it \(InvalidSignatureException\)$/,
    ],
  ])("what AWS says of credentials, %s, names the setting, and nothing secret", async (type, message) => {
    const endpoint = await startHttpServer(() => ({
      status: 400,
      headers: { "content-type": "application/x-amz-json-1.0" },
      body: JSON.stringify({ __type: type, message: "the request is refused" }),
    }));
    const opening = openDriver(dynamodbState, { ...settings, endpoint, sessionToken: "t0ken" });
    const error: unknown = await opening.catch((caught: unknown) => caught);
    expect(error).toMatchObject(openFailed(message));
    const words = inspect(error, { depth: 12, showHidden: true });
    expect(words).not.toContain("5ecret");
    expect(words).not.toContain("t0ken");
  });

  test("without the permission to look a component opens with a warning", async () => {
    const endpoint = await startHttpServer(() => ({
      status: 400,
      headers: { "content-type": "application/x-amz-json-1.0" },
      body: '{"__type":"AccessDeniedException","Message":"User: arn:x is not authorized to perform: dynamodb:DescribeTable"}',
    }));
    const log = new KeptLog();
    const store = await openDriver(dynamodbState, { ...settings, endpoint }, openContext({ log }));
    expect(log.lines.join()).toMatch(/the policy lacks dynamodb:DescribeTable/);
    await expect(store.get("k", {}, {})).rejects.toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(/does not allow it.*not authorized to perform/),
    });
  });
});

describe.skipIf(isMissing)("what a component of AWS needs to be there", () => {
  test.each([
    [
      "table",
      dynamodbState,
      { table: "items" },
      /^table: there is no table items in test-[\w-]+; create it, or correct table or region/,
    ],
    ["table", dynamodbBinding, { table: "items" }, /^table: there is no table items/],
    ["queue", sqsBinding, { queueName: "orders" }, /^queueName: there is no queue orders in test-[\w-]+; create it/],
    [
      "stream",
      kinesisBinding,
      { streamName: "events" },
      /^streamName: there is no stream events in test-[\w-]+; create it/,
    ],
    [
      "bucket",
      s3Binding,
      { bucket: randomUUID(), forcePathStyle: true },
      /^bucket: there is no bucket [\w-]+ in test-/,
    ],
  ])("an absent %s is named", async (_, driver, more, message) => {
    const settings = { ...awsSettings(await ownAws()), ...more };
    const opening = openDriver(driver as typeof dynamodbBinding, settings);
    await expect(opening).rejects.toMatchObject(openFailed(message));
  });

  test.each([
    [
      "another partition key",
      [["id", "HASH", "S"]] as const,
      /^partitionKey: the partition key of items is id, not key; set partitionKey to id/,
    ],
    [
      "a sort key",
      [
        ["key", "HASH", "S"],
        ["at", "RANGE", "N"],
      ] as const,
      /^table: items has the sort key at/,
    ],
    [
      "numbers as keys",
      [["key", "HASH", "N"]] as const,
      /^table: the partition key key of items has type N; it must be text/,
    ],
  ])("a table with %s is no state store", async (_, keys, message) => {
    const place = await ownAws();
    await withTable(place, keys);
    const opening = openDriver(dynamodbState, { ...awsSettings(place), table: "items" });
    await expect(opening).rejects.toMatchObject(openFailed(message));
  });

  test("a table with another partition key does when the component says so", async () => {
    const place = await ownAws();
    await withTable(place, [["id", "HASH", "S"]]);
    const store = await openDriver(dynamodbState, { ...awsSettings(place), table: "items", partitionKey: "id" });
    await store.set("k", Buffer.from("1"), {}, {});
    expect((await store.list({ prefix: "", limit: 10 }, {})).keys).toEqual(["k"]);
  });

  test("a role is taken on for the calls of a component", async () => {
    const place = await ownAws();
    await withTable(place, [["key", "HASH", "S"]]);
    const role = { assumeRoleArn: "arn:aws:iam::123456789012:role/reader", sessionName: "reader" };
    const store = await openDriver(dynamodbState, { ...awsSettings(place), ...role, table: "items" });
    await store.set("k", Buffer.from("1"), {}, {});
    expect(Buffer.from((await store.get("k", {}, {}))?.data ?? []).toString()).toBe("1");
  });

  test("a key that AWS does not know is named", async () => {
    const { settings } = await startServer("moto", { variant: "strict" });
    const bucket = await openDriver(s3Binding, { ...settings, bucket: "files", forcePathStyle: true });
    const topicArn = "arn:aws:sns:us-east-1:123456789012:orders";
    const topic = await openDriver(snsBinding, { ...settings, topicArn });
    for (const binding of [bucket, topic]) {
      const answer = binding.invoke?.({ operation: "create", data: Buffer.from("1"), metadata: {} }, {});
      await expect(answer).rejects.toMatchObject({
        reason: "backendUnavailable",
        message: expect.stringMatching(/accessKey, secretKey: AWS does not know this key; correct them/),
      });
    }
  });
});
