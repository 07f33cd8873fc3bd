import { create } from "@bufbuild/protobuf";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { StateItemSchema } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { decodeText } from "../../kernel/json.ts";
import { type AnyMethod, type HttpInput, method } from "../../kernel/method.ts";
import { embedded, jsonObject, parseConcurrency, parseConsistency, parseItems, parseTransaction } from "./http.ts";
import type { Outbox } from "./outbox.ts";
import { parseQuery } from "./query.ts";
import { readMany, readOne } from "./reads.ts";
import { appKey, type Store, type Stores } from "./stores.ts";
import { commit } from "./transaction.ts";
import { deleteOperation, type Item, setOperation, writeFailure } from "./writes.ts";

const store = "/v1.0/state/:storeName";
const named = (http: HttpInput) => http.params["storeName"] ?? "";

/** The methods of the state API. */
export function stateMethods(stores: Stores, outbox: Outbox | undefined): readonly AnyMethod[] {
  return [
    getState(stores),
    getBulkState(stores),
    saveState(stores),
    deleteState(stores),
    deleteBulkState(stores),
    executeTransaction(stores, outbox),
    queryState(stores),
    listState(stores),
  ];
}

const getState = (stores: Stores) =>
  method(
    Dapr.method.getState,
    "state",
    {
      verbs: ["GET"],
      paths: [`${store}/:key`],
      input: (http) => ({
        storeName: named(http),
        key: http.params["key"] ?? "",
        consistency: parseConsistency(http.query("consistency")),
        metadata: http.metadata,
      }),
      output: ({ data, etag, metadata }) => {
        if (!data) return { status: 204 };
        const headers: Record<string, string> = {};
        if (etag) headers["etag"] = etag;
        for (const [key, value] of Object.entries(metadata ?? {})) headers[`metadata.${key}`] = value;
        return { status: 200, headers, body: data };
      },
    },
    async (input, request) => {
      const entry = await readOne(stores.require(input.storeName), input.key, input, request);
      return entry ?? {};
    },
  );

const getBulkState = (stores: Stores) =>
  method(
    Dapr.method.getBulkState,
    "state",
    {
      verbs: ["POST", "PUT"],
      paths: [`${store}/bulk`],
      output: ({ items }) => ({
        status: 200,
        body: `[${(items ?? [])
          .map(({ key, data, etag, metadata, error }) =>
            jsonObject({
              key: JSON.stringify(key),
              data: data?.length ? embedded(data) : undefined,
              etag: etag ? JSON.stringify(etag) : undefined,
              metadata: metadata && Object.keys(metadata).length > 0 ? JSON.stringify(metadata) : undefined,
              error: error ? JSON.stringify(error) : undefined,
            }),
          )
          .join(",")}]`,
      }),
    },
    async (input, request) => {
      const items = await readMany(stores.require(input.storeName), input.keys, input, request);
      return { items: [...items] };
    },
  );

const saveState = (stores: Stores) =>
  method(
    Dapr.method.saveState,
    "state",
    {
      verbs: ["POST", "PUT"],
      paths: [store],
      input: (http) => ({ storeName: named(http), states: parseItems(http.body, http.metadata) }),
      status: 204,
    },
    async (input, request) => {
      const target = stores.require(input.storeName);
      // Everything is checked before the first effect.
      const operations = input.states.map((item) => setOperation(target, item));
      await Promise.all(
        operations.map(({ key, data, options }) =>
          target.opened.set(key, data, options, request).catch((error: unknown) => {
            throw writeFailure(target, "save", appKey(target, key), error);
          }),
        ),
      );
      return {};
    },
  );

async function deleteOne(target: Store, item: Item, request: { signal?: AbortSignal }): Promise<void> {
  const { key, options } = deleteOperation(target, item);
  try {
    await target.opened.delete(key, options, request);
  } catch (error) {
    throw writeFailure(target, "delete", item.key, error);
  }
}

const deleteState = (stores: Stores) =>
  method(
    Dapr.method.deleteState,
    "state",
    {
      verbs: ["DELETE"],
      paths: [`${store}/:key`],
      input: (http) => {
        const etag = http.headers["if-match"];
        return {
          storeName: named(http),
          key: http.params["key"] ?? "",
          ...(etag === undefined ? {} : { etag: { value: String(etag) } }),
          options: {
            concurrency: parseConcurrency(http.query("concurrency")),
            consistency: parseConsistency(http.query("consistency")),
          },
          metadata: http.metadata,
        };
      },
      status: 204,
    },
    async (input, request) => {
      const { key, etag, options, metadata } = input;
      await deleteOne(
        stores.require(input.storeName),
        create(StateItemSchema, { key, etag, options, metadata }),
        request,
      );
      return {};
    },
  );

