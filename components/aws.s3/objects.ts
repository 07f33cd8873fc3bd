import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import { causeText, fail } from "../../specs/errors.ts";
import { type Client, openClient } from "../aws/client.ts";
import { errorName, type Fixes, isDenied, openFailure } from "../aws/failures.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { presigned, type Signer } from "./presign.ts";
import { fromBase64, type ObjectOptions } from "./request.ts";

export type S3Library = typeof import("@aws-sdk/client-s3");

export interface BucketSettings extends AwsSettings {
  readonly bucket: string;
  readonly forcePathStyle: boolean;
  readonly disableSSL: boolean;
  readonly insecureSSL: boolean;
}

/** What came of a written object. */
export interface Written {
  readonly location: string;
  readonly versionID: string | null;
  readonly presignURL?: string;
}

/** Objects of one bucket. Methods reject with reasons. */
export class Objects {
  readonly client: Client<S3Client>;
  readonly library: S3Library;
  readonly bucket: string;
  readonly #context: OpenContext;

  constructor(client: Client<S3Client>, library: S3Library, bucket: string, context: OpenContext) {
    this.client = client;
    this.library = library;
    this.bucket = bucket;
    this.#context = context;
  }

  /** Rejects with `openFailed` when there is no such bucket. */
  static async open(settings: BucketSettings, context: OpenContext): Promise<Objects> {
    const library = await import("@aws-sdk/client-s3");
    const opening = { service: "S3", plain: settings.disableSSL, insecure: settings.insecureSSL };
    const client = await openClient(
      (options) =>
        new library.S3Client({
          ...options,
          forcePathStyle: settings.forcePathStyle,
          tls: !settings.disableSSL,
          // What else speaks S3 does not know the newer checksums.
          requestChecksumCalculation: "WHEN_REQUIRED",
          responseChecksumValidation: "WHEN_REQUIRED",
        }),
      opening,
      settings,
      context,
    );
    const objects = new Objects(client, library, settings.bucket, context);
    try {
      await objects.#check();
      return objects;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  async #check(): Promise<void> {
    const { client, library, bucket } = this;
    const command = new library.HeadBucketCommand({ Bucket: bucket });
    try {
      await client.ask((s3, options) => s3.send(command, options), { signal: this.#context.signal });
    } catch (error) {
      // Whether the key or the permission is missing, an answer to HEAD does not say.
      if (isDenied(error)) {
        this.#context.log.warn("the bucket cannot be checked: the credentials are wrong, or lack s3:ListBucket", {
          bucket,
        });
        return;
      }
      const missing = `bucket: there is no bucket ${bucket} in ${client.region}; create it, or correct bucket or region`;
      throw openFailure(error, client.asked, { ...fixes, NotFound: missing, NoSuchBucket: missing });
    }
  }

  async write(options: ObjectOptions, data: Buffer, call: Call): Promise<Written> {
    const { client, library, bucket } = this;
    const { key, contentType, tags, storageClass, presignSeconds } = options;
    await using content = await openContent(options, data);
    const command = new library.PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: content.body,
      ContentLength: content.bytes,
      ...(contentType === undefined ? {} : { ContentType: contentType }),
      ...(Object.keys(tags).length === 0 ? {} : { Tagging: new URLSearchParams(tags).toString() }),
      // The service says which classes it has.
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as "STANDARD" }),
    });
    const answer = await client.run((s3, given) => s3.send(command, given), call, fixes);
    return {
      location: await this.#address(key, call),
      versionID: answer.VersionId ?? null,
      ...(presignSeconds === undefined ? {} : { presignURL: await this.presign(key, presignSeconds, call) }),
    };
  }

  /** The bytes of an object; none when they have gone to a file. */
  async read({ key, filePath, encodeBase64 }: ObjectOptions, call: Call): Promise<Buffer | undefined> {
    const { client, library, bucket } = this;
    const command = new library.GetObjectCommand({ Bucket: bucket, Key: key });
    const missing = `key: there is no object ${key} in bucket ${bucket}`;
    return client.run(
      async (s3, given) => {
        const { Body } = await s3.send(command, given).catch((error: unknown) => {
          if (errorName(error) !== "NoSuchKey" && errorName(error) !== "NotFound") throw error;
          throw fail("requestMetadataInvalid", { key: "key", why: missing.slice("key: ".length) }, { cause: error });
        });
        if (Body === undefined) return Buffer.alloc(0);
        if (filePath !== undefined) return writeFile(Body as Readable, filePath, given.abortSignal);
        const bytes = Buffer.from(await Body.transformToByteArray());
        return encodeBase64 ? Buffer.from(bytes.toString("base64")) : bytes;
      },
      call,
      fixes,
    );
  }

  async remove(key: string, call: Call): Promise<void> {
    const command = new this.library.DeleteObjectCommand({ Bucket: this.bucket, Key: key });
    await this.client.run((s3, given) => s3.send(command, given), call, fixes);
  }

  /** An address by which anybody may get an object for so long; whether there is one is not asked. */
  async presign(key: string, seconds: number, call: Call): Promise<string> {
    const url = await this.#address(key, call);
    const signer = await this.client.run((s3): Promise<Signer> => s3.config.credentials(), call);
    return presigned({ url, region: this.client.region, seconds, atMs: this.#context.clock.now() }, signer);
  }

  /** Where an object is, as the library would ask for it: by the bucket's host or path, at the region or the endpoint. */
  async #address(key: string, call: Call): Promise<string> {
    const command = new this.library.GetObjectCommand({ Bucket: this.bucket, Key: key });
    let url = "";
    command.middlewareStack.add(
      () => async (given) => {
        const { protocol, hostname, port, path } = given.request as HttpRequest;
        url = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
        return { response: {}, output: { $metadata: {} } };
      },
      { step: "build", priority: "high" },
    );
    await this.client.run((s3, given) => s3.send(command, given), call, fixes);
    return url;
  }
}

