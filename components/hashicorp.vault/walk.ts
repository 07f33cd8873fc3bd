import { MechaError } from "../../specs/errors.ts";
import type { SecretValues } from "../contract/secrets.ts";
import type { Vault } from "./vault.ts";

const atOnce = 8;

/** Every secret below the prefix that the token may read, by its path from there. */
export async function walk(vault: Vault, signal?: AbortSignal): Promise<Readonly<Record<string, SecretValues>>> {
  const found: [string, SecretValues][] = [];
  // Folders end with a slash; the prefix itself is "".
  let places: readonly string[] = await vault.list("", signal);
  while (places.length > 0) {
    const below = await fewAtOnce(places, async (place) => {
      if (place.endsWith("/")) return (await orDenied(vault.list(place, signal), signal)) ?? [];
      const values = await orDenied(vault.read(place, undefined, signal), signal);
      if (values) found.push([place, values]);
      return [];
    });
    places = below.flat();
  }
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What the token may not see, or is gone by now, is left out. */
async function orDenied<T>(answer: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (signal?.aborted || !(error instanceof MechaError)) throw error;
    if (error.reason === "secretNotFound" || error.params["isDenied"] === true) return undefined;
    throw error;
  }
}

async function fewAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(work))));
  }
  return results;
}
