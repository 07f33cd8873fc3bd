import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { causeText } from "../../specs/errors.ts";
import type { CliContext } from "./context.ts";
import { CliError } from "./failure.ts";

export interface Data {
  readonly bytes: Uint8Array;
  /** Media type that the text suggests. */
  readonly contentType: string;
}

/**
 * Data as it is given on a command line: a text, `@file`, or `-` for standard input. JSON is recognised.
 * Throws a CliError when the file cannot be read.
 */
export async function readData(given: string, context: CliContext): Promise<Data> {
  const bytes = await bytesOf(given, context);
  return { bytes, contentType: isJson(bytes) ? "application/json" : "text/plain" };
}

async function bytesOf(given: string, { cwd, readStdin }: CliContext): Promise<Uint8Array> {
  if (given === "-") return Buffer.from(await readStdin());
  if (!given.startsWith("@")) return Buffer.from(given);
  const path = resolve(cwd, given.slice(1));
  try {
    return await readFile(path);
  } catch (cause) {
    const hint = 'a text that begins with "@" names a file; give other texts through "-"';
    throw new CliError(`${path} cannot be read: ${causeText(cause)}`, { hint, cause });
  }
}

/** Whether the bytes are a JSON text. */
export function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}
