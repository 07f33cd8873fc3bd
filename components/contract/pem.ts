import { readFile } from "node:fs/promises";
import { causeText, fail } from "../../specs/errors.ts";

/**
 * The PEM text that a setting holds, or that is in the file it names; undefined for nothing.
 * @throws MechaError `openFailed`
 */
export async function readPem(setting: string, value: string | undefined): Promise<string | undefined> {
  if (!value || value.includes("-----BEGIN")) return value || undefined;
  let text: string;
  try {
    text = await readFile(value, "utf8");
  } catch (error) {
    // Neither its text nor the error itself goes out: the path may be a key that was meant to be PEM text.
    throw fail("openFailed", { why: `${setting}: is neither PEM text nor a readable file (${codeOf(error)})` });
  }
  if (text.includes("-----BEGIN")) return text;
  throw fail("openFailed", { why: `${setting}: the file holds no PEM text, which starts with -----BEGIN` });
}

const codeOf = (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : causeText(error));
