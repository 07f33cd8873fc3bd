import { fail, type MechaError } from "../../specs/errors.ts";
import {
  type BulkStateItem,
  type GetResponse,
  QueriableStateStore,
  StateStore as Service,
  TransactionalStateStore,
  TransactionalStoreMultiMaxSize,
} from "../../specs/gen/dapr/proto/components/v1/state_pb.js";
import type { OpenedByKind } from "../contract/any-driver.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { GetOptions, StateEntry, StateOperation, WriteOptions } from "../contract/state.ts";
import { etagRefusal } from "./failures.ts";
import type { Link } from "./link.ts";
import {
  featuresOf,
  isUnimplemented,
  openProcess,
  orUnimplemented,
  type Pairs,
  type Process,
  ping,
} from "./process.ts";
import { consistencyOf, deleteRequest, operationRequest, setRequest } from "./state-messages.ts";
import { listByQuery, queryPage } from "./state-query.ts";

/** Opens a state store in a process of its own. */
export async function openStateStore(
  type: string,
  path: string,
  pairs: Pairs,
  context: OpenContext,
): Promise<OpenedByKind["state"]> {
  const wanted = [{ service: Service, init: Service.method.init }];
  const process = await openProcess({ type, path, pairs, wanted, context });
  try {
    return await storeOf(process, context);
  } catch (error) {
    await process.link.close();
    throw error;
  }
}

async function storeOf({ link, has }: Process, call: Call): Promise<OpenedByKind["state"]> {
  const features = await featuresOf(link, Service.method.features, call);
  const canTransact = has(TransactionalStateStore) && features.has("TRANSACTIONAL");
  const canQuery = has(QueriableStateStore);
  const reading = new Reading(link, features.has("ETAG"));
  const capabilities = [
    ...(features.has("ETAG") ? ["etag"] : []),
    ...(features.has("TTL") ? ["ttl"] : []),
    ...(canTransact ? ["transaction"] : []),
    "bulkGet",
    ...(canQuery ? ["query"] : []),
  ];
  return {
    capabilities,
    get: (key, options, call) => reading.get(key, options, call),
    getMany: (keys, options, call) => reading.getMany(keys, options, call),
    async set(key, data, options, call) {
      const refusal = refusalOf(key, isConditional(options));
      await link.call(Service.method.set, setRequest(key, data, options), call, { refusal });
    },
    async delete(key, options, call) {
      const refusal = refusalOf(key, isConditional(options));
      await link.call(Service.method.delete, deleteRequest(key, options), call, { refusal });
    },
    ...(canTransact ? await transactions(link, has(TransactionalStoreMultiMaxSize), call) : {}),
    ...(canQuery ? { query: (request, call) => queryPage(link, request, call) } : {}),
    list: (request, call) => {
      if (canQuery) return listByQuery(link, request, call);
      const what = `listing the keys of ${link.name}, whose process offers no QueriableStateStore,`;
      return Promise.reject(fail("unimplemented", { what }));
    },
    ping: (call) => ping(link, Service.method.ping, call),
    close: () => link.close(),
  };
}

async function transactions(link: Link, hasLimit: boolean, opening: Call) {
  const { multiMaxSize } = TransactionalStoreMultiMaxSize.method;
  const answer = hasLimit ? await orUnimplemented(link.call(multiMaxSize, {}, opening), undefined) : undefined;
  const limit = Number(answer?.maxSize ?? 0);
  return {
    async transact(operations: readonly StateOperation[], call: Call): Promise<void> {
      if (operations.length === 0) return;
      const conditional = operations.filter(({ options }) => isConditional(options));
      const refusal = refusalOf(conditional.map(({ key }) => key).join(", "), conditional.length > 0);
      const request = { operations: operations.map(operationRequest) };
      await link.call(TransactionalStateStore.method.transact, request, call, { refusal });
    },
    ...(limit > 0 ? { maxOperations: limit } : {}),
  };
}

const isConditional = ({ etag, concurrency }: WriteOptions) => etag !== undefined || concurrency === "first-write";

const refusalOf =
  (key: string, isConditionalCall: boolean) =>
  (error: unknown): MechaError | undefined => {
    const reason = etagRefusal(error, isConditionalCall);
    return reason && fail(reason, { key }, { cause: error });
  };

/** Reads of single keys and of many. */
class Reading {
  readonly #link: Link;
  readonly #hasEtags: boolean;
  #hasBulk = true;

  constructor(link: Link, hasEtags: boolean) {
    this.#link = link;
    this.#hasEtags = hasEtags;
  }

  async get(key: string, options: GetOptions, call: Call): Promise<StateEntry | undefined> {
    const answer = await this.#link.call(Service.method.get, getRequest(key, options), call, { again: true });
    return this.#entry(answer);
  }

  async getMany(
    keys: readonly string[],
    options: GetOptions,
    call: Call,
  ): Promise<readonly (StateEntry | undefined)[]> {
    if (keys.length === 0) return [];
    if (this.#hasBulk) {
      try {
        return await this.#getBulk(keys, options, call);
      } catch (error) {
        if (!isUnimplemented(error)) throw error;
        this.#hasBulk = false;
      }
    }
    return Promise.all(keys.map((key) => this.get(key, options, call)));
  }

  async #getBulk(keys: readonly string[], options: GetOptions, call: Call) {
    const request = { items: [...new Set(keys)].map((key) => getRequest(key, options)) };
    const { items } = await this.#link.call(Service.method.bulkGet, request, call, { again: true });
    const failed = items.find(({ error }) => error !== "");
    if (failed) throw new Error(`${failed.key}: ${failed.error}`);
    const found = new Map(items.map((item) => [item.key, this.#entry(item)]));
    return keys.map((key) => found.get(key));
  }

  /** An absent key has neither data nor etag; a store without etags cannot tell it from a value without bytes. */
  #entry({ data, etag, metadata }: GetResponse | BulkStateItem): StateEntry | undefined {
    if (data.length === 0 && !etag?.value) return undefined;
    const end = Date.parse(metadata["ttlExpireTime"] ?? "");
    return {
      data,
      ...(this.#hasEtags && etag?.value ? { etag: etag.value } : {}),
      ...(Number.isNaN(end) ? {} : { expiresAt: end }),
    };
  }
}

const getRequest = (key: string, { consistency, metadata }: GetOptions) => ({
  key,
  consistency: consistencyOf(consistency),
  metadata: { ...metadata },
});
