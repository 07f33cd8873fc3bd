import { createHash } from "node:crypto";
import { replyCode } from "./failures.ts";
import type { Connection } from "./link.ts";

/** A script that runs in the server, all at once. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export const script = (text: string): Script => ({ text, sha: createHash("sha1").update(text).digest("hex") });

export type Argument = string | Buffer | number;

/** Runs a script by its name where the server knows it, else by its text. Texts of the answer are bytes. */
export function runScript(
  connection: Connection,
  { text, sha }: Script,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<unknown> {
  return connection.callBuffer("EVALSHA", sha, keys.length, ...keys, ...args).catch((error: unknown) => {
    if (replyCode(error) !== "NOSCRIPT") throw error;
    return connection.callBuffer("EVAL", text, keys.length, ...keys, ...args);
  });
}
