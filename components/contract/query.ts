import { isUtf8 } from "node:buffer";
import { fail } from "../../specs/errors.ts";
import { compareBytes } from "./byte-order.ts";
import type { Filter, QueryPage, QueryRequest } from "./state.ts";

/**
 * The query API, evaluated over JSON values by stores that cannot leave it to their backend. Its rules:
 * - A key is a path, `person.name` or `items.0.id`; a leading `value.` may be left out.
 * - A condition on a key that a value does not have is not met, whatever its operator.
 * - EQ, NEQ and IN compare any JSON; GT, GTE, LT and LTE compare two numbers or two texts, else they are not met.
 * - Sorting puts absent before null, false, true, numbers, texts and the rest; equals follow in the order of their keys.
 * - Values that are not JSON are left out.
 */

/** A stored value that may be part of the answer. */
export interface Candidate {
  readonly key: string;
  /** JSON text, or its bytes. */
  readonly data: string | Uint8Array;
  readonly etag?: string | undefined;
}

/** `[]` is an absent value, so that it can be told from null in a token. */
type SortValue = readonly [] | readonly [unknown];

/** Where an entry stands in the answer. */
interface Place {
  readonly values: readonly SortValue[];
  readonly key: string;
}

interface Match extends Place {
  readonly entry: Candidate;
}

/** One evaluation: `offer` every candidate, then take the `page`. Throws `malformedRequest` for a foreign token. */
export class QueryEvaluation {
  readonly #limit: number;
  readonly #filter: (document: unknown) => boolean;
  readonly #sortBy: readonly { readonly read: (document: unknown) => SortValue; readonly sign: 1 | -1 }[];
  readonly #start: Place | undefined;
  #matches: Match[] = [];

  constructor(request: QueryRequest) {
    this.#limit = request.limit;
    this.#filter = compile(request.filter);
    this.#sortBy = request.sort.map(({ key, order }) => ({ read: reader(key), sign: order === "DESC" ? -1 : 1 }));
    this.#start = request.token === undefined ? undefined : parseToken(request.token, request.sort.length);
  }

  /** Without sorting: only keys behind this one can still be in the answer; undefined: all can. */
  get after(): string | undefined {
    return this.#sortBy.length === 0 ? this.#start?.key : undefined;
  }