/** The part of the library's request that says where it goes. */
interface HttpRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
}

const elsewhere = "region: the bucket is in another region; correct region";

export const fixes: Fixes = {
  NoSuchBucket: "bucket: it is gone; create it again",
  PermanentRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  301: elsewhere,
  InvalidStorageClass: "storageClass: S3 has no such class; leave it out, or take one such as STANDARD_IA",
  InvalidTag: "tags: S3 does not take them; at most ten, of letters, digits and + - = . _ : / @",
  EntityTooLarge: "the object is larger than S3 takes in one piece, 5 GB",
};

interface Content extends AsyncDisposable {
  readonly body: Buffer | Readable;
  readonly bytes: number;
}

async function openContent({ filePath, decodeBase64 }: ObjectOptions, data: Buffer): Promise<Content> {
  if (filePath === undefined) {
    const body = decodeBase64 ? fromBase64(data) : data;
    return { body, bytes: body.length, [Symbol.asyncDispose]: async () => {} };
  }
  try {
    if (!(await stat(filePath)).isFile()) throw new Error("it is no file");
    const file = await open(filePath);
    const { size } = await file.stat();
    const body = createReadStream(filePath, { fd: file, autoClose: false });
    const close = async () => {
      body.destroy();
      await file.close();
    };
    if (!decodeBase64) return { body, bytes: size, [Symbol.asyncDispose]: close };
    const decoded = fromBase64(await file.readFile().finally(close));
    return { body: decoded, bytes: decoded.length, [Symbol.asyncDispose]: async () => {} };
  } catch (error) {
    throw fileFailure(filePath, "read", error);
  }
}

/** The file is whole or not there. */
async function writeFile(body: Readable, filePath: string, signal: AbortSignal): Promise<undefined> {
  const part = `${filePath}.${randomUUID()}.part`;
  try {
    await pipeline(body, createWriteStream(part), { signal });
    await rename(part, filePath);
  } catch (error) {
    await rm(part, { force: true });
    signal.throwIfAborted();
    throw fileFailure(filePath, "written", error);
  }
}

const fileFailure = (filePath: string, done: string, error: unknown) =>
  fail(
    "requestMetadataInvalid",
    { key: "filePath", why: `${JSON.stringify(filePath)} cannot be ${done}: ${causeText(error)}` },
    { cause: error },
  );
