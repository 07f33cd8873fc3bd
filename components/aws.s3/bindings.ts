import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { awsSettings } from "../aws/settings.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call } from "../contract/driver.ts";
import { flag, requiredText, text } from "../contract/settings.ts";
import { createMany, deleteMany, getMany } from "./many.ts";
import { fixes, Objects } from "./objects.ts";
import { type Defaults, readObject, readOptions, requiredKey, unquoted } from "./request.ts";

const operations = ["create", "get", "delete", "list", "presign", "bulkGet", "bulkCreate", "bulkDelete"] as const;

export default defineBinding({
  type: "bindings.aws.s3",
  status: "beta",
  summary: "Keeps objects in a bucket of S3, or of what speaks as S3 does. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    bucket: requiredText({ description: "Name of the bucket. It must exist.", example: "my-bucket" }),
    forcePathStyle: flag({
      default: false,
      description:
        "Asks for `https://endpoint/bucket/key`, not for `https://bucket.endpoint/key`; most others than AWS need it.",
    }),
    decodeBase64: flag({
      default: false,
      description: "Data is base64, and objects get the bytes that it stands for.",
    }),
    encodeBase64: flag({ default: false, description: "Answers give the bytes of objects as base64." }),
    disableSSL: flag({ default: false, description: "Speaks plain HTTP where endpoint does not say." }),
    insecureSSL: flag({ default: false, description: "Accepts any certificate of the endpoint; for tests only." }),
    storageClass: Type.Optional(
      text({ description: "Storage class of written objects, such as `STANDARD_IA`; default: the bucket's." }),
    ),
  }),
  capabilities: ["output"],
  async open(settings, context) {
    const objects = await Objects.open(settings, context);
    const { decodeBase64, encodeBase64, storageClass = "" } = settings;
    const defaults = { decodeBase64, encodeBase64, storageClass };
    return {
      operations,
      invoke: (request, call) => perform(objects, request, defaults, call),
      close: () => objects.client.close(),
    };
  },
});

async function perform(
  objects: Objects,
  request: BindingRequest,
  defaults: Defaults,
  call: Call,
): Promise<BindingAnswer | undefined> {
  const { operation, data, metadata } = request;
  if (!operations.some((known) => known === operation)) {
    throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
  }
  const options = readOptions(metadata, defaults);
  switch (operation as (typeof operations)[number]) {
    case "create":
      return json(await objects.write({ ...options, key: options.key || randomUUID() }, unquoted(data), call));
    case "get": {
      const bytes = await objects.read({ ...options, key: requiredKey(options, operation) }, call);
      return bytes === undefined ? { metadata: { filePath: options.filePath ?? "" } } : { data: bytes };
    }
    case "delete":
      await objects.remove(requiredKey(options, operation), call);
      return undefined;
    case "list":
      return json(await list(objects, readObject(data, operation), call));
    case "presign": {
      const key = requiredKey(options, operation);
      if (options.presignSeconds === undefined) {
        throw fail("requestMetadataInvalid", { key: "presignTTL", why: "presign needs it, as in 15m" });
      }
      return json({ presignURL: await objects.presign(key, options.presignSeconds, call) });
    }
    case "bulkGet":
      return json(await getMany(objects, readObject(data, operation), defaults, call));
    case "bulkCreate":
      return json(await createMany(objects, readObject(data, operation), defaults, call));
    case "bulkDelete":
      return json(await deleteMany(objects, readObject(data, operation), call));
  }
}

/** One page of keys, in the words of S3. */
async function list(objects: Objects, body: Readonly<Record<string, unknown>>, call: Call): Promise<unknown> {
  const { client, library, bucket } = objects;
  const { maxResults, prefix = "", marker = "", delimiter = "" } = body;
  const command = new library.ListObjectsCommand({
    Bucket: bucket,
    MaxKeys: Number(maxResults) > 0 ? Number(maxResults) : 1000,
    ...(prefix === "" ? {} : { Prefix: String(prefix) }),
    ...(marker === "" ? {} : { Marker: String(marker) }),
    ...(delimiter === "" ? {} : { Delimiter: String(delimiter) }),
  });
  const page = await client.run((s3, options) => s3.send(command, options), call, fixes);
  return {
    CommonPrefixes: page.CommonPrefixes ?? null,
    Contents: page.Contents ?? [],
    Delimiter: page.Delimiter ?? "",
    EncodingType: page.EncodingType ?? null,
    IsTruncated: page.IsTruncated ?? false,
    Marker: page.Marker ?? "",
    MaxKeys: page.MaxKeys ?? 0,
    Name: page.Name ?? bucket,
    NextMarker: page.NextMarker ?? (page.IsTruncated ? page.Contents?.at(-1)?.Key : undefined) ?? null,
    Prefix: page.Prefix ?? "",
  };
}

const json = (value: unknown): BindingAnswer => ({ data: Buffer.from(JSON.stringify(value)) });
