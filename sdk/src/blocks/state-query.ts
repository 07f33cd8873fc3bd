/**
 * A condition on values. Keys are paths into the value, such as `person.city`.
 *
 * @example
 * ```ts
 * import type { StateFilter } from "@mecha/sdk";
 *
 * const filter: StateFilter = { AND: [{ EQ: { city: "Rome" } }, { OR: [{ GT: { age: 30 } }, { IN: { role: ["a", "b"] } }] }] };
 * console.log(filter);
 * ```
 */
export type StateFilter =
  | { readonly [O in "EQ" | "NEQ" | "GT" | "GTE" | "LT" | "LTE"]?: Readonly<Record<string, unknown>> }
  | { readonly IN: Readonly<Record<string, readonly unknown[]>> }
  | { readonly AND: readonly StateFilter[] }
  | { readonly OR: readonly StateFilter[] };

/**
 * What to find, in which order, and how much at a time.
 *
 * @example
 * ```ts
 * import { createClient, type StateQuery } from "@mecha/sdk";
 *
 * const query: StateQuery = { filter: { EQ: { item: "apple" } }, sort: [{ key: "count", order: "DESC" }], page: { limit: 10 } };
 * const { results, token } = await createClient().state("orders").query(query);
 * console.log(results.length, token ? "and more" : "in all");
 * ```
 */
export interface StateQuery {
  readonly filter?: StateFilter;
  readonly sort?: readonly { readonly key: string; readonly order?: "ASC" | "DESC" }[];
  /** `token` comes from the page before. */
  readonly page?: { readonly limit?: number; readonly token?: string | undefined };
}

/**
 * A page of what a query found.
 *
 * @example
 * ```ts
 * import { createClient, type FoundPage } from "@mecha/sdk";
 *
 * const page: FoundPage<{ count: number }> = await createClient().state<{ count: number }>("orders").query({});
 * console.log(page.results.map(({ value }) => value.count));
 * ```
 */
export interface FoundPage<T> {
  readonly results: readonly { readonly key: string; readonly value: T; readonly etag: string | undefined }[];
  /** Asks for the next page; undefined at the end. */
  readonly token: string | undefined;
}
