import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  CreateBucketCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import s3 from "../../components/aws.s3/bindings.ts";
import { awsClient, awsSettings, ownAws } from "../support/aws.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { tempFolder } from "../support/temp-folder.ts";

const isMissing = !(await requireService("moto"));

async function bucket(more: object = {}) {
  const place = await ownAws();
  // The names of buckets are those of all regions.
  const name = `files-${randomUUID()}`;
  const client = awsClient(S3Client, place);
  await client.send(new CreateBucketCommand({ Bucket: name }));
  const binding = await openDriver(s3, { ...awsSettings(place), bucket: name, forcePathStyle: true, ...more });
  const ask = async (operation: string, data: string | object, metadata: Record<string, string> = {}) => {
    const bytes = Buffer.from(typeof data === "string" ? data : JSON.stringify(data));
    return binding.invoke?.({ operation, data: bytes, metadata }, {});
  };
  const textOf = async (...request: Parameters<typeof ask>) =>
    Buffer.from((await ask(...request))?.data ?? []).toString();
  const jsonOf = async (...request: Parameters<typeof ask>) => JSON.parse(await textOf(...request));
  return { place, name, client, ask, textOf, jsonOf };
}

describe.skipIf(isMissing)("objects in S3", () => {
  test("an object is written, read, listed and deleted", async () => {
    const { place, name, ask, textOf, jsonOf } = await bucket();
    const created = await jsonOf("create", '"hello"', { key: "a/b c.txt" });
    expect(created).toEqual({ location: `${place.endpoint}/${name}/a/b%20c.txt`, versionID: null });
    expect(await textOf("get", "", { key: "a/b c.txt" })).toBe("hello");
    expect(await jsonOf("list", "")).toMatchObject({
      CommonPrefixes: null,
      Contents: [
        {
          Key: "a/b c.txt",
          Size: 5,
          ETag: expect.any(String),
          LastModified: expect.any(String),
          StorageClass: "STANDARD",
        },
      ],
      IsTruncated: false,
      MaxKeys: 1000,
      Name: name,
      NextMarker: null,
      Prefix: "",
    });
    expect(await ask("delete", "", { key: "a/b c.txt" })).toBeUndefined();
    await expect(ask("get", "", { key: "a/b c.txt" })).rejects.toMatchObject({
      reason: "requestMetadataInvalid",
      message: `metadata key: there is no object a/b c.txt in bucket ${name}`,
    });
  });

  test("an object without a key gets one, and without a name nothing is read", async () => {
    const { ask, jsonOf } = await bucket();
    expect((await jsonOf("create", "1")).location).toMatch(/\/[0-9a-f]{8}-[0-9a-f-]{27}$/);
    for (const operation of ["get", "delete", "presign"]) {
      await expect(ask(operation, "")).rejects.toThrow(`metadata key: ${operation} needs the key of an object`);
    }
  });

  test("bytes go in and out as base64 where they are told to, by component or by request", async () => {
    const { ask, textOf } = await bucket({ decodeBase64: true, encodeBase64: true });
    const bytes = Buffer.from([0, 255, 1]);
    await ask("create", bytes.toString("base64"), { key: "b" });
    expect(await textOf("get", "", { key: "b" })).toBe(bytes.toString("base64"));
    const plain = await ask("get", "", { key: "b", encodeBase64: "false" });
    expect(plain?.data && Buffer.compare(plain.data, bytes)).toBe(0);
    await expect(ask("create", "no base64!", { key: "c" })).rejects.toThrow(
      /decodeBase64 is set and the data is not base64/,
    );
  });

  test("files of this machine are sent and received", async () => {
    const { ask } = await bucket();
    const folder = tempFolder({ "in.bin": "x".repeat(3 << 20) });
    await ask("create", "", { key: "f", filePath: join(folder, "in.bin") });
    const out = join(folder, "out.bin");
    expect(await ask("get", "", { key: "f", filePath: out })).toEqual({ metadata: { filePath: out } });
    expect(readFileSync(out, "utf8")).toBe("x".repeat(3 << 20));
    await expect(ask("create", "", { filePath: join(folder, "none") })).rejects.toThrow(
      /metadata filePath: ".*none" cannot be read: ENOENT/,
    );
    await expect(ask("create", "", { filePath: folder })).rejects.toThrow(/cannot be read: it is no file/);
    await expect(ask("get", "", { key: "f", filePath: join(folder, "no/where") })).rejects.toThrow(
      /cannot be written: ENOENT/,
    );
    expect(readdirSync(folder).sort()).toEqual(["in.bin", "out.bin"]);
  });

  test("type, tags, storage class and version of an object are kept", async () => {
    const { name, client, jsonOf } = await bucket({ storageClass: "STANDARD_IA" });
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
    const metadata = { key: "k", contentType: "text/csv", tags: "env=test,owner=me @ you" };
    const { versionID } = await jsonOf("create", "1", metadata);
    expect(versionID).toEqual(expect.any(String));
    const head = await client.send(new HeadObjectCommand({ Bucket: name, Key: "k" }));
    expect(head).toMatchObject({ ContentType: "text/csv", StorageClass: "STANDARD_IA", VersionId: versionID });
    const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket: name, Key: "k" }));
    expect(TagSet).toEqual([
      { Key: "env", Value: "test" },
      { Key: "owner", Value: "me @ you" },
    ]);
  });

  test("a presigned address gives the object to anybody", async () => {
    const { jsonOf } = await bucket();
    const { presignURL } = await jsonOf("create", "hello", { key: "ä b", presignTTL: "15m" });
    expect(await (await fetch(presignURL)).text()).toBe("hello");
    const again = await jsonOf("presign", "", { key: "ä b", presignTTL: "1h" });
    expect(new URL(again.presignURL).searchParams.get("X-Amz-Expires")).toBe("3600");
    expect(await (await fetch(again.presignURL)).text()).toBe("hello");
  });

  test("a list comes in pages, by prefix and by folder", async () => {
    const { ask, jsonOf } = await bucket();
    for (const key of ["a/1", "a/2", "b/1", "c"]) await ask("create", "1", { key });
    const keys = ({ Contents }: { Contents: { Key: string }[] }) => Contents.map(({ Key }) => Key);
    const first = await jsonOf("list", { maxResults: 2 });
    expect([keys(first), first.IsTruncated, first.NextMarker]).toEqual([["a/1", "a/2"], true, expect.any(String)]);
    expect(keys(await jsonOf("list", { marker: "a/2" }))).toEqual(["b/1", "c"]);
    expect(keys(await jsonOf("list", { prefix: "a/" }))).toEqual(["a/1", "a/2"]);
    const folders = await jsonOf("list", { delimiter: "/" });
    expect([keys(folders), folders.CommonPrefixes]).toEqual([["c"], [{ Prefix: "a/" }, { Prefix: "b/" }]]);
    await expect(ask("list", "[]")).rejects.toThrow(/the data of list must be a JSON object/);
  });

  test("several objects are written, read and deleted at once, each with its own outcome", async () => {
    const { ask, jsonOf } = await bucket();
    const filePath = join(tempFolder(), "out");
    const items = [
      { key: "a", data: "1" },
      { data: { n: 2 }, contentType: "application/json" },
      { key: "c", filePath: "/no/where" },
    ];
    const created = await jsonOf("bulkCreate", { items, concurrency: 2 });
    expect(created).toMatchObject([
      { key: "a", location: expect.any(String) },
      { location: expect.any(String) },
      { key: "c", error: expect.stringMatching(/ENOENT/) },
    ]);
    const wanted = [{ key: "a" }, { key: created[1].key }, { key: "a", filePath }, { key: "none" }];
    expect(await jsonOf("bulkGet", { items: wanted })).toEqual([
      { key: "a", data: "1" },
      { key: created[1].key, data: '{"n":2}' },
      { key: "a", filePath },
      { key: "none", error: expect.stringMatching(/there is no object none/) },
    ]);
    expect(readFileSync(filePath, "utf8")).toBe("1");
    expect(await jsonOf("bulkDelete", { keys: ["a", "none"] })).toEqual([{ key: "a" }, { key: "none" }]);
    expect((await jsonOf("list", "")).Contents).toHaveLength(1);
    for (const [operation, body] of [
      ["bulkGet", {}],
      ["bulkCreate", { items: "a" }],
      ["bulkDelete", { keys: [] }],
    ] as const) {
      await expect(ask(operation, body)).rejects.toMatchObject({ reason: "badRequest" });
    }
  });

  test("more than a thousand objects are deleted at once", async () => {
    const { jsonOf } = await bucket();
    const keys = Array.from({ length: 1001 }, (_, n) => `k${n}`);
    await jsonOf("create", "1", { key: "k1000" });
    expect(await jsonOf("bulkDelete", { keys })).toEqual(keys.map((key) => ({ key })));
    expect((await jsonOf("list", "")).Contents).toEqual([]);
  });

  test("a large object is not held up for ever by a connection that falls silent", async () => {
    const { place, name } = await bucket();
    const proxy = await startTcpProxy((await startServer("moto")).port);
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    const through = await openDriver(s3, {
      ...awsSettings({ ...place, endpoint }),
      bucket: name,
      forcePathStyle: true,
    });
    proxy.hold(true);
    const leaving = new AbortController();
    const file = join(tempFolder({ file: "x".repeat(8 << 20) }), "file");
    const request = { operation: "create", data: Buffer.alloc(0), metadata: { key: "f", filePath: file } };
    const writing = through.invoke?.(request, { signal: leaving.signal });
    leaving.abort(new Error("left"));
    await expect(writing).rejects.toThrow("left");
    proxy.hold(false);
  });
});
