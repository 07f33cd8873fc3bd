import { isUtf8 } from "node:buffer";
import { randomUUID } from "node:crypto";
import { causeText, fail } from "../../specs/errors.ts";
import { fewAtOnce } from "../aws/few-at-once.ts";
import type { Call } from "../contract/driver.ts";
import { fixes, type Objects } from "./objects.ts";
import { type Defaults, type ObjectOptions, readOptions, requiredKey } from "./request.ts";

type Body = Readonly<Record<string, unknown>>;

/** What came of one object of several. */
interface Outcome {
  readonly key: string;
  readonly error?: string;
}

const defaultConcurrency = 10;
/** So many objects S3 deletes at once. */
const deletedTogether = 1000;

/** Gets several objects, `{items: [{key, filePath?}], concurrency?}`: one outcome for each, with its text or its file. */
export function getMany(objects: Objects, body: Body, defaults: Defaults, call: Call): Promise<readonly Outcome[]> {
  return each(body, "bulkGet", defaults, call, async (options) => {
    const key = requiredKey(options, "bulkGet");
    const bytes = await objects.read(options, call);
    if (bytes === undefined) return { key, filePath: options.filePath };
    if (!isUtf8(bytes)) throw fail("badRequest", { why: "the object is no text; set encodeBase64" });
    return { key, data: bytes.toString() };
  });
}

/** Writes several objects, `{items: [{key?, data?, filePath?, contentType?, ...}], concurrency?}`: one outcome for each. */
export function createMany(objects: Objects, body: Body, defaults: Defaults, call: Call): Promise<readonly Outcome[]> {
  return each(body, "bulkCreate", defaults, call, async (options, { data = "" }) => {
    const key = options.key || randomUUID();
    const text = typeof data === "string" ? data : JSON.stringify(data);
    return { key, ...(await objects.write({ ...options, key }, Buffer.from(text), call)) };
  });
}

/** Deletes several objects, `{keys: [...]}`: one outcome for each. */
export async function deleteMany(objects: Objects, { keys }: Body, call: Call): Promise<readonly Outcome[]> {
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every((key) => typeof key === "string" && key !== "")) {
    throw fail("badRequest", { why: 'bulkDelete needs the keys of objects, as in {"keys": ["a.txt", "b.txt"]}' });
  }
  const { client, library, bucket } = objects;
  const errors = new Map<string, string>();
  for (let at = 0; at < keys.length; at += deletedTogether) {
    const some = (keys as string[]).slice(at, at + deletedTogether);
    const command = new library.DeleteObjectsCommand({
      Bucket: bucket,
      Delete: { Objects: some.map((key) => ({ Key: key })), Quiet: true },
    });
    const { Errors = [] } = await client.run((s3, options) => s3.send(command, options), call, fixes);
    for (const { Key = "", Code = "", Message = "" } of Errors) errors.set(Key, `${Code}: ${Message}`);
  }
  return (keys as string[]).map((key) => {
    const error = errors.get(key);
    return error === undefined ? { key } : { key, error };
  });
}

/** One that fails says so and leaves the others alone. */
function each(
  { items, concurrency = defaultConcurrency }: Body,
  operation: string,
  defaults: Defaults,
  call: Call,
  work: (options: ObjectOptions, item: Body) => Promise<Outcome>,
): Promise<readonly Outcome[]> {
  if (
    !Array.isArray(items) ||
    items.length === 0 ||
    !items.every((item) => typeof item === "object" && item !== null)
  ) {
    throw fail("badRequest", { why: `${operation} needs a list of objects, as in {"items": [{"key": "a.txt"}]}` });
  }
  if (!Number.isInteger(concurrency) || Number(concurrency) < 1) {
    throw fail("badRequest", { why: `concurrency must be a whole number over 0, got ${JSON.stringify(concurrency)}` });
  }
  return fewAtOnce(items as Body[], Number(concurrency), async (item) => {
    try {
      call.signal?.throwIfAborted();
      return await work(readOptions(toTexts(item), defaults), item);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      return { key: typeof item["key"] === "string" ? item["key"] : "", error: causeText(error) };
    }
  });
}

const toTexts = (item: Body): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(item).map(([name, value]) => [name, typeof value === "string" ? value : String(value)]),
  );
