import {
  QueriableStateStore,
  type QueryItem,
  Sorting_Order,
} from "../../specs/gen/dapr/proto/components/v1/state_pb.js";
import { compareBytes } from "../contract/byte-order.ts";
import type { Call } from "../contract/driver.ts";
import type { Filter, ListPage, ListRequest, QueryPage, QueryRequest } from "../contract/state.ts";
import type { Link } from "./link.ts";

interface Asked {
  readonly filter?: Filter | undefined;
  readonly sort: QueryRequest["sort"];
  readonly metadata: QueryRequest["metadata"];
}

/** Items of all pages under a prefix, which the wire cannot ask for, so that it is applied here. */
async function ask(link: Link, asked: Asked, prefix: string, limit: number, token: string, call: Call) {
  const request = {
    query: {
      filter: asked.filter ? wireFilter(asked.filter) : {},
      sort: asked.sort.map(({ key, order }) => ({ key, order: Sorting_Order[order] })),
      pagination: { limit: BigInt(limit), token },
    },
    metadata: { ...asked.metadata },
  };
  const answer = await link.call(QueriableStateStore.method.query, request, call, { again: true });
  const failed = answer.items.find(({ error }) => error !== "");
  if (failed) throw new Error(`${failed.key}: ${failed.error}`);
  const items = answer.items.filter(({ key }) => key.startsWith(prefix));
  // A token that leads nowhere new would be followed for ever.
  const next = answer.token === token || answer.items.length === 0 ? "" : answer.token;
  return { items, next };
}

/** One page. Items of others are left out, and the process is asked until the page is full or there are no more. */
export async function queryPage(link: Link, request: QueryRequest, call: Call): Promise<QueryPage> {
  const { prefix, limit } = request;
  const items: QueryItem[] = [];
  let token = request.token ?? "";
  do {
    const page = await ask(link, request, prefix, limit === 0 ? 0 : limit - items.length, token, call);
    items.push(...page.items);
    token = page.next;
  } while (token !== "" && (limit === 0 || items.length < limit));
  const entries = items.map(({ key, data, etag }) => ({ key, data, ...(etag?.value ? { etag: etag.value } : {}) }));
  return token === "" ? { entries } : { entries, token };
}

const slice = 1_000;

/** Every page reads all values, because the wire knows no other way to learn of keys. */
export async function listByQuery(link: Link, { prefix, cursor, limit }: ListRequest, call: Call): Promise<ListPage> {
  const found: string[] = [];
  let token = "";
  do {
    const page = await ask(link, { sort: [], metadata: {} }, prefix, slice, token, call);
    found.push(...page.items.map(({ key }) => key));
    token = page.next;
  } while (token !== "");
  const keys = found.filter((key) => cursor === undefined || compareBytes(key, cursor) > 0).sort(compareBytes);
  const first = keys.slice(0, limit);
  return keys.length > limit ? { keys: first, cursor: first.at(-1) } : { keys: first };
}

/** The filter by its operator, its operand as JSON text in the Any, which is how published components read it. */
function wireFilter(filter: Filter) {
  return Object.fromEntries(
    Object.entries(jsonFilter(filter)).map(([operator, operand]) => [
      operator,
      { typeUrl: "", value: Buffer.from(JSON.stringify(operand)) },
    ]),
  );
}

/** The filter as callers write it. */
function jsonFilter(filter: Filter): Record<string, unknown> {
  if ("filters" in filter) return { [filter.op]: filter.filters.map(jsonFilter) };
  const operand = "values" in filter ? filter.values : filter.value;
  return { [filter.op]: { [filter.key]: operand } };
}
