import { fail } from "../../specs/errors.ts";

/**
 * A name as SQL writes it, whatever it holds.
 * @param setting the setting that holds it, for the error `openFailed`
 */
export function quoted(setting: string, name: string): string {
  if (name === "" || name.length > 64 || name.includes("\0") || name.endsWith(" ")) {
    throw fail("openFailed", {
      why: `${setting}: ${JSON.stringify(name)} is no name for the server; write 1 to 64 characters, without a space at the end`,
    });
  }
  return `\`${name.replaceAll("`", "``")}\``;
}