  /**
   * Takes a candidate into account; without sorting they must come in the order of their keys.
   * @returns false when no further candidate can change the page
   */
  offer(candidate: Candidate): boolean {
    const document = parse(candidate.data);
    if (document === undefined || !this.#filter(document)) return true;
    const match: Match = {
      values: this.#sortBy.map(({ read }) => read(document)),
      key: candidate.key,
      entry: candidate,
    };
    if (this.#start && this.#compare(match, this.#start) <= 0) return true;
    this.#matches.push(match);
    if (this.#limit === 0) return true;
    if (this.#sortBy.length === 0) return this.#matches.length <= this.#limit;
    // One more than the page holds tells whether another page follows; a few more spare sorting each time.
    if (this.#matches.length > 4 * this.#limit + 256) this.#cut();
    return true;
  }

  page(): QueryPage {
    this.#cut();
    const full = this.#limit > 0 && this.#matches.length > this.#limit;
    const matches = full ? this.#matches.slice(0, this.#limit) : this.#matches;
    const last = full ? matches.at(-1) : undefined;
    const entries = matches.map(({ entry: { key, data, etag } }) => ({ key, data: bytesOf(data), etag }));
    return last ? { entries, token: formatToken(last) } : { entries };
  }

  #cut(): void {
    this.#matches.sort((left, right) => this.#compare(left, right));
    if (this.#limit > 0) this.#matches.length = Math.min(this.#matches.length, this.#limit + 1);
  }

  #compare(left: Place, right: Place): number {
    for (const [index, { sign }] of this.#sortBy.entries()) {
      const order = compareValues(left.values[index] ?? [], right.values[index] ?? []);
      if (order !== 0) return order * sign;
    }
    return compareBytes(left.key, right.key);
  }
}

const bytesOf = (data: string | Uint8Array) => (typeof data === "string" ? Buffer.from(data) : data);

/** The JSON value, or undefined when the data is not JSON. */
function parse(data: string | Uint8Array): unknown {
  if (typeof data !== "string" && !isUtf8(data)) return undefined;
  try {
    return JSON.parse(
      typeof data === "string" ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString(),
    );
  } catch {
    return undefined;
  }
}

function compile(filter: Filter | undefined): (document: unknown) => boolean {
  if (!filter) return () => true;
  switch (filter.op) {
    case "AND": {
      const all = filter.filters.map(compile);
      return (document) => all.every((one) => one(document));
    }
    case "OR": {
      const any = filter.filters.map(compile);
      return (document) => any.some((one) => one(document));
    }
    case "IN":
      return condition(filter.key, (found) => filter.values.some((value) => equal(found, value)));
    case "EQ":
      return condition(filter.key, (found) => equal(found, filter.value));
    case "NEQ":
      return condition(filter.key, (found) => !equal(found, filter.value));
    case "GT":
      return condition(filter.key, (found) => order(found, filter.value) > 0);
    case "GTE":
      return condition(filter.key, (found) => order(found, filter.value) >= 0);
    case "LT":
      return condition(filter.key, (found) => order(found, filter.value) < 0);
    case "LTE":
      return condition(filter.key, (found) => order(found, filter.value) <= 0);
  }
}

function condition(key: string, met: (found: unknown) => boolean): (document: unknown) => boolean {
  const read = reader(key);
  return (document) => {
    const found = read(document);
    return found.length === 1 && met(found[0]);
  };
}

/** NaN, which no comparison holds for, unless both are numbers or both are texts. */
function order(left: unknown, right: unknown): number {
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "string" && typeof right === "string") return compareBytes(left, right);
  return Number.NaN;
}

/** Reads the value at a path. */
function reader(key: string): (document: unknown) => SortValue {
  const path = key.split(".");
  if (path.length === 1 || path[0] !== "value") return (document) => at(document, path);
  const rest = path.slice(1);
  return (document) => {
    const found = at(document, path);
    return found.length === 1 ? found : at(document, rest);
  };
}

function at(document: unknown, path: readonly string[]): SortValue {
  let value = document;
  for (const part of path) {
    // Object.hasOwn takes "length" for a part of every array.
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return [];
    if (Array.isArray(value) && part === "length") return [];
    value = (value as Record<string, unknown>)[part];
  }
  return [value];
}

const ranks: Readonly<Record<string, number>> = { boolean: 2, number: 3, string: 4 };

function rank(value: SortValue): number {
  if (value.length === 0) return 0;
  return value[0] === null ? 1 : (ranks[typeof value[0]] ?? 5);
}

function compareValues(left: SortValue, right: SortValue): number {
  const difference = rank(left) - rank(right);
  if (difference !== 0) return difference;
  const [a, b] = [left[0], right[0]];
  switch (typeof a) {
    case "boolean":
    case "number":
      return Number(a) - Number(b);
    case "string":
      return compareBytes(a, String(b));
    default:
      return compareBytes(JSON.stringify(a) ?? "", JSON.stringify(b) ?? "");
  }
}

/** Equality of JSON values; the order of an object's keys does not count. */
function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const [a, b] = [left as Record<string, unknown>, right as Record<string, unknown>];
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

const formatToken = ({ values, key }: Place) => Buffer.from(JSON.stringify([...values, key])).toString("base64url");

function parseToken(token: string, sortKeys: number): Place {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    const key = Array.isArray(parts) ? parts.pop() : undefined;
    if (typeof key === "string" && isSortValues(parts, sortKeys)) return { values: parts, key };
  } catch {
    // Reported below, as any other text that is no token.
  }
  throw fail("malformedRequest", {
    why: "page.token is not from an earlier answer to this query; leave it out to start anew",
  });
}

const isSortValues = (parts: unknown, count: number): parts is SortValue[] =>
  Array.isArray(parts) && parts.length === count && parts.every((part) => Array.isArray(part) && part.length <= 1);
