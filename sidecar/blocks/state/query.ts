import type { Filter, QueryRequest } from "../../../components/contract/state.ts";
import { fail } from "../../../specs/errors.ts";
import { isRecord, parseJson } from "../../kernel/json.ts";

/**
 * Reads a query of the query API: `{filter, sort, page}`. Keys may be written with or without a leading `value.`.
 * Throws `malformedRequest` naming the part that is wrong.
 */
export function parseQuery(text: string): Omit<QueryRequest, "prefix" | "metadata"> {
  const query = parseJson(text, "the query");
  if (!isRecord(query)) throw bad("the query must be an object with filter, sort and page");
  return {
    filter: parseFilter(query["filter"], "filter"),
    sort: parseSort(query["sort"]),
    ...parsePage(query["page"]),
  };
}

const bad = (why: string) => fail("malformedRequest", { why });

function parseFilter(value: unknown, at: string): Filter | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) throw bad(`${at} must be an object`);
  const entries = Object.entries(value);
  if (entries.length === 0) return undefined;
  const [entry] = entries;
  if (!entry || entries.length > 1)
    throw bad(`${at} must hold one operator, got ${Object.keys(value).join(", ")}; join them by AND or OR`);
  const [op, operand] = entry;
  switch (op) {
    case "AND":
    case "OR": {
      if (!Array.isArray(operand)) throw bad(`${at}.${op} must be an array of filters`);
      const filters = operand.map((one, i) => parseFilter(one, `${at}.${op}[${i}]`)).filter((one) => one !== undefined);
      return { op, filters };
    }
    case "EQ":
    case "NEQ":
    case "GT":
    case "GTE":
    case "LT":
    case "LTE": {
      const [key, operandValue] = onePair(operand, `${at}.${op}`);
      return { op, key, value: operandValue };
    }
    case "IN": {
      const [key, values] = onePair(operand, `${at}.IN`);
      if (!Array.isArray(values)) throw bad(`${at}.IN.${key} must be an array`);
      return { op, key, values };
    }
    default:
      throw bad(`${at}: unknown operator ${op}; use EQ, NEQ, GT, GTE, LT, LTE, IN, AND or OR`);
  }
}

function onePair(value: unknown, at: string): [string, unknown] {
  const pairs = isRecord(value) ? Object.entries(value) : [];
  const [pair] = pairs;
  if (!pair || pairs.length > 1) throw bad(`${at} must be an object with one key`);
  return pair;
}

function parseSort(value: unknown): QueryRequest["sort"] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad("sort must be an array of {key, order}");
  return value.map((one: unknown, i) => {
    if (!isRecord(one) || typeof one["key"] !== "string") throw bad(`sort[${i}].key must be a text`);
    const order = one["order"] ?? "ASC";
    if (order !== "ASC" && order !== "DESC")
      throw bad(`sort[${i}].order must be ASC or DESC, got ${JSON.stringify(order)}`);
    return { key: one["key"], order };
  });
}

function parsePage(value: unknown): { limit: number; token: string | undefined } {
  if (value === undefined || value === null) return { limit: 0, token: undefined };
  if (!isRecord(value)) throw bad("page must be an object with limit and token");
  const limit = value["limit"] ?? 0;
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 0)
    throw bad("page.limit must be a whole number, 0 or more");
  const token = value["token"];
  if (token !== undefined && typeof token !== "string") throw bad("page.token must be a text");
  return { limit, token: token || undefined };
}
