import { Type } from "typebox";
import type { Call } from "../contract/driver.ts";
import { QueryEvaluation } from "../contract/query.ts";
import { integer, text } from "../contract/settings.ts";
import {
  defineStateStore,
  type ListPage,
  type ListRequest,
  type QueryPage,
  type QueryRequest,
  type StateEntry,
  type StateOperation,
} from "../contract/state.ts";
import { type Client, openClient } from "./client.ts";
import { FirstKeys, scanKeys } from "./keys.ts";
import { connectionSettings, unusedStreamSettings } from "./settings.ts";
import { readScript } from "./state-scripts.ts";
import { StateWrites } from "./state-writes.ts";

export default defineStateStore({
  type: "state.redis",
  status: "beta",
  summary: "Keeps values in Redis, in the layout that other sidecars read: one server, a cluster, or behind sentinels.",
  metadata: Type.Object({
    ...connectionSettings({ redisMinRetryInterval: 2000, redisMaxRetryInterval: 2000 }),
    ...unusedStreamSettings,
    ttlInSeconds: Type.Optional(
      integer({ description: "Time to live of values whose request names none; 0 or less: they do not end." }),
    ),
    queryIndexes: Type.Optional(
      text({ description: "No effect: the sidecar reads and compares the values itself, which needs no module." }),
    ),
  }),
  capabilities: ["etag", "ttl", "transaction", "bulkGet", "query"],
  async open(settings, context) {
    const client = await openClient(settings, context);
    const writes = new StateWrites(client, settings.ttlInSeconds ?? 0, context);
    const write = (operation: StateOperation, call: Call) => writes.apply([operation], call);
    return {
      get: (key, _options, call) => read(client, key, call),
      set: (key, data, options, call) => write({ kind: "set", key, data, options }, call),
      delete: (key, options, call) => write({ kind: "delete", key, options }, call),
      transact: (operations, call) => writes.apply(operations, call),
      getMany: (keys, _options, call) => Promise.all(keys.map((key) => read(client, key, call))),
      list: (request, call) => list(client, request, call),
      query: (request, call) => query(client, request, call),
      ping: (call) => client.ping(call),
      async close() {
        await writes.close();
        await client.close();
      },
    };
  },
});

type Found = readonly [data: Buffer, version: Buffer | null, endsAt: number, kind: Buffer] | null;

async function read(client: Client, key: string, call: Call): Promise<StateEntry | undefined> {
  const found = (await client.run(readScript, [key], [], call)) as Found;
  if (!found) return undefined;
  const [bytes, version, endsAt, kind] = found;
  const { data, etag } = kind.toString() === "json" ? fromDocument(bytes) : { data: bytes, etag: version?.toString() };
  return { data, etag, ...(endsAt >= 0 ? { expiresAt: endsAt } : {}) };
}

function fromDocument(bytes: Buffer): { readonly data: Buffer; readonly etag: string | undefined } {
  const document = JSON.parse(bytes.toString()) as { readonly data?: unknown; readonly version?: unknown };
  return {
    data: Buffer.from(JSON.stringify(document.data ?? null)),
    etag: document.version === undefined ? undefined : String(document.version),
  };
}

/** Every page looks at all keys of the database, because Redis keeps them in no order. */
async function list(client: Client, { prefix, cursor, limit }: ListRequest, call: Call): Promise<ListPage> {
  const first = new FirstKeys(limit + 1, cursor);
  for await (const keys of scanKeys(client, prefix, call)) first.offer(keys);
  const keys = first.take();
  if (keys.length <= limit) return { keys };
  const page = keys.slice(0, limit);
  return { keys: page, cursor: page.at(-1) };
}

/** So many values are read and compared before other work gets its turn. */
const slice = 500;

async function query(client: Client, request: QueryRequest, call: Call): Promise<QueryPage> {
  const evaluation = new QueryEvaluation(request);
  const candidates = new FirstKeys(Number.POSITIVE_INFINITY, evaluation.after);
  for await (const keys of scanKeys(client, request.prefix, call)) candidates.offer(keys);
  const keys = candidates.take();
  for (let at = 0; at < keys.length; at += slice) {
    const some = keys.slice(at, at + slice);
    const entries = await Promise.all(some.map((key) => read(client, key, call)));
    const isOpen = some.every((key, index) => {
      const entry = entries[index];
      return entry === undefined || evaluation.offer({ key, data: entry.data, etag: entry.etag });
    });
    if (!isOpen) break;
    call.signal?.throwIfAborted();
  }
  return evaluation.page();
}
