import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { LabelParameterVersionCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { describe, expect, test } from "vitest";
import parameterStore from "../../components/aws.parameterstore/secretstores.ts";
import secretManager from "../../components/aws.secretmanager/secretstores.ts";
import { awsClient, awsReply, awsSettings, awsThrough, operationOf, ownAws } from "../support/aws.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService } from "../support/server.ts";

const isMissing = !(await requireService("moto"));

describe.skipIf(isMissing)("secrets of Secrets Manager", () => {
  const secrets = async (more: object = {}) => {
    const place = await ownAws();
    const client = awsClient(SecretsManagerClient, place);
    return { place, client, open: () => openDriver(secretManager, { ...awsSettings(place), ...more }) };
  };

  test("a version is picked by its id or its stage", async () => {
    const { client, open } = await secrets();
    const { VersionId = "" } = await client.send(new CreateSecretCommand({ Name: "password", SecretString: "old" }));
    await client.send(new PutSecretValueCommand({ SecretId: "password", SecretString: "new" }));
    const store = await open();
    const read = async (metadata: Record<string, string>) => (await store.get("password", metadata, {}))["password"];
    expect(await read({})).toBe("new");
    expect(await read({ version_id: VersionId })).toBe("old");
    expect(await read({ version_stage: "AWSPREVIOUS" })).toBe("old");
    const none = store.get("password", { version_id: "00000000-0000-0000-0000-000000000000" }, {});
    await expect(none).rejects.toMatchObject({ reason: "secretNotFound" });
  });

  test("a JSON object gives a value for each key where it is told to, and bytes are base64", async () => {
    const { client, open } = await secrets({ multipleKeyValuesPerSecret: true });
    const several = '{"user":"me","port":5432,"tls":{"on":true}}';
    await client.send(new CreateSecretCommand({ Name: "several", SecretString: several }));
    await client.send(new CreateSecretCommand({ Name: "plain", SecretString: "[1]" }));
    await client.send(new CreateSecretCommand({ Name: "bytes", SecretBinary: Buffer.from([255, 0]) }));
    const store = await open();
    expect(await store.getAll({}, {})).toEqual({
      several: { user: "me", port: "5432", tls: '{"on":true}' },
      plain: { plain: "[1]" },
      bytes: { bytes: "/wA=" },
    });
  });

  test("all secrets are read over several pages, without those that a policy hides", async () => {
    const { place, client } = await secrets();
    const names = Array.from({ length: 105 }, (_, n) => `s${n}`);
    for (const Name of names) await client.send(new CreateSecretCommand({ Name, SecretString: Name }));
    let reads = 0;
    const through = await awsThrough(place, (request) => {
      if (operationOf(request) !== "GetSecretValue" || ++reads !== 50) return "pass";
      return awsReply({ __type: "AccessDeniedException", Message: "no" }, 400);
    });
    const store = await openDriver(secretManager, awsSettings(through));
    const all = await store.getAll({}, {});
    expect(Object.keys(all)).toHaveLength(104);
    expect(all["s7"] ?? all["s8"]).toBeDefined();
  });
});

describe.skipIf(isMissing)("secrets of the Parameter Store", () => {
  const parameters = async () => {
    const place = await ownAws();
    const client = awsClient(SSMClient, place);
    const put = (Name: string, Value: string) =>
      client.send(new PutParameterCommand({ Name, Value, Type: "SecureString", Overwrite: true }));
    return { place, client, put };
  };

  test("a version is picked by its number or its label", async () => {
    const { place, client, put } = await parameters();
    for (const value of ["one", "two"]) await put("password", value);
    await client.send(new LabelParameterVersionCommand({ Name: "password", ParameterVersion: 1, Labels: ["first"] }));
    const store = await openDriver(parameterStore, awsSettings(place));
    const read = async (version_id: string) => (await store.get("password", { version_id }, {}))["password"];
    expect([await read(""), await read("1"), await read("first")]).toEqual(["two", "one", "one"]);
    await expect(read("9")).rejects.toMatchObject({ reason: "secretNotFound", params: { name: "password" } });
  });

  test("the prefix is put before every name, and nothing else is seen", async () => {
    const { place, put } = await parameters();
    await Promise.all([put("/app/db/password", "1"), put("/app/key", "2"), put("/apple", "3"), put("other", "4")]);
    const store = await openDriver(parameterStore, { ...awsSettings(place), prefix: "/app/" });
    expect(await store.get("db/password", {}, {})).toEqual({ "db/password": "1" });
    expect(await store.getAll({}, {})).toEqual({ "db/password": { "db/password": "1" }, key: { key: "2" } });
  });

  test("all parameters are read over several pages, without those that a policy hides", async () => {
    const { place, put } = await parameters();
    const names = Array.from({ length: 60 }, (_, n) => `/many/p${String(n).padStart(2, "0")}`);
    for (const name of names) await put(name, name);
    let [batches, singles] = [0, 0];
    const denied = awsReply({ __type: "AccessDeniedException", Message: "no" }, 400);
    const through = await awsThrough(place, (request) => {
      if (operationOf(request) === "GetParameters" && ++batches === 1) return denied;
      return operationOf(request) === "GetParameter" && ++singles === 1 ? denied : "pass";
    });
    const store = await openDriver(parameterStore, { ...awsSettings(through), prefix: "/many/" });
    expect(Object.keys(await store.getAll({}, {}))).toHaveLength(59);
    expect([batches, singles]).toEqual([6, 10]);
  });
});
