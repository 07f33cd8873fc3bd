import { readFile } from "node:fs/promises";
import { causeText } from "../../specs/errors.ts";
import type { Jwk } from "../contract/crypto.ts";
import { parseKeySet } from "../contract/key-set.ts";

type KeySet = ReadonlyMap<string, Jwk>;

/** Where a key set comes from. */
export interface Source {
  /** False: it never changes. */
  readonly refreshes: boolean;
  /** Rejects with an Error that quotes nothing of the keys. */
  load(signal: AbortSignal): Promise<KeySet>;
}

const maxBytes = 1 << 20;

/** Tells a URL, JSON, JSON in base64 and the path of a file apart. */
export function findSource(jwks: string): Source {
  const text = jwks.trim();
  if (/^https?:\/\//i.test(text)) return { refreshes: true, load: (signal) => download(text, signal) };
  if (text.startsWith("{")) return { refreshes: false, load: async () => parseKeySet(text) };
  const decoded = Buffer.from(text, "base64").toString("utf8").trim();
  if (decoded.startsWith("{")) return { refreshes: false, load: async () => parseKeySet(decoded) };
  return { refreshes: true, load: async (signal) => parseKeySet(await readFile(text, { encoding: "utf8", signal })) };
}

async function download(url: string, signal: AbortSignal): Promise<KeySet> {
  const answer = await fetch(url, { signal, headers: { accept: "application/json" } }).catch((error: unknown) => {
    // The platform's own words are "fetch failed"; what happened is in the cause.
    throw error instanceof Error && error.cause ? new Error(causeText(error.cause), { cause: error }) : error;
  });
  if (!answer.ok) throw new Error(`the server of the key set answered ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the key set is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return parseKeySet(Buffer.concat(chunks).toString("utf8"));
}
