import type { Call } from "../../../components/contract/driver.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { type Components, requireComponent } from "../../kernel/components.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import { type Key, toKey } from "./keys.ts";

/** Gives a provider's keys by name; rejects with `cryptoKey`. */
export type KeyReader = (keyName: string, call: Call) => Promise<Key>;

/** Finds a provider; throws `cryptoNotConfigured` or `cryptoNotFound`. */
export function requireProvider(components: Components, name: string): KeyReader {
  const { opened } = requireComponent(components, "crypto", name, {
    none: () => fail("cryptoNotConfigured", {}),
    unknown: (unknown, known) => fail("cryptoNotFound", { name: unknown, known }),
  });
  return async (key, call) => {
    if (key === "") throw fail("cryptoRequest", { why: "the name of the key is missing" });
    try {
      return toKey(await opened.key(key, call));
    } catch (error) {
      if (error instanceof MechaError && error.reason === "cryptoKey") throw error;
      throw fail("cryptoKey", { key, cause: causeText(error) }, { cause: error });
    }
  };
}

/** An entry of a table of algorithms; throws `cryptoRequest` with the names there are. */
export function requireAlgorithm<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(table);
  const hint = didYouMean(name, names) ?? `there are ${names.join(", ")}`;
  throw fail("cryptoRequest", { why: `algorithm ${JSON.stringify(name)} is not known; ${hint}` });
}

/** What an operation threw, as the API answers it. */
export function cryptoFailure(error: unknown): MechaError {
  if (error instanceof MechaError) return error;
  return fail("cryptoFailed", { cause: causeText(error) }, { cause: error });
}
