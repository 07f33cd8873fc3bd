import { fail } from "../../specs/errors.ts";
import { prefixEnd } from "../contract/byte-order.ts";
import type { Call } from "../contract/driver.ts";
import type { Filter, QueryPage, QueryRequest } from "../contract/state.ts";
import type { Client } from "./client.ts";

/**
 * The query API as SQL over jsonb, by the rules of contract/query.ts. Everything that a caller gives is a parameter; only
 * the form of the statement follows the query.
 */
export async function queryJson(client: Client, table: string, request: QueryRequest, call: Call): Promise<QueryPage> {
  const { prefix, filter, sort, limit, token } = request;
  const parameters = new Parameters();
  const where = [
    "NOT isbinary",
    "(expiredate IS NULL OR expiredate > now())",
    `key COLLATE "C" >= ${parameters.add(prefix, "text")}`,
  ];
  const end = prefixEnd(prefix);
  if (end !== undefined) where.push(`key COLLATE "C" < ${parameters.add(end, "text")}`);
  if (filter) where.push(toSql(filter, parameters));
  const keys = sort.map(({ key, order }) => ({ at: path(key, parameters), order }));
  if (token !== undefined) where.push(behind(keys, parseToken(token, sort.length), parameters));
  const order = [
    ...keys.map(({ at, order: way }) =>
      rank(at)
        .map((one) => `${one} ${way}`)
        .join(", "),
    ),
    'key COLLATE "C"',
  ];
  const { rows } = await client.read(
    `SELECT key, value, xmin${keys.map(({ at }) => `, ${at}`).join("")} FROM ${table}
      WHERE ${where.join(" AND ")} ORDER BY ${order.join(", ")}${limit > 0 ? ` LIMIT ${limit + 1}` : ""}`,
    parameters.values,
    call,
  );
  const isFull = limit > 0 && rows.length > limit;
  const page = isFull ? rows.slice(0, limit) : rows;
  const entries = page.map(([key, value, etag]) => ({
    key: key as string,
    data: Buffer.from(value as string),
    etag: etag as string,
  }));
  const last = isFull ? page.at(-1) : undefined;
  return last ? { entries, token: formatToken(last) } : { entries };
}

class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown, type: string): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }
}

/** The value at a path, NULL where there is none; a leading `value.` may be left out. */
function path(key: string, parameters: Parameters): string {
  const parts = key.split(".");
  const whole = `(value #> ${parameters.add(parts, "text[]")})`;
  if (parts.length === 1 || parts[0] !== "value") return whole;
  return `coalesce(${whole}, value #> ${parameters.add(parts.slice(1), "text[]")})`;
}

const operators = { EQ: "=", NEQ: "<>", GT: ">", GTE: ">=", LT: "<", LTE: "<=" } as const;

/** A condition; one on an absent value is NULL, and so not met. */
function toSql(filter: Filter, parameters: Parameters): string {
  switch (filter.op) {
    case "AND":
    case "OR": {
      const parts = filter.filters.map((one) => toSql(one, parameters));
      return parts.length === 0 ? String(filter.op === "AND") : `(${parts.join(` ${filter.op} `)})`;
    }
    case "IN": {
      const values = filter.values.map((value) => JSON.stringify(value));
      return `${path(filter.key, parameters)} = ANY(${parameters.add(values, "text[]")}::jsonb[])`;
    }
    case "EQ":
    case "NEQ": {
      const at = path(filter.key, parameters);
      return `${at} ${operators[filter.op]} ${parameters.add(JSON.stringify(filter.value), "jsonb")}`;
    }
    default: {
      const { value } = filter;
      if (typeof value !== "number" && typeof value !== "string") return "false";
      const at = path(filter.key, parameters);
      // jsonb itself would compare texts by the language of the database, and a number with a text.
      const [type, sides] =
        typeof value === "number"
          ? ["number", [at, parameters.add(JSON.stringify(value), "jsonb")]]
          : ["string", [`(${at} #>> '{}') COLLATE "C"`, parameters.add(value, "text")]];
      return `(jsonb_typeof(${at}) = '${type}' AND ${sides.join(` ${operators[filter.op]} `)})`;
    }
  }
}

/** What to order by: absent before null, booleans, numbers, texts and the rest. */
const rank = (at: string): readonly string[] => [
  `CASE jsonb_typeof(${at}) WHEN 'null' THEN 1 WHEN 'boolean' THEN 2 WHEN 'number' THEN 3 WHEN 'string' THEN 4
    WHEN 'object' THEN 5 WHEN 'array' THEN 5 ELSE 0 END`,
  `CASE jsonb_typeof(${at}) WHEN 'number' THEN (${at})::text::numeric WHEN 'boolean' THEN (${at})::boolean::int ELSE 0 END`,
  `coalesce(CASE jsonb_typeof(${at}) WHEN 'string' THEN ${at} #>> '{}' WHEN 'object' THEN (${at})::text
    WHEN 'array' THEN (${at})::text END, '') COLLATE "C"`,
];

type Place = { readonly values: readonly (string | null)[]; readonly key: string };

/** Rows that follow a place in the order of the answer. */
function behind(
  keys: readonly { readonly at: string; readonly order: "ASC" | "DESC" }[],
  place: Place,
  parameters: Parameters,
): string {
  const sides = keys.map(({ at, order }, index) => ({
    left: `ROW(${rank(at).join(", ")})`,
    right: `ROW(${rank(parameters.add(place.values[index] ?? null, "jsonb")).join(", ")})`,
    sign: order === "DESC" ? "<" : ">",
  }));
  const last = { left: 'key COLLATE "C"', right: parameters.add(place.key, "text"), sign: ">" };
  const cases = [...sides, last].map(({ left, right, sign }, index) =>
    [...sides.slice(0, index).map((one) => `${one.left} = ${one.right}`), `${left} ${sign} ${right}`].join(" AND "),
  );
  return `(${cases.map((one) => `(${one})`).join(" OR ")})`;
}

/** The sort values as JSON texts, null for an absent one, then the key. */
const formatToken = ([key, , , ...values]: readonly unknown[]): string =>
  Buffer.from(JSON.stringify([...values, key])).toString("base64url");

function parseToken(token: string, sortKeys: number): Place {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    const key = Array.isArray(parts) ? parts.pop() : undefined;
    if (typeof key === "string" && Array.isArray(parts) && parts.length === sortKeys && parts.every(isJsonOrNull)) {
      return { values: parts, key };
    }
  } catch {
    // Reported below, as any other text that is no token.
  }
  throw fail("malformedRequest", {
    why: "page.token is not from an earlier answer to this query; leave it out to start anew",
  });
}

function isJsonOrNull(part: unknown): boolean {
  if (part === null) return true;
  if (typeof part !== "string") return false;
  JSON.parse(part);
  return true;
}