const deleteBulkState = (stores: Stores) =>
  method(Dapr.method.deleteBulkState, "state", undefined, async (input, request) => {
    const target = stores.require(input.storeName);
    for (const item of input.states) deleteOperation(target, item);
    try {
      await Promise.all(input.states.map((item) => deleteOne(target, item, request)));
    } catch (error) {
      if (error instanceof MechaError && error.reason !== "stateDelete") throw error;
      throw fail("stateBulkDelete", { name: target.name, cause: causeText(error) }, { cause: error });
    }
    return {};
  });

const executeTransaction = (stores: Stores, outbox: Outbox | undefined) =>
  method(
    Dapr.method.executeStateTransaction,
    "state",
    {
      verbs: ["POST", "PUT"],
      paths: [`${store}/transaction`],
      input: (http) => {
        const { operations, metadata } = parseTransaction(http.body);
        return { storeName: named(http), operations, metadata: { ...metadata, ...http.metadata } };
      },
      status: 204,
    },
    async (input, request) => {
      await commit(stores.require(input.storeName), input.operations, input.metadata, outbox, request);
      return {};
    },
  );

const queryState = (stores: Stores) =>
  method(
    Dapr.method.queryStateAlpha1,
    "state",
    {
      verbs: ["POST", "PUT"],
      paths: ["/v1.0-alpha1/state/:storeName/query"],
      input: (http) => ({
        storeName: named(http),
        query: decodeText(http.body, "the query"),
        metadata: http.metadata,
      }),
      output: ({ results, token, metadata }) => {
        if (!results?.length) return { status: 204 };
        const items = results.map(({ key, data, etag }) =>
          jsonObject({
            key: JSON.stringify(key),
            data: data && embedded(data),
            etag: etag ? JSON.stringify(etag) : undefined,
          }),
        );
        const extra = metadata && Object.keys(metadata).length > 0 ? JSON.stringify(metadata) : undefined;
        return {
          status: 200,
          body: jsonObject({
            results: `[${items.join(",")}]`,
            token: token ? JSON.stringify(token) : undefined,
            metadata: extra,
          }),
        };
      },
    },
    async (input, request) => {
      const target = stores.require(input.storeName);
      const { name, opened, prefix, cipher } = target;
      if (!opened.query || cipher) throw fail("stateQueryUnsupported", { name });
      const query = parseQuery(input.query);
      try {
        const page = await opened.query({ ...query, prefix, metadata: input.metadata }, request);
        return {
          results: page.entries.map(({ key, data, etag }) => ({ key: appKey(target, key), data, etag: etag ?? "" })),
          token: page.token ?? "",
        };
      } catch (error) {
        throw fail("stateQuery", { name, cause: causeText(error) }, { cause: error });
      }
    },
  );

const defaultPage = 100;
const largestPage = 1000;

const listState = (stores: Stores) =>
  method(
    Mecha.method.listState,
    "state",
    {
      verbs: ["GET"],
      paths: [store],
      input: (http) => {
        const limit = Number(http.query("limit") ?? defaultPage);
        if (!Number.isInteger(limit))
          throw fail("badRequest", { why: "query parameter limit must be a whole number, 1 to 1000" });
        return {
          storeName: named(http),
          prefix: http.query("prefix") ?? "",
          cursor: http.query("cursor") ?? "",
          limit,
        };
      },
      output: ({ keys, cursor }) => ({
        status: 200,
        body: JSON.stringify({ keys: keys ?? [], ...(cursor ? { cursor } : {}) }),
      }),
    },
    async (input, request) => {
      const target = stores.require(input.storeName);
      const limit = input.limit || defaultPage;
      if (limit < 1 || limit > largestPage)
        throw fail("badRequest", { why: `limit must be 1 to ${largestPage}, got ${limit}` });
      try {
        const page = await target.opened.list(
          { prefix: target.prefix + input.prefix, cursor: input.cursor || undefined, limit },
          request,
        );
        return { keys: page.keys.map((key) => appKey(target, key)), cursor: page.cursor ?? "" };
      } catch (error) {
        if (error instanceof MechaError && error.row.code === "invalid_argument") throw error;
        throw fail("stateList", { name: target.name, cause: causeText(error) }, { cause: error });
      }
    },
  );
