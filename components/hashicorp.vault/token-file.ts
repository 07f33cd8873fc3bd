import { readFile } from "node:fs/promises";
import { causeText, fail, MechaError } from "../../specs/errors.ts";
import type { TokenSource } from "./token-source.ts";

/** A file that somebody else keeps up to date, such as an agent. Rejects with `openFailed`. */
export async function openTokenFile(setting: string, path: string): Promise<TokenSource> {
  let token = await readFirstLine(setting, path);
  return {
    setting,
    get token() {
      return token;
    },
    async replace(refused) {
      try {
        token = await readFirstLine(setting, path);
      } catch (error) {
        // Whoever writes the file may be at it just now: the next call looks again.
        if (!(error instanceof MechaError)) throw error;
      }
      return token !== refused;
    },
    close: async () => {},
  };
}

/** What a file holds, without the blanks around it. Rejects with `openFailed`. */
export async function readFirstLine(setting: string, path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw fail("openFailed", { why: `${setting}: cannot be read (${causeText(error)})` }, { cause: error });
  }
  if (text === "") throw fail("openFailed", { why: `${setting}: the file ${path} is empty` });
  return text;
}
